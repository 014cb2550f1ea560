from __future__ import annotations

import subprocess
import sys
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


# The peak of this very program: getrusage() would count what its parent held when it forked.
PEAK = """
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
"""


def _measured(script: str, path: Path) -> list[int]:
    """What a script prints in a process of its own."""
    command = [sys.executable, "-c", PEAK + script, str(path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [int(word) for word in output.split()]


PLAN = """
import sys
from landcover.tiles.rasters import RasterSource
source = RasterSource([sys.argv[1]], tile=16, task_tiles=1024)
tasks = tiles = 0
digests = set()
for task in source.tasks():
    tasks += 1
    tiles += task.tiles
    digests.add(task.digest)
assert len(digests) == tasks
print(source.count(), tiles, peak())
"""


def test_a_plan_of_156_million_tiles_takes_little_memory(sparse: Path) -> None:
    count, tiles, peak = _measured(PLAN, sparse)
    assert count == tiles == (EDGE // 16) ** 2
    assert peak < 300e6


READ = """
import sys
from itertools import islice
from landcover.tiles.rasters import RasterSource
source = RasterSource([sys.argv[1]], tile=224, task_tiles=512)
before = peak()
read = sum(len(read().tiles) for task in islice(source.tasks(), 4) for read in task.reads())
after = peak()
print(read, after - before)
"""


def test_reading_a_huge_scene_takes_the_memory_of_a_few_rows(sparse: Path) -> None:
    read, grown = _measured(READ, sparse)
    assert read > 1500
    assert grown < 400e6
