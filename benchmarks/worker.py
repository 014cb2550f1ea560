"""How much memory does a worker hold beyond what the runtime holds by itself?

    python -m benchmarks.worker --tiles 600 --repeats 3

The runtime's own: the network with its batch found by the usual search, two batches at a time, on
tiles in memory. A worker's: ``landcover.score`` on the local backend with the same network, which
reads, decodes, labels and writes beside. Each is a process of its own; what counts is the largest
amount of resident memory that the operating system saw. Writes results/worker.json and .png.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import workloads
from benchmarks.measuring import apart, claim, in_rounds, middle, peak_memory
from benchmarks.record import RESULTS, write_results
from landcover.config import load_config
from landcover.machine import usable_cpus
from landcover.models.model import open_model
from landcover.models.recipe import make_recipe
from landcover.report.bars import bars_figure
from landcover.scoring.measurement import measure
from landcover.scoring.tuning import tuned

# The most that a worker should hold beyond the runtime's own.
GOAL_MB = 500
FORMS = ("png", "deflate", "jpeg")


@click.command()
@click.option("--tiles", default=600, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Rounds; medians count.")
@click.option("--network", default="resnet50", show_default=True, help="resnet50, small or idle.")
@click.option("--runtime", default="openvino", show_default=True)
@click.option("--precision", default="f32", show_default=True)
@click.option("--folder", default=workloads.FOLDER, type=click.Path(path_type=Path))
def main(
    tiles: int, repeats: int, network: str, runtime: str, precision: str, folder: Path
) -> None:
    """Measure the network alone and whole workers."""
    told = {"runtime": runtime, "precision": precision}
    model = {"path": str(workloads.network(network, folder)), **told}
    configs = {form: _config(form, model, tiles, folder) for form in FORMS}
    workloads.tiles(min(tiles, 400), folder)  # made before anything is measured
    contenders = {
        "the runtime's own": partial(apart, _alone, configs["png"], tiles, folder),
        **{f"a worker, {form}": partial(apart, _worker, configs[form], tiles) for form in FORMS},
    }
    found = in_rounds(contenders, repeats)
    rows: list[dict[str, Any]] = [
        {"name": name, "peak_mb": middle(each), "all": each} for name, each in found.items()
    ]
    for row in rows:
        click.echo(f"{row['name']:24} {row['peak_mb']:8,.0f} MB")
    own, *workers = rows
    claims = [
        claim(
            f"{row['name']}: memory beyond the runtime's own, {network} in {precision}",
            *(row["peak_mb"] - own["peak_mb"], "MB", GOAL_MB, True),
        )
        for row in workers
    ]
    conditions = {"tiles": tiles, "repeats": repeats, "network": network, **told}
    libraries = ["openvino", "tensorflow", "rasterio", "pillow", "numpy"]
    written = write_results("worker", rows, libraries, claims=claims, conditions=conditions)
    held = {row["name"]: row["peak_mb"] for row in rows}
    bars_figure(held, "MB of memory at the most", RESULTS / "worker.png", f"{network}, a worker")
    click.echo(f"wrote {written}")


def _config(form: str, model: dict[str, str], tiles: int, folder: Path) -> dict[str, Any]:
    if form == "png":
        source = {"images": str(workloads.image_folder(tiles, folder))}
    else:
        source = {"rasters": str(workloads.scene(form, tiles, folder))}
    return {"source": source, "model": model, "backend": "local"}


def _alone(config: dict[str, Any], tiles: int, folder: Path) -> float:
    whole = load_config(config, {"output.path": "unused"})
    model = open_model(make_recipe(whole.model), usable_cpus())
    model.recipe = tuned(model, usable_cpus())
    pixels, batch = workloads.tiles(min(tiles, 400), folder)[:64], model.batch
    batches = [np.ascontiguousarray(pixels[:batch])] * max(4, tiles // (4 * batch))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(model.network.run, batches))
    return peak_memory() / 1e6


def _worker(config: dict[str, Any], tiles: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        measure(config, Path(folder, "run"), tiles)
    return peak_memory() / 1e6


if __name__ == "__main__":
    main()
