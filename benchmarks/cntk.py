"""How fast are CNTK models here, beside Microsoft's own library on the same images and threads?

    python -m benchmarks.cntk ../shared/models/cntk/*.model --threads 1,2

Every file is opened by runtime ``cntk`` (the genuine library; ``landcover model install-cntk``
fetches it), ``onnxruntime`` and ``openvino``, each in the same process with the same number of
threads and float32. In each round all of them compute the same batch in turn, so that whatever
else the machine does slows them alike; what counts is the median of rounds. The ratio is the
seconds of CNTK over those of the faster one of ours. Writes results/cntk.json and results/cntk.png.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.figure import Figure

from benchmarks.measuring import claim
from benchmarks.record import RESULTS, write_results
from landcover.errors import LandcoverError
from landcover.models.comparison.agreement import agreement
from landcover.models.comparison.timing import block_noise, interleaved
from landcover.models.formats.detection import ModelFile, detect
from landcover.models.network import Graph, Network
from landcover.models.preprocessing.specification import Layout, Pixels, Steps
from landcover.models.runtimes.registry import start_runtime

OURS = ("onnxruntime", "openvino")
# Times as fast as CNTK that these files should be at least; every other one as fast.
GOALS = {
    "naip_250epochs.model": 2.7,
    "alexnet_transfer.model": 2.7,
    "resnet20_meanimage_159.dnn": 2.2,
}
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

# Its value decides which instructions the MKL inside CNTK uses on processors that are not Intel's;
# landcover sets it to 5, AVX2, where nobody has set it. An empty value is CNTK as it was published.
MKL_VARIABLE = "MKL_DEBUG_CPU_TYPE"
FREE_SIZE = 256


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--threads", default="1,2", show_default=True, help="Numbers with commas.")
@click.option("--batch", default=16, show_default=True)
@click.option("--rounds", default=7, show_default=True, help="At least so many a file.")
@click.option(
    "--clock",
    type=click.Choice(list(CLOCKS)),
    default="wall",
    show_default=True,
    help="cpu: seconds of computing, for one thread on a machine that others use too.",
)
@click.option("--seconds", default=1.0, show_default=True, help="At least so long a runtime.")
def main(
    files: tuple[Path, ...], threads: str, batch: int, rounds: int, clock: str, seconds: float
) -> None:
    """Measure the CNTK models FILES, and write a table and a figure."""
    rows = []
    for count in map(int, threads.split(",")):
        # CNTK's number of threads is fixed when it first computes: one process for each number.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            for path in files:
                measured = process.submit(_measured, path, count, batch, rounds, seconds, clock)
                rows.append(measured.result())
                click.echo(_line(rows[-1]))
    libraries = ["onnxruntime", "openvino", "onnx", "numpy"]
    conditions = {
        "batch": batch,
        "precision": "f32",
        "rounds": rounds,
        "seconds": seconds,
        "clock": clock,
        MKL_VARIABLE: os.environ.get(MKL_VARIABLE, "as landcover sets it"),
    }
    ran = [row for row in rows if "ratio" in row]
    claims = list(_claims(ran))
    written = write_results("cntk", rows, libraries, claims=claims, conditions=conditions)
    _draw(ran, batch)
    click.echo(f"wrote {written} and {written.with_suffix('.png')}")


def _measured(
    path: Path, threads: int, batch: int, rounds: int, seconds: float, clock: str
) -> dict[str, Any]:
    row: dict[str, Any] = {"file": path.name, "threads": threads}
    try:
        file = detect(path)
        graphs = {name: opened(name, file, threads) for name in ("cntk", *OURS)}
        pixels, steps = network_input(graphs[OURS[0]], batch)
        networks = {name: graph.compile(steps) for name, graph in graphs.items()}
        row["difference"] = _difference(networks, pixels)
    except LandcoverError as error:
        return {**row, "refused": str(error)}
    times = interleaved(networks, pixels, seconds, rounds, CLOCKS[clock])
    best = min(OURS, key=lambda name: times[name])
    return {**row, "seconds": times, "best": best, "ratio": times["cntk"] / times[best]}


def opened(name: str, file: ModelFile, threads: int) -> Graph:
    """The network of a file, opened by a runtime in f32."""
    return start_runtime(name, file, "f32", threads, str(file.path)).open(file, None)


def network_input(graph: Graph, batch: int) -> tuple[Pixels, Steps]:
    """Noise as the network reads it: what comes before the network is not measured."""
    shape = graph.signature.shape
    rows, columns = (FREE_SIZE if extent is None else extent for extent in shape[-2:])
    bands = 1 if len(shape) == 3 else shape[1] or 3
    layout: Layout = "NHW" if len(shape) == 3 else "NCHW"
    none, same = (0.0,) * bands, (1.0,) * bands
    pixels = block_noise(batch, bands, (rows, columns)).astype(np.float32)
    return pixels, Steps(layout, (rows, columns), none, same, tuple(range(bands)))


def _difference(networks: dict[str, Network], pixels: Pixels) -> dict[str, float]:
    """The largest difference to CNTK, as a share of its largest number."""
    some = pixels[:4]
    reference = networks["cntk"].run(some)
    return {name: agreement([networks[name].run(some)], [reference]).relative for name in OURS}


def _claims(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if row["file"] in GOALS:
            question = f"times as fast as CNTK: {row['file']}, threads: {row['threads']}"
            yield claim(question, row["ratio"], "", GOALS[row["file"]])
    if rows:
        slowest = min(rows, key=lambda row: row["ratio"])
        question = f"times as fast as CNTK: the least of all files, {slowest['file']}"
        yield claim(question, slowest["ratio"], "", 1)


def _line(row: dict[str, Any]) -> str:
    start = f"{row['file']:32} {row['threads']} threads  "
    if "refused" in row:
        return f"{start}refused: {row['refused']}"
    times = "  ".join(f"{name} {1000 * value:.2f} ms" for name, value in row["seconds"].items())
    return f"{start}{times}  {row['best']} is {row['ratio']:.2f} x as fast as CNTK"


def _draw(rows: list[dict[str, Any]], batch: int) -> None:
    names = list(dict.fromkeys(row["file"] for row in rows))
    counts = sorted({row["threads"] for row in rows})
    figure = Figure(figsize=(8, 1.2 + 0.32 * len(names)), layout="constrained")
    axes = figure.subplots()
    for place, count in enumerate(counts):
        ratios = {row["file"]: row["ratio"] for row in rows if row["threads"] == count}
        at = np.arange(len(names)) + (place - (len(counts) - 1) / 2) * 0.8 / len(counts)
        bars = [ratios.get(name, np.nan) for name in names]
        axes.barh(at, bars, 0.8 / len(counts), label=f"{count} thread{'s' * (count > 1)}")
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel(f"times as fast as CNTK 2.7 (batch {batch}, float32, same threads)")
    axes.legend()
    figure.savefig(RESULTS / "cntk.png", dpi=120)


if __name__ == "__main__":
    main()
