"""What does ``landcover prepare`` take for very much ground, and how near is it to what it must do?

    python -m benchmarks.preparing [--across 1000] [--tiles 100000] [--tile 64] [--folder FOLDER]

Two questions. Planning: ``--across`` kilometres of imagery each way, 1 m a pixel, in scenes of 50 km of which no
pixel is there to be read; all tasks of 224 m tiles are listed, and the most memory counts that the process had
resident. Writing: so many tiles of a generated landscape are written by ``lc.prepare`` on the local backend, and
the same number of such tiles is read and encoded as PNG in memory by as many processes, with nothing else done;
the share is what the command reaches of that speed. Results go to ``benchmarks/results/preparing.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from math import ceil, sqrt
from pathlib import Path
from typing import Any

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
    across = ceil(sqrt(tiles / 0.6)) * tile
    scene = write_landscape(home / f"landscape-{across}", across)
    asked = {
        "source": {"rasters": str(scene.imagery), "tile": tile, "bands": [1, 2, 3]},
        "reference": {"path": str(scene.reference), "scheme": "nlcd6"},
        "labels": {"rule": "centre"},
        "split": {"shares": {"train": 1.0}},
        "draw": {"balance": "none"},
    }
    with tempfile.TemporaryDirectory(dir=home) as output:
        started = time.perf_counter()
        made = lc.prepare({**asked, "output": f"{output}/tiles"})
        seconds = time.perf_counter() - started
    count = int(made.counts.to_numpy().sum())
    alone = _alone(scene.imagery, tile, count)
    return {
        "written": count,
        "tile": tile,
        "seconds": round(seconds, 1),
        "tiles_per_second": round(count / seconds),
        "alone_per_second": round(count / alone),
        "share": round(alone / seconds, 3),
    }


def _alone(imagery: Path, tile: int, count: int) -> float:
    """Seconds in which all processors read and encode so many tiles, and do nothing else."""
    with ProcessPoolExecutor(usable_cpus()) as pool:
        pool.submit(int).result()
        started = time.perf_counter()
        list(pool.map(_strip, *zip(*_strips(imagery, tile, count), strict=True)))
        return time.perf_counter() - started


def _strips(imagery: Path, tile: int, count: int) -> Iterator[tuple[Path, int, int, int]]:
    with rasterio.open(imagery) as file:
        across = file.width // tile
    for row in range(ceil(count / across)):
        yield imagery, tile, row, min(across, count - row * across)


def _strip(imagery: Path, tile: int, row: int, tiles: int) -> int:
    """Read a row of tiles, and encode each as PNG: bytes that were made."""
    made = 0
    with rasterio.open(imagery) as file:
        pixels = file.read([1, 2, 3], window=Window(0, row * tile, tiles * tile, tile))
        for col in range(tiles):
            made += len(png(pixels[..., col * tile : (col + 1) * tile]))
    return made


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
