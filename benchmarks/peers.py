"""How fast is ``landcover.score`` beside other ways to do the same, each as its documentation says?

    python -m benchmarks.peers --tiles 400 --repeats 3

The same network (a Keras file with random weights) labels the same PNG tiles on all cores of this
machine: with tf.data and ``model.predict``, with Dask by hand, with Spark's ``predict_batch_udf``,
with Ray Data, in the way of the guide of 2017 (Spark, ``binaryFiles``, one tile at a time), and with
landcover. Each is a program (benchmarks/contenders/) that is run on few tiles and on many: what the
many take longer gives the steady state, and what is left of the few is the start. Beside them runs
the network alone on tiles in memory, which tells how much faster any run could be. The way of 2017
is so slow that it gets a fifth of the many. Rounds are interleaved, and all must give the same
labels. Writes results/peers.json and .png.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import click
import pandas as pd

from benchmarks import workloads
from benchmarks.measuring import claim, in_child
from benchmarks.record import RESULTS, write_results
from landcover.report.bars import bars_figure
from landcover.scoring.measurement import Speed

# How many times as fast as each other way each of ours should be. The figures in bf16 presume a CPU
# with AMX, those in i8 one with 8-bit instructions (VNNI).
GOALS: dict[str, dict[str, float]] = {
    "tf-data": {"landcover-openvino": 1.5, "landcover-i8": 3.2},
    "dask": {"landcover-openvino": 2.0, "landcover-bf16": 10.0, "landcover-i8": 8.0},
    "spark": {"landcover-openvino": 2.0, "landcover-bf16": 10.0, "landcover-i8": 8.0},
    "ray": {"landcover-openvino": 2.0, "landcover-bf16": 10.0, "landcover-i8": 8.0},
    "2017": {"landcover-bf16": 40.0, "landcover-i8": 5.5},
}


# The few tiles, at the most.
_FEW = 100


@dataclass
class Contender:
    """A program, and what it took.

    Args:
        name: what stands beside its bar.
        module: below ``benchmarks.contenders``.
        needs: the library without which it cannot run.
        options: further arguments.
        share: of the many tiles that it gets.
        seconds: by number of tiles: a number a round.
        labels: of the many tiles, by the name of the file.
        reason: why it did not run.
    """

    name: str
    module: str
    needs: str
    options: tuple[str, ...] = ()
    share: float = 1.0
    seconds: dict[int, list[float]] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    reason: str | None = None

    def counts(self, tiles: int) -> tuple[int, int]:
        """The few tiles and the many that it is run on."""
        many = max(2, round(tiles * self.share))
        return min(_FEW, many // 2), many

    def speed(self) -> Speed | None:
        """Start and steady state; None where the many tiles took no longer than the few."""
        (few, short), (many, long) = sorted((n, median(t)) for n, t in self.seconds.items())
        if long <= short:
            return None
        speed = (many - few) / (long - short)
        return Speed(max(0.0, short - few / speed), speed)


# Name, module, what it needs, further arguments, share of the tiles.
CONTENDERS: dict[str, tuple[Any, ...]] = {
    "landcover": (
        *("landcover, tensorflow f32", "ours", "tensorflow"),
        ("local", "tensorflow", "f32"),
    ),
    "landcover-openvino": (
        *("landcover, openvino f32", "ours", "openvino"),
        ("local", "openvino", "f32"),
    ),
    "landcover-bf16": (
        *("landcover, openvino bf16", "ours", "openvino"),
        ("local", "openvino", "bf16"),
    ),
    "landcover-i8": (
        *("landcover, openvino i8", "ours", "openvino"),
        ("local", "openvino", "i8"),
    ),
    "alone-openvino": (
        *("network alone, openvino f32", "alone", "openvino"),
        ("openvino", "f32"),
    ),
    "alone-bf16": (
        *("network alone, openvino bf16", "alone", "openvino"),
        ("openvino", "bf16"),
    ),
    "tf-data": ("tf.data, model.predict", "tf_data", "tensorflow", ()),
    "dask": ("Dask by hand", "dask_by_hand", "distributed", ()),
    "spark": ("Spark predict_batch_udf", "spark_udf", "pyspark", ()),
    "ray": ("Ray Data", "ray_data", "ray", ()),
    "2017": ("Spark as in the guide of 2017", "guide_of_2017", "pyspark", (), 0.2),
}


@click.command()
@click.option("--tiles", default=400, show_default=True, help="The many.")
@click.option("--repeats", default=3, show_default=True, help="Rounds; medians count.")
@click.option("--network", default="resnet50", show_default=True, help="resnet50 or small.")
@click.option("--only", help=f"Names with commas, of {', '.join(CONTENDERS)}.")
@click.option("--folder", default=workloads.FOLDER, type=click.Path(path_type=Path))
def main(tiles: int, repeats: int, network: str, only: str | None, folder: Path) -> None:
    """Measure all contenders and write down how they compare."""
    names = only.split(",") if only else list(CONTENDERS)
    contenders = [Contender(*CONTENDERS[name]) for name in names]
    files, model = workloads.image_folder(tiles, folder), workloads.keras_network(network, folder)
    for contender in contenders:  # libraries are read from the disk, models converted: once a host
        quantized = "i8" in contender.options  # for the tiles that are labelled
        for count in contender.counts(tiles) if quantized else (1,):
            _run(contender, files, model, count)
        contender.seconds.clear()
    for _ in range(repeats):
        for contender in contenders:
            for count in contender.counts(tiles):
                _run(contender, files, model, count)
    rows = [_row(contender, contenders) for contender in contenders]
    for row in rows:
        click.echo(_line(row))
    conditions = {"tiles": tiles, "repeats": repeats, "network": network}
    libraries = ["tensorflow", "keras", "distributed", "pyspark", "ray", "openvino"]
    claims = list(_claims(rows))
    written = write_results("peers", rows, libraries, claims=claims, conditions=conditions)
    speeds = {row["name"]: row["tiles_per_second"] for row in rows if row["reason"] is None}
    title = f"{network} on the same PNG tiles, steady state"
    bars_figure(speeds, "tiles a second", RESULTS / "peers.png", title)
    click.echo(f"wrote {written}")


def _run(contender: Contender, files: Path, model: Path, count: int) -> None:
    if contender.reason is None and importlib.util.find_spec(contender.needs) is None:
        contender.reason = f"{contender.needs} is not installed"
    if contender.reason is not None:
        return
    module = f"benchmarks.contenders.{contender.module}"
    with tempfile.TemporaryDirectory() as place:
        output = str(Path(place, "labels"))
        told = (str(files), str(model), str(count), output, *contender.options)
        try:
            done = in_child(module, *told, environment=_environment())
        except RuntimeError as error:
            contender.reason = str(error).strip().splitlines()[-1]
            return
        contender.seconds.setdefault(count, []).append(done.seconds)
        found = pd.read_parquet(output)
        contender.labels = {Path(p).name: int(x) for p, x in found[["path", "label"]].to_numpy()}


def _environment() -> dict[str, str]:
    # Spark's Python workers are started by name, which may be another Python.
    return {"PYSPARK_PYTHON": sys.executable, "PATH": os.environ["PATH"]}


def _row(contender: Contender, contenders: list[Contender]) -> dict[str, Any]:
    row: dict[str, Any] = {"name": contender.name, "reason": contender.reason}
    speed = contender.speed() if contender.reason is None else None
    if contender.reason is None and speed is None:
        row["reason"] = "more tiles took no longer: ask for more tiles, or more repeats"
    if speed is not None:
        reference = next(one.labels for one in contenders if one.labels)
        same = [reference.get(name) == label for name, label in contender.labels.items()]
        row |= {
            "tiles_per_second": round(speed.tiles_per_second, 2),
            "startup_seconds": round(speed.startup, 2),
            "agreement": sum(same) / len(same),
            "seconds": {n: [round(t, 2) for t in ts] for n, ts in contender.seconds.items()},
        }
    return row


def _claims(rows: list[dict[str, Any]]) -> Any:
    speeds = {row["name"]: row["tiles_per_second"] for row in rows if row["reason"] is None}
    names = {key: value[0] for key, value in CONTENDERS.items()}
    ours = {key: speeds.get(names[key]) for key in names if key.startswith("landcover")}
    for key, goals in GOALS.items():
        other = speeds.get(names[key])
        for way, speed in ours.items():
            if other and speed:
                question = f"{names[way]} / {names[key]}"
                alone = speeds.get(names.get(way.replace("landcover", "alone"), ""))
                if alone:
                    question += f" (the network alone: {alone / other:.3g})"
                yield claim(question, speed / other, "", goals.get(way))


def _line(row: dict[str, Any]) -> str:
    if row["reason"]:
        return f"{row['name']:30} no figure: {row['reason']}"
    return (
        f"{row['name']:30} {row['tiles_per_second']:8,.1f} tiles/s, start-up "
        f"{row['startup_seconds']:5.1f} s, {row['agreement']:.1%} of the labels are the same"
    )


if __name__ == "__main__":
    main()
