"""What limits a run: the network, decoding, or storage? And how near does a run come to that limit?

    python -m benchmarks.limits --tiles 400 --repeats 3

For each case (precision, format of the imagery), in rounds: the network alone on tiles in memory,
with the runtime, precision, batch and threads of the run; reading and decoding alone with all cores;
the bytes of the files alone, not from the cache of the operating system; then ``landcover.score``
from end to end on the local backend. On a CPU network and decoding share the cores, so that both
together cannot be faster than their times added up: that is the limit that is told beside.
Writes results/limits.json and .png.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import workloads
from benchmarks.measuring import claim, in_rounds, middle
from benchmarks.record import RESULTS, write_results
from landcover.config import load_config
from landcover.contracts import Strip
from landcover.errors import LandcoverError
from landcover.machine import usable_cpus
from landcover.models.model import ScoringModel, open_model
from landcover.models.recipe import make_recipe
from landcover.report.bars import bars_figure
from landcover.scoring.measurement import measure
from landcover.scoring.plan import make_source
from landcover.scoring.settled import recorded
from landcover.scoring.tuning import tuned

# The least that a run should reach of the network alone, by precision and format.
GOALS = {
    ("f32", "png"): 0.97,
    ("f32", "deflate"): 0.93,
    ("bf16", "png"): 0.92,
    ("bf16", "jpeg"): 0.80,
    ("i8", "png"): 0.80,
    ("i8", "jpeg"): 0.88,
}


@dataclass(frozen=True)
class Case:
    """A network in a precision, and imagery in a format."""

    precision: str
    form: str
    config: dict[str, Any]
    files: list[Path]


@click.command()
@click.option("--tiles", default=400, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Rounds; medians count.")
@click.option("--network", default="resnet50", show_default=True, help="resnet50, small or idle.")
@click.option("--runtime", default="openvino", show_default=True)
@click.option("--folder", default=workloads.FOLDER, type=click.Path(path_type=Path))
def main(tiles: int, repeats: int, network: str, runtime: str, folder: Path) -> None:
    """Measure each part alone and all of them together."""
    model = {"path": str(workloads.network(network, folder)), "runtime": runtime}
    rows = []
    for precision, form in GOALS:
        case = _case(precision, form, model, tiles, folder)
        try:
            rows.append(_measured(case, workloads.tiles(min(tiles, 400), folder), tiles, repeats))
        except LandcoverError as error:
            rows.append({"precision": precision, "form": form, "reason": str(error)})
        click.echo(_line(rows[-1]))
    ran = [row for row in rows if "ratio" in row]
    claims = [
        claim(_question(row, network), row["ratio"], "", GOALS[row["precision"], row["form"]])
        for row in ran
    ]
    conditions = {"tiles": tiles, "repeats": repeats, "network": network, "runtime": runtime}
    libraries = ["openvino", "tensorflow", "rasterio", "pillow", "numpy"]
    written = write_results("limits", rows, libraries, claims=claims, conditions=conditions)
    _draw(ran)
    click.echo(f"wrote {written}")


def _case(precision: str, form: str, model: dict[str, str], tiles: int, folder: Path) -> Case:
    if form == "png":
        place = workloads.image_folder(tiles, folder)
        source, files = {"images": str(place)}, sorted(place.iterdir())
    else:
        path = workloads.scene(form, tiles, folder)
        source, files = {"rasters": str(path)}, [path]
    # Two tasks at once: while one writes its part, the network works on the other.
    backend = {"name": "local", "workers": 2, "threads": usable_cpus()}
    config = {"source": source, "model": {**model, "precision": precision}, "backend": backend}
    config["precision_check"] = workloads.ANY_LABELS
    return Case(precision, form, config, files)


def _measured(case: Case, memory: workloads.Pixels, tiles: int, repeats: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        whole = load_config(case.config, {"output.path": str(Path(folder, "run"))})
        recipe = make_recipe(whole.model)
        if case.precision == "i8":  # a run makes it, and leaves it in its directory
            measure(case.config, whole.output.path, tiles)
            recipe = recorded(recipe, whole).recipe
        return _beside(case, open_model(recipe, usable_cpus()), memory, tiles, repeats)


def _beside(
    case: Case, model: ScoringModel, memory: workloads.Pixels, tiles: int, repeats: int
) -> dict[str, Any]:
    """The network alone, reading alone, and a run."""
    whole = load_config(case.config, {"output.path": "unused"})
    source = make_source(whole.source, model.recipe).divided(max(8, tiles // 16))
    model.recipe = tuned(model, usable_cpus())
    batch = model.batch
    model.network.run(memory[:batch])
    contenders: dict[str, Callable[[], float]] = {
        "network": partial(_network, model.network.run, memory, batch, tiles),
        "decode": partial(_decode, source),
        "disk": partial(_disk, case.files, source.count()),
        "end_to_end": partial(_end_to_end, case.config, tiles),
    }
    found = in_rounds(contenders, repeats)
    ratios = [e / n for e, n in zip(found["end_to_end"], found["network"], strict=True)]
    speeds = {name: middle(each) for name, each in found.items()}
    shared = 1 / (1 / speeds["network"] + 1 / speeds["decode"])
    return {
        "precision": case.precision,
        "form": case.form,
        "batch": batch,
        "tiles_per_second": speeds,
        "ratio": middle(ratios),
        "limit_ratio": float(f"{shared / speeds['network']:.4g}"),
        "all": {name: [round(value, 2) for value in each] for name, each in found.items()},
    }


def _network(run: Callable[[Any], Any], pixels: Any, batch: int, tiles: int) -> float:
    """Tiles a second of the network alone, two batches at a time as in a run."""
    starts = [start % (len(pixels) - batch + 1) for start in range(0, tiles, batch)]
    batches = [np.ascontiguousarray(pixels[start : start + batch]) for start in starts]
    with ThreadPoolExecutor(2) as pool:
        started = time.perf_counter()
        done = sum(len(result) for result in pool.map(run, batches))
        return done / (time.perf_counter() - started)


def _decode(source: Any) -> float:
    """Tiles a second of reading and decoding with as many threads as there are cores."""
    reads = [read for task in source.tasks() for read in task.reads()]

    def read(one: Callable[[], Strip]) -> int:
        return len(one().tiles)

    with ThreadPoolExecutor(usable_cpus()) as pool:
        started = time.perf_counter()
        done = sum(pool.map(read, reads))
        return done / (time.perf_counter() - started)


def _disk(files: list[Path], tiles: int) -> float:
    """Tiles a second as far as the bytes of their files go, read from the disk itself."""
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    started = time.perf_counter()
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.read(2**20):
                pass
    return tiles / (time.perf_counter() - started)


def _end_to_end(config: dict[str, Any], tiles: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return measure(config, Path(folder, "run"), tiles).speed.tiles_per_second


def _question(row: dict[str, Any], network: str) -> str:
    named = {"png": "PNG tiles", "deflate": "a deflate COG", "jpeg": "a JPEG COG"}[row["form"]]
    return f"end to end / network alone: {network} in {row['precision']}, {named}"


def _line(row: dict[str, Any]) -> str:
    start = f"{row['precision']:5}{row['form']:8}"
    if "reason" in row:
        return f"{start} cannot run: {row['reason']}"
    speeds = "  ".join(f"{name} {value:,.0f}/s" for name, value in row["tiles_per_second"].items())
    return f"{start} {speeds}  ratio {row['ratio']:.2f} (cores shared: {row['limit_ratio']:.2f})"


def _draw(rows: list[dict[str, Any]]) -> None:
    values = {}
    for row in rows:
        for name in ("network", "end_to_end"):
            kind = f"{row['precision']} {row['form']}: {name.replace('_', ' ')}"
            values[kind] = row["tiles_per_second"][name]
    bars_figure(values, "tiles a second", RESULTS / "limits.png", "The network alone, and a run")


if __name__ == "__main__":
    main()
