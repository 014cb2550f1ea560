"""What a larger cluster would do, simulated from what was measured on one machine; and its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cluster import Cluster, simulate
from benchmarks.record import RESULTS
from landcover.models.recipe import Recipe
from landcover.report.bars import lines_figure
from landcover.scoring.plan import task_size

# The default limits of a standard storage account of Azure in most regions:
# learn.microsoft.com/azure/storage/common/scalability-targets-standard-account (read in 2026).
EGRESS_GBIT, REQUESTS = 50, 20_000
WORKERS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
# Tasks under way a worker, and the most of them: backends/dask_workers.py, backends/spark_map.py.
UNDER_WAY = {"dask": (2.0, 1_000_000), "spark": (4.0, 1_000_000)}
# Seconds for 11,760 tiles by number of nodes (D12 v2: 4 cores), read off the chart img/scoring/
# scaling.png of Azure/Embarrassingly-Parallel-Image-Classification: good to a few seconds.
GUIDE_TILES, GUIDE_CORES = 11_760, 4
GUIDE = {
    "CNTK AlexNet, Spark, 2017": [(10, 250), (50, 49)],
    "TensorFlow ResNet-50, Spark, 2017": [(10, 212), (50, 66)],
}
# The largest cluster looked at: seconds of a task, and tasks that each worker gets.
MANY_WORKERS, LONG_TASK, ROUNDS = 10_000, 60.0, 20
# How much the seconds of tasks differ, as a share of their mean: an assumption.
SPREAD = 0.1


class Measured(NamedTuple):
    """What a simulation is fed with.

    Args:
        backend: its name.
        recipe: of the network.
        tiles_per_second: of one worker of one thread.
        startup_seconds: until a worker has its model.
        driver_seconds: of the driver and scheduler for a task.
        storage_seconds: of the storage for a tile.
    """

    backend: str
    recipe: Recipe
    tiles_per_second: float
    startup_seconds: float
    driver_seconds: float
    storage_seconds: float


def storage_seconds(files: Path, tiles: int) -> float:
    """Seconds that a storage account takes for a tile of a folder of image files, at its limits."""
    held = sum(path.stat().st_size for path in files.iterdir()) / tiles
    return max(held * 8 / (EGRESS_GBIT * 1e9), 1 / REQUESTS)


def with_long_tasks(known: Measured) -> dict[str, Any]:
    """Simulate what only a driver can limit: very many workers, long tasks, storage without limits."""
    task_tiles = round(LONG_TASK * known.tiles_per_second)
    tiles = MANY_WORKERS * ROUNDS * task_tiles
    return projected(known._replace(storage_seconds=0.0), MANY_WORKERS, tiles, task_tiles)


def projected(
    known: Measured, workers: int, tiles: int, task_tiles: int | None = None
) -> dict[str, Any]:
    """Simulate a run of so many tiles with so many workers.

    Args:
        known: what was measured.
        workers: of one thread each.
        tiles: of the whole run.
        task_tiles: tiles a task; None: as many as ``landcover.score`` would choose.
    """
    ahead, most = UNDER_WAY[known.backend]
    speed = known.tiles_per_second
    cluster = Cluster(
        workers=workers,
        tile_seconds=1 / speed,
        task_tiles=task_tiles or task_size(known.recipe, tiles, speed, workers),
        spread=SPREAD,
        driver_seconds=known.driver_seconds,
        storage_seconds=known.storage_seconds,
        start_seconds=known.startup_seconds,
        ahead=ahead,
        most=most,
    )
    found = simulate(cluster, tiles)
    # What no start, no driver and no storage would give.
    ideal = tiles / (speed * workers)
    return {
        "backend": known.backend,
        "workers": workers,
        "simulated": True,
        "task_tiles": cluster.task_tiles,
        "seconds": round(found.seconds, 2),
        "tiles_per_second": round(tiles / found.seconds, 1),
        "efficiency": round(ideal / (found.seconds - cluster.start_seconds), 4),
        "driver_busy": round(found.driver_busy, 4),
        "storage_busy": round(found.storage_busy, 4),
    }


def draw_cluster(clusters: list[dict[str, Any]], one: float, network: str) -> None:
    """Draw cluster.png: tiles a second by workers; ``one``: of a single worker."""
    names = dict.fromkeys(row["backend"] for row in clusters)
    lines = {
        name: [(r["workers"], r["tiles_per_second"]) for r in clusters if r["backend"] == name]
        for name in names
    }
    lines["linear (dashed)"] = [(workers, workers * one) for workers in WORKERS]
    title = f"{network}, simulated from what was measured here"
    axes = ("workers", "tiles a second")
    lines_figure(lines, axes, RESULTS / "cluster.png", title, logarithmic=True)


def draw_guide(all_known: list[Measured], network: str) -> None:
    """Draw guide-of-2017.png: the guide's seconds, and ours simulated on as many cores, no start."""
    lines: dict[str, list[tuple[float, float]]] = {
        f"{name} (dashed)": list(points) for name, points in GUIDE.items()
    }
    for known in all_known:
        warm = known._replace(startup_seconds=0.0, storage_seconds=0.0)
        lines[f"{network}, landcover on {known.backend}, simulated from one core here"] = [
            (nodes, projected(warm, nodes * GUIDE_CORES, GUIDE_TILES)["seconds"])
            for nodes in (10, 20, 30, 40, 50)
        ]
    title = f"{GUIDE_TILES:,} tiles on nodes of {GUIDE_CORES} cores"
    lines_figure(lines, ("nodes", "seconds"), RESULTS / "guide-of-2017.png", title)
