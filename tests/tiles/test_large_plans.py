from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import rasterio
from rasterio.transform import Affine

EDGE = 200_000


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene of 200,000 x 200,000 pixels of which none is written."""
    path = tmp_path_factory.mktemp("sparse") / "state.tif"
    options = {"tiled": True, "blockxsize": 4096, "blockysize": 4096, "BIGTIFF": "YES"}
    where = Affine(1, 0, 500000, 0, -1, 4000000)
    shape = {"width": EDGE, "height": EDGE, "count": 3, "dtype": "uint8"}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        crs="EPSG:26914",
        transform=where,
        SPARSE_OK="TRUE",
        compress="deflate",
        **shape,
        **options,
    ):
        pass
    return path


def _measured(script: str, path: Path) -> tuple[float, list[int]]:
    """Seconds, and what a script prints in a process of its own."""
    start = time.perf_counter()
    output = subprocess.run(
        [sys.executable, "-c", script, str(path)], check=True, capture_output=True, text=True
    ).stdout
    return time.perf_counter() - start, [int(word) for word in output.split()]


PLAN = """
import resource, sys
from landcover.tiles.rasters import RasterSource
source = RasterSource([sys.argv[1]], tile=16, task_tiles=1024)
tiles = sum(task.tiles for task in source.tasks())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(source.count(), tiles, peak)
"""


def test_a_plan_of_156_million_tiles_takes_seconds_and_little_memory(sparse: Path) -> None:
    seconds, (count, tiles, peak) = _measured(PLAN, sparse)
    assert count == tiles == (EDGE // 16) ** 2
    assert peak < 300e6
    assert seconds < 30  # 3 s on an idle processor


READ = """
import resource, sys
from itertools import islice
from landcover.tiles.rasters import RasterSource
source = RasterSource([sys.argv[1]], tile=224, task_tiles=512)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
read = sum(len(read().tiles) for task in islice(source.tasks(), 4) for read in task.reads())
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(read, after - before)
"""


def test_reading_a_huge_scene_takes_the_memory_of_a_few_rows(sparse: Path) -> None:
    _, (read, grown) = _measured(READ, sparse)
    assert read > 1500
    assert grown < 400e6
