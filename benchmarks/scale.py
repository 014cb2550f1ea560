"""Does a job that is ten times as large take ten times as long, and no more memory?

    python -m benchmarks.scale --folder /tmp/landcover-scale

Each case twice, the second time ten times as large, in a process of its own: planning image files (up
to a million), planning tiles of one scene (up to 160 million), scoring overlapping scenes in two UTM
zones (up to 500, where the map shows the one with the nearest centre), and runs one after the other in
one process (up to 200). Peak memory is that of the process, which for the first three is the driver's.
Writes results/scale.json.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import click
import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import from_origin
from rasterio.warp import transform

from benchmarks.measuring import apart, claim, peak_memory
from benchmarks.record import write_results
from benchmarks.workloads import colour_network

# Of one process, in MB; and how much the time of ten times as much may exceed ten times the time.
GOAL_PEAK, GOAL_TIME = 1_500, 1.3
_A_FOLDER = 1000
_EDGE, _TILE = 448, 64


@click.command()
@click.option("--images", default=1_000_000, show_default=True)
@click.option("--tiles", default=160_000_000, show_default=True)
@click.option("--scenes", default=500, show_default=True)
@click.option("--runs", default=200, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep what is made here.")
def main(images: int, tiles: int, scenes: int, runs: int, folder: Path | None) -> None:
    """Measure each case small and large."""
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        cases: dict[str, tuple[Callable[[Path, int], dict[str, Any]], int]] = {
            "image files planned": (planned_images, images),
            "tiles planned": (planned_tiles, tiles),
            "overlapping scenes scored": (scored_scenes, scenes),
            "runs in one process": (runs_together, runs),
        }
        rows = []
        for name, (measure, most) in cases.items():
            for number in (most // 10, most):
                rows.append({"case": name, "number": number, **apart(measure, place, number)})
                click.echo(json.dumps(rows[-1]))
    claims = []
    for small, large in zip(rows[::2], rows[1::2], strict=True):
        peak, slower = large["peak_mb"], large["seconds"] / small["seconds"]
        grown = slower / (large["number"] / small["number"])
        told = f"{large['number']:,} {large['case']}"
        claims += [
            claim(f"{told}: peak memory", peak, "MB", GOAL_PEAK, True),
            claim(
                f"{told}: time beside that of a tenth, in proportion", grown, "", GOAL_TIME, True
            ),
        ]
    libraries = ["rasterio", "onnxruntime", "pyarrow"]
    conditions = {"images": images, "tiles": tiles, "scenes": scenes, "runs": runs}
    written = write_results("scale", rows, libraries, claims=claims, conditions=conditions)
    click.echo(f"wrote {written}")


def planned_images(folder: Path, number: int) -> dict[str, Any]:
    """List and plan image files."""
    from landcover.tiles.images import ImageSource

    place = _images(folder / f"images-{number}", number)
    started = time.perf_counter()
    source = ImageSource([str(place)], tile=32, task_tiles=512)
    assert source.count() == number
    tasks = sum(1 for _ in source.tasks())
    return _figures(started, tasks=tasks)


def planned_tiles(folder: Path, number: int) -> dict[str, Any]:
    """Plan the tiles of a scene of which nothing is written."""
    from landcover.tiles.rasters import RasterSource

    across = ceil(sqrt(number))
    path = folder / f"planned-{across}.tif"
    if not path.exists():
        _empty(path, 16 * across)
    started = time.perf_counter()
    source = RasterSource([str(path)], tile=16, task_tiles=1024)
    tiles = digests = 0
    for task in source.tasks():
        tiles += task.tiles
        digests += bool(task.digest)
    assert tiles == source.count() >= number
    return _figures(started, tasks=digests)


def scored_scenes(folder: Path, number: int) -> dict[str, Any]:
    """Score scenes of two UTM zones, each of which overlaps those around it."""
    import landcover

    place = _scenes(folder / f"scenes-{number}", number)
    model = colour_network(folder / "tiles.onnx", _TILE, pixel=False)
    started = time.perf_counter()
    run = landcover.score(
        rasters=str(place),
        model=model,
        output=folder / f"run-{time.time_ns()}",
        overrides={"output.overlap": "centre", "source.task": 64},
    )
    found = _figures(started, tasks=run.summary["tasks"])
    return {**found, "tiles": run.summary["tiles"], "note": run.summary.get("note", "")}


def runs_together(folder: Path, number: int) -> dict[str, Any]:
    """Score a small scene again and again, in one process."""
    import landcover

    place = _scenes(folder / "scenes-1", 1)
    model = colour_network(folder / "tiles.onnx", _TILE, pixel=False)
    score = partial(landcover.score, rasters=str(place), model=model)
    first = peak = 0
    with tempfile.TemporaryDirectory(dir=folder) as outputs:
        score(output=Path(outputs, "first"))
        first = peak_memory()
        started = time.perf_counter()
        for at in range(number):
            score(output=Path(outputs, f"{at}"))
        found = _figures(started)
        peak = peak_memory()
        open_files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    return {**found, "grown_mb": round((peak - first) / 1e6, 1), "open_files": open_files}


def _figures(started: float, **more: Any) -> dict[str, Any]:
    seconds = round(time.perf_counter() - started, 4)
    return {"seconds": seconds, "peak_mb": round(peak_memory() / 1e6, 1), **more}


def _images(place: Path, number: int) -> Path:
    """So many names of images in folders of a thousand: links, as what they hold does not matter."""
    if place.exists():
        return place
    for start in range(0, number, _A_FOLDER):
        folder = place / f"{start // _A_FOLDER:05}"
        folder.mkdir(parents=True)
        first = folder / "0000.png"
        pixels = np.full((32, 32, 3), start % 255, np.uint8)
        Image.fromarray(pixels).save(first)
        for at in range(1, min(_A_FOLDER, number - start)):
            os.link(first, folder / f"{at:04}.png")
    return place


def _empty(path: Path, edge: int) -> None:
    shape = {"width": edge, "height": edge, "count": 3, "dtype": "uint8", "crs": "EPSG:26918"}
    tiled = {"tiled": True, "blockxsize": 4096, "blockysize": 4096, "bigtiff": "yes"}
    where = {"transform": from_origin(300_000, 4_900_000, 1, 1), "compress": "deflate"}
    with rasterio.open(path, "w", driver="GTiff", SPARSE_OK=True, **shape, **tiled, **where):
        pass


def _scenes(place: Path, number: int) -> Path:
    """Scenes around 78 W, where zone 17 ends and zone 18 begins, a third of each over the next."""
    if place.exists():
        return place
    place.mkdir(parents=True)
    random, across = np.random.default_rng(2017), ceil(sqrt(number))
    for at in range(number):
        zone = "EPSG:26917" if at % across < across / 2 else "EPSG:26918"
        [x], [y] = transform("EPSG:4326", zone, [-78.0], [39.0])
        col, row = at % across - across // 2, at // across
        step = _EDGE * 2 / 3
        where = from_origin(round(x + col * step), round(y - row * step), 1, 1)
        pixels = random.integers(0, 255, (3, _EDGE // 64, _EDGE // 64), np.uint8)
        pixels = np.maximum(pixels.repeat(64, 1).repeat(64, 2), 1)
        shape = {"width": _EDGE, "height": _EDGE, "count": 3, "dtype": "uint8", "crs": zone}
        with rasterio.open(
            place / f"{at:04}.tif", "w", driver="GTiff", transform=where, **shape
        ) as f:
            f.write(pixels)
    return place


if __name__ == "__main__":
    main()
