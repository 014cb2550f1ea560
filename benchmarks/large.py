"""Does a very large scene end with its map, and what does the map cost?

    python -m benchmarks.large --edge 100000 --tile 512

Generates a sparse scene of 100,000 x 100,000 pixels (three bands of uint8; most of its blocks are
not in the file and read as 0, which is imagery here), runs ``landcover score`` on it with a trivial
network that labels pixels, and looks at the command from outside: its peak of resident memory, its
CPU time, and how much of that came after the folder of the map's pieces had appeared. Writes
results/large.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np
import psutil
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

from benchmarks.measuring import claim
from benchmarks.record import write_results
from benchmarks.workloads import colour_network
from landcover.runs.maps.layout import FOLDER

# Of the CPU time of the run; and of one process, in MB.
GOAL_SHARE, GOAL_PEAK = 0.2, 1_500
_BLOCK, _BANDS = 512, 3


@click.command()
@click.option("--edge", default=100_000, show_default=True, help="Of the scene, in pixels.")
@click.option("--tile", default=512, show_default=True, help="Edge of a tile, in pixels.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the scene and the run here.")
def main(edge: int, tile: int, folder: Path | None) -> None:
    """Score, look and write down."""
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        scene = _sparse(place / f"sparse-{edge}.tif", edge)
        row = _scored(scene, colour_network(place / "pixels.onnx", tile, pixel=True))
    click.echo(json.dumps(row))
    claims = [
        claim("map stage, of the run's CPU time", row["map_share"], "", GOAL_SHARE, True),
        claim("peak memory of the process", row["peak_mb"], "MB", GOAL_PEAK, True),
    ]
    libraries = ["rasterio", "onnxruntime", "openvino"]
    conditions = {"edge": edge, "tile": tile}
    written = write_results("large", [row], libraries, claims=claims, conditions=conditions)
    click.echo(f"wrote {written}")


def _scored(scene: Path, model: Path) -> dict[str, Any]:
    run = scene.with_name(f"run-{time.time_ns()}")
    config = scene.with_suffix(".yaml")
    wanted = {"source": {"rasters": [str(scene)]}, "model": str(model), "output": str(run)}
    config.write_text(json.dumps(wanted))
    command = [sys.executable, "-m", "landcover.cli.main", "score", str(config), "--quiet"]
    started = time.perf_counter()
    process = psutil.Popen(command)
    before, after, peak = _watched(process, run / FOLDER)
    if process.wait():
        raise click.ClickException(f"landcover score {config} ended with {process.returncode}")
    said = json.loads((run / "run.json").read_text())
    return {
        "tiles": said["tiles"],
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(after, 1),
        "map_share": round((after - before) / after, 3),
        "peak_mb": round(peak / 1e6, 1),
        "map_bytes": (run / "map.tif").stat().st_size,
    }


def _watched(process: psutil.Popen, folder: Path) -> tuple[float, float, int]:
    """CPU seconds before the folder appeared and at the end, and the peak of memory in bytes.

    A folder that came and went between two looks took none of the time that can be told.
    """
    before: float | None = None
    after = 0.0
    peak = 0
    while process.poll() is None:
        with suppress(psutil.Error):
            there = [process, *process.children()]  # the command watches over a child
            spent = [one.cpu_times() for one in there]
            after = max(after, sum(one.user + one.system for one in spent))
            peak = max(peak, *(one.memory_info().rss for one in there))
        if before is None and folder.exists():
            before = after
        time.sleep(0.1)
    return after if before is None else before, after, peak


def _sparse(path: Path, edge: int) -> Path:
    """A scene of which one block in a thousand is written; the others read as 0."""
    if path.exists():
        return path
    shape = {"width": edge, "height": edge, "count": _BANDS, "dtype": "uint8"}
    tiled = {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "interleave": "pixel"}
    place = {"crs": "EPSG:26918", "transform": from_origin(300_000, 4_900_000, 1, 1)}
    options = {**shape, **tiled, **place, "compress": "deflate", "bigtiff": "yes"}
    random = np.random.default_rng(2017)
    with rasterio.open(path, "w", **options, SPARSE_OK=True) as file:
        for number in range(0, (edge // _BLOCK) ** 2, 1_000):
            row, column = divmod(number, edge // _BLOCK)
            pixels = random.integers(1, 256, (_BANDS, _BLOCK, _BLOCK), np.uint8)
            file.write(pixels, window=Window(column * _BLOCK, row * _BLOCK, _BLOCK, _BLOCK))
    return path


if __name__ == "__main__":
    main()
