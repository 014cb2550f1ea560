"""What ``benchmarks.overhead`` measures, each in a process of its own that has one core.

Each command prints a JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import rasterio
from rasterio.windows import Window

from benchmarks.measuring import peak_memory
from benchmarks.workloads import EDGE


def bare(path: str) -> dict[str, float]:
    """Read all tiles of a raster one by one with rasterio, and do nothing with them."""
    with rasterio.open(path) as file:
        windows = [
            Window(left, top, EDGE, EDGE)
            for top in range(0, file.height, EDGE)
            for left in range(0, file.width, EDGE)
        ]
        file.read(window=windows[0])
        started = time.perf_counter()
        for window in windows:
            file.read(window=window)
        seconds = time.perf_counter() - started
    return {"tiles_per_second": len(windows) / seconds}


def scored(path: str, network: str, tiles: str, task: str) -> dict[str, float]:
    """Score a raster with ``landcover.score`` on the local backend; the start does not count."""
    from landcover.scoring.measurement import measure

    config = {
        "source": {"rasters": path, "task": int(task)},
        "model": {"path": network, "runtime": "openvino"},
        "backend": {"name": "local", "threads": 1},
    }
    with tempfile.TemporaryDirectory() as folder:
        measure(config, Path(folder, "warm"), 1)
        found = measure(config, Path(folder, "run"), int(tiles))
    return {"tiles_per_second": found.speed.tiles_per_second}


def plan(tiles: str, scenes: str) -> dict[str, float]:
    """Plan so many tiles of empty scenes: count them, take their fingerprint, go through all tasks."""
    from landcover.tiles.rasters import RasterSource

    edge = int((int(tiles) / int(scenes)) ** 0.5 + 0.999) * EDGE
    with tempfile.TemporaryDirectory() as folder:
        for number in range(int(scenes)):
            Path(folder, f"scene-{number:04}.vrt").write_text(_EMPTY.format(edge=edge))
        started = time.perf_counter()
        source = RasterSource([folder + "/*.vrt"], tile=EDGE, band_count=3)
        planned = source.count()
        source.fingerprint()
        tasks = sum(1 for _ in source.tasks())
        seconds = time.perf_counter() - started
    peak_mb = peak_memory() / 1e6
    return {"tiles": planned, "tasks": tasks, "seconds": seconds, "peak_mb": peak_mb}


_EMPTY = """<VRTDataset rasterXSize="{edge}" rasterYSize="{edge}">
<SRS>EPSG:26918</SRS><GeoTransform>300000, 1, 0, 4900000, 0, -1</GeoTransform>
<VRTRasterBand dataType="Byte" band="1"/><VRTRasterBand dataType="Byte" band="2"/>
<VRTRasterBand dataType="Byte" band="3"/></VRTDataset>"""

_COMMANDS: dict[str, Callable[..., dict[str, float]]] = {
    "bare": bare,
    "scored": scored,
    "plan": plan,
}

if __name__ == "__main__":
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    print(json.dumps(_COMMANDS[sys.argv[1]](*sys.argv[2:])))
