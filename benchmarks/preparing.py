"""What does ``landcover prepare`` take for very much ground, and how near is it to what it must do?

    python -m benchmarks.preparing [--across 1000] [--tiles 100000] [--tile 64] [--folder FOLDER]

Two questions. Planning: ``--across`` kilometres of imagery each way, 1 m a pixel, in scenes of 50 km of which no
pixel is there to be read; all tasks of 224 m tiles are listed, and the most memory counts that the process had
resident. Writing: so many tiles of generated scenes are written by ``lc.prepare`` on the local backend, and
the same number of such tiles is read and encoded as PNG in memory by as many processes, with nothing else done;
the share is what the command reaches of that speed. The scenes are one landscape laid side by side, as making so
much ground would take longer than preparing it. Results go to ``benchmarks/results/preparing.json``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

import landcover as lc
from benchmarks.measuring import apart, peak_memory
from benchmarks.record import write_results
from landcover.datasets.landscape import write_landscape
from landcover.labelling.images import png
from landcover.labelling.planning import make_plan
from landcover.labelling.settings import PrepareConfig
from landcover.machine import usable_cpus

_SCENE = 50  # km
_SIDE = 6  # scenes each way that tiles are written of
_SPARSE = {"driver": "GTiff", "crs": "EPSG:32614", "tiled": True, "sparse_ok": True}


def main() -> None:
    """Measure both, and say what came out."""
    parser = argparse.ArgumentParser(description="What preparing labelled tiles takes.")
    parser.add_argument("--across", type=int, default=1000, help="kilometres that are planned")
    parser.add_argument("--tiles", type=int, default=100_000, help="that are written")
    parser.add_argument("--tile", type=int, default=64, help="edge of those, in pixels")
    parser.add_argument("--folder", type=Path, help="where imagery is kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = given.folder or Path(scratch)
        home.mkdir(parents=True, exist_ok=True)
        small = apart(planned, home, min(_SCENE, given.across))
        rows = [small, apart(planned, home, given.across), written(home, given.tiles, given.tile)]
    for row in rows:
        print(json.dumps(row))
    print(write_results("preparing", rows, ["rasterio", "numpy", "pillow"]))


def planned(home: Path, across: int) -> dict[str, Any]:
    """Seconds and memory of listing all tasks of so many kilometres each way."""
    edge = min(_SCENE, across) * 1000
    for row in range(ceil(across / _SCENE)):
        for col in range(ceil(across / _SCENE)):
            _empty(home / f"ground-{across}" / f"{row}-{col}.tif", edge, 1.0, 3, (col, row))
    reference = home / f"reference-{across}.tif"
    _empty(reference, across * 100, 10.0, 1, (0, 0))
    asked = {
        "source": {"rasters": str(home / f"ground-{across}" / "*.tif"), "tile": 224},
        "reference": str(reference),
        "output": str(home / "nowhere"),
    }
    before, started = peak_memory(), time.perf_counter()
    plan = make_plan(PrepareConfig.model_validate(asked))
    tasks = sum(1 for _ in plan.items())
    return {
        "planned_km": across,
        "tiles": plan.source.count(),
        "tasks": tasks,
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mb": round(peak_memory() / 1e6),
        "grown_mb": round((peak_memory() - before) / 1e6),
    }


def written(home: Path, tiles: int, tile: int) -> dict[str, Any]:
    """Tiles a second by ``lc.prepare``, and by reading and encoding alone."""
    # A tenth of a landscape's rim has no data, and some tiles are of no single class.
    edge = ceil(sqrt(tiles / 0.6) / _SIDE) * tile
    scenes, reference = _side_by_side(home / f"landscape-{edge}", edge)
    asked = {
        "source": {"rasters": [str(one) for one in scenes], "tile": tile, "bands": [1, 2, 3]},
        "reference": {"path": str(reference), "scheme": "nlcd6"},
        "labels": {"rule": "centre"},
        "split": {"shares": {"train": 1.0}},
        "draw": {"balance": "none"},
    }
    with tempfile.TemporaryDirectory(dir=home) as output:
        started = time.perf_counter()
        made = lc.prepare({**asked, "output": f"{output}/tiles"})
        seconds = time.perf_counter() - started
    count = int(made.counts.to_numpy().sum())
    alone = _alone(scenes, tile, count)
    return {
        "written": count,
        "tile": tile,
        "seconds": round(seconds, 1),
        "tiles_per_second": round(count / seconds),
        "alone_per_second": round(count / alone),
        "share": round(alone / seconds, 3),
    }


def _side_by_side(home: Path, edge: int) -> tuple[list[Path], Path]:
    """Scenes of one landscape with places of their own, and a reference of all of them."""
    first = write_landscape(home, edge)
    with rasterio.open(first.reference) as file:
        codes, profile, where = file.read(1), file.profile, file.transform
    reference = home / "references.tif"
    whole = {"width": _SIDE * edge, "height": _SIDE * edge}
    with rasterio.open(reference, "w", **{**profile, **whole}) as file:
        for row in range(_SIDE):
            for col in range(_SIDE):
                file.write(codes, 1, window=Window(col * edge, row * edge, edge, edge))
    scenes = []
    for row in range(_SIDE):
        for col in range(_SIDE):
            scenes.append(home / f"scene-{row}-{col}.tif")
            shutil.copyfile(first.imagery, scenes[-1])
            with rasterio.open(scenes[-1], "r+") as file:
                file.transform = where @ where.translation(col * edge, row * edge)
    return scenes, reference


def _alone(scenes: list[Path], tile: int, count: int) -> float:
    """Seconds in which all processors read and encode so many tiles, and do nothing else."""
    with ProcessPoolExecutor(usable_cpus()) as pool:
        pool.submit(int).result()
        started = time.perf_counter()
        ended = sum(pool.map(_strip, *zip(*_strips(scenes, tile), strict=True)))
        return (time.perf_counter() - started) * count / ended


def _strips(scenes: list[Path], tile: int) -> Iterator[tuple[Path, int, int, int]]:
    for scene in scenes:
        with rasterio.open(scene) as file:
            across, down = file.width // tile, file.height // tile
        for row in range(down):
            yield scene, tile, row, across


def _strip(imagery: Path, tile: int, row: int, tiles: int) -> int:
    """Read a row of tiles, and encode those without nodata as PNG: how many these are."""
    with rasterio.open(imagery) as file:
        pixels = file.read([1, 2, 3], window=Window(0, row * tile, tiles * tile, tile))
    whole = [one for one in np.split(pixels, tiles, axis=2) if one.all()]
    return len([png(one) for one in whole])


def _empty(path: Path, edge: int, pixel: float, bands: int, place: tuple[int, int]) -> None:
    """A raster of which no pixel is stored."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    col, row = place
    corner = (200_000 + col * edge * pixel, 5_000_000 - row * edge * pixel)
    shape = {"width": edge, "height": edge, "count": bands, "dtype": "uint8"}
    size = {"blockxsize": 512, "blockysize": 512, "compress": "deflate"}
    where = {"transform": from_origin(*corner, pixel, pixel)}
    with rasterio.open(path, "w", **_SPARSE, **shape, **size, **where):
        pass


if __name__ == "__main__":
    main()
