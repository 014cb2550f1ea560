"""What is done with a changed file of each kind, and what becomes of thousands of them, in few processes.

``python -m hostile.trying [KIND ...] [--count 5000]``; the exit code says whether all ended well.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import onnx
import psutil

from hostile import structure
from hostile.cases import good_folder

SECONDS = 20
BYTES = 2**30
# What a process takes that waits for something, in a minute.
_WAITING = 0.1
_STARTING = 600  # seconds that a process may take to import TensorFlow on a busy machine


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Args:
        file: which of the good folder is changed.
        change: from its content.
        use: what is done with it, in the folder.
    """

    file: str
    change: Callable[[bytes, random.Random], bytes]
    use: Callable[[], object]


def _model(name: str, runtime: str) -> None:
    from landcover.config import ModelSettings
    from landcover.models.recipe import make_recipe

    make_recipe(ModelSettings(path=name, runtime=runtime, mean=100, scale=0.02), threads=1)


def _rasters() -> None:
    from landcover.tiles.rasters import RasterSource

    source = RasterSource(["scene.tif"], tile=32, most_tiles=10**6)
    source.count()
    for task in source.tasks():
        for read in list(task.reads())[:4]:
            read()


def _images(suffix: str) -> None:
    from landcover.tiles.grid import Size
    from landcover.tiles.images import ImageSource

    source = ImageSource([f"images/*.{suffix}"], tile=Size(32, 32), bands=(1, 2, 3))
    source.count()
    for task in source.tasks():
        for read in task.reads():
            read()


def _run() -> None:
    from landcover.analysis.map_blocks import map_blocks
    from landcover.cli.score import _tell
    from landcover.run import open_run
    from landcover.runs.parts import finished, read_parts

    run = open_run("run")
    finished(run.directory)
    for table in (*read_parts(run.directory), *read_parts(run.directory, "quarantine")):
        table.to_pylist()
    _tell(run)
    run.tiles()
    run.failures()
    for _ in map_blocks(run.directory):
        pass


def _onnx(content: bytes, draw: random.Random) -> bytes:
    return structure.message(onnx.ModelProto.FromString(content), draw)


def _saved_model(content: bytes, draw: random.Random) -> bytes:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    return structure.message(SavedModel.FromString(content), draw)


def _graph(content: bytes, draw: random.Random) -> bytes:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    return structure.message(GraphDef.FromString(content), draw)


def _json(content: bytes, draw: random.Random) -> bytes:
    return json.dumps(structure.tree(json.loads(content), draw)).encode()


KINDS: dict[str, Kind] = {
    "onnx": Kind("colours.onnx", _onnx, lambda: _model("colours.onnx", "onnxruntime")),
    "onnx in openvino": Kind("colours.onnx", _onnx, lambda: _model("colours.onnx", "openvino")),
    "keras": Kind("net.keras", structure.keras, lambda: _model("net.keras", "tensorflow")),
    "keras in hdf5": Kind("net.h5", structure.keras_hdf5, lambda: _model("net.h5", "tensorflow")),
    "savedmodel": Kind("saved/saved_model.pb", _saved_model, lambda: _model("saved", "tensorflow")),
    "frozen graph": Kind("net.pb", _graph, lambda: _model("net.pb", "tensorflow")),
    "geotiff": Kind("scene.tif", structure.tiff, _rasters),
    "tiff": Kind("images/2.tif", structure.tiff, lambda: _images("tif")),
    "png": Kind("images/0.png", structure.png, lambda: _images("png")),
    "jpeg": Kind("images/1.jpg", structure.jpeg, lambda: _images("jpg")),
    "parquet": Kind("run/tiles/part-000000.parquet", structure.parquet, _run),
    "run.json": Kind("run/run.json", _json, _run),
}
NEED_TENSORFLOW = ("keras", "keras in hdf5", "savedmodel", "frozen graph")
"""Kinds that import TensorFlow."""


def prepared(folder: Path, kinds: list[str]) -> None:
    """The good folder, with what the kinds need besides: a run that is done, models of Keras."""
    import landcover

    good_folder(folder)
    if {"parquet", "run.json"} & {*kinds}:
        landcover.score(folder / "config.yaml", output=folder / "run")
    if not {*NEED_TENSORFLOW} & {*kinds}:
        return
    child = os.fork()  # TensorFlow cannot be used on both sides of a fork
    if child == 0:
        import keras

        layers = [keras.layers.Conv2D(4, 3), keras.layers.ReLU(), keras.layers.GlobalMaxPool2D()]
        net = keras.Sequential([keras.Input((32, 32, 3)), *layers, keras.layers.Dense(4)])
        net.save(folder / "net.keras")
        net.save(folder / "net.h5")
        net.export(folder / "saved", verbose=False)
        _freeze(folder / "net.pb")
        os._exit(0)
    os.waitpid(child, 0)


def _freeze(path: Path) -> None:
    """Write a frozen graph of a small network."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, (None, 32, 32, 3), name="image")
        features = tf.nn.relu(tf.nn.conv2d(image, tf.fill((3, 3, 3, 4), 0.1), 1, "SAME"))
        pooled = tf.reduce_mean(tf.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]]), (1, 2))
        tf.nn.softmax(tf.matmul(pooled, tf.constant([[0.5] * 4] * 4)), name="scores")
    path.write_bytes(graph.as_graph_def().SerializeToString())


def bad_ends(name: str, count: int, good: Path, first: int = 0) -> Iterator[tuple[int, str]]:
    """Try changed files of a kind.

    Args:
        name: of the kind.
        count: how many.
        good: the folder of :func:`prepared`.
        first: the seed of the first one; others follow.

    Yields:
        the seeds of those that crashed, hung, took too much or were a defect, with what happened.
    """
    seed, end = first, first + count
    while seed < end:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _try(name, range(seed, end), good, writing)
        os.close(writing)
        with os.fdopen(reading, "rb", buffering=0) as told:
            late, rest, patience, before = False, b"", _STARTING, _spent(child)
            while True:
                ready, _, _ = select.select([told], [], [], patience)
                if not ready and _WAITING < _spent(child) - before < SECONDS:
                    continue  # others have the processors
                patience, before = 3 * SECONDS, _spent(child)
                late = not ready
                got = told.read(65_536) if ready else b""
                if not got:
                    break
                *lines, rest = (rest + got).split(b"\n")
                for line in lines:
                    number, _, ended = line.decode().partition(" ")
                    seed = int(number) + 1
                    if ended:
                        yield int(number), ended
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if seed < end and (late or not os.WIFEXITED(status) or os.WEXITSTATUS(status) != 3):
            yield seed, "hung" if late else f"crashed ({status})"
            seed += 1


def _spent(process: int) -> float:
    """Seconds of a processor that a process has had."""
    return sum(psutil.Process(process).cpu_times()[:2])


def _try(name: str, seeds: range, good: Path, writing: int) -> None:
    """In a process of its own: change, use, tell; exit code 3 asks for a new one."""
    kind, folder = KINDS[name], Path(tempfile.mkdtemp(prefix="trying-"))
    shutil.copytree(good, folder, dirs_exist_ok=True)
    os.chdir(folder)
    os.environ["LANDCOVER_CACHE"] = str(folder / "cache")
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silent, stream)
    file = folder / kind.file
    content = file.read_bytes()
    code = 0
    if ended := _end(kind.use):
        os.write(writing, f"{seeds[-1]} the good file: {ended}\n".encode())
        os._exit(0)
    usual = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for seed in seeds:
        file.write_bytes(kind.change(content, random.Random(seed)))
        began = time.process_time()
        ended = _end(kind.use)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if time.process_time() - began > SECONDS:
            ended = f"took {time.process_time() - began:.0f} s of a processor; {ended}"
        if most > usual + BYTES:
            ended, code = f"took {(most - usual) >> 20} MiB; {ended}", 3
        os.write(writing, f"{seed} {ended}\n".encode())
        if code:
            break
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(code)


def _end(use: Callable[[], object]) -> str:
    """What is wrong with how it ended; empty where nothing is."""
    from landcover.errors import LandcoverError

    try:
        use()
    except LandcoverError as error:
        lines = len(str(error).splitlines())
        return f"said {lines} lines: {error!r}" if lines != 1 and "# " not in str(error) else ""
    except Exception as error:  # noqa: BLE001  (what is looked for)
        where = traceback.extract_tb(error.__traceback__)
        own = [
            f"{Path(one.filename).name}:{one.lineno}"
            for one in where
            if "landcover" in one.filename
        ]
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]} at {own[-3:]}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="hostile.trying", description=__doc__)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    if strange := {*asked.kinds} - {*KINDS}:
        parser.error(f"no kinds: {', '.join(strange)}; there are {', '.join(KINDS)}")
    if {*NEED_TENSORFLOW} & {*asked.kinds}:
        # Once for all processes that are forked from this one, which computes nothing itself.
        import keras
        import tensorflow as tf

        _ = keras, tf
    good, ends = Path(tempfile.mkdtemp(prefix="trying-good-")), Counter[str]()
    prepared(good / "folder", asked.kinds)
    for name in asked.kinds:
        began = time.monotonic()
        for seed, ended in bad_ends(name, asked.count, good / "folder", asked.first):
            ends[name] += 1
            click.echo(f"{name} {seed}: {ended}")
        took = time.monotonic() - began
        click.echo(f"{name}: {asked.count:,} tried, {ends[name]} ended badly, {took:.0f} s")
    shutil.rmtree(good, ignore_errors=True)
    return int(bool(ends))


if __name__ == "__main__":
    sys.exit(main())
