"""How does the speed grow with workers: measured to the cores of this machine, simulated beyond?

    python -m benchmarks.scaling --tiles 400 --repeats 3

Measured: ``landcover.score`` with 1 to N worker processes of one thread each, on Dask and on Spark;
and what a task costs the driver, with tasks that do nothing. Simulated (benchmarks/cluster.py): up to
1,000 workers with those figures, and one storage account with the default limits of Azure; and
10,000 workers with long tasks, whom only the driver can limit. It says where the driver or the
storage would be the limit. The figure of the 2017 guide is drawn beside.
Writes results/scaling.json, scaling.png, cluster.png and guide-of-2017.png.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks import dask_driver, spark_driver, workloads
from benchmarks.measuring import claim, middle
from benchmarks.projection import (
    EGRESS_GBIT,
    LONG_TASK,
    MANY_WORKERS,
    REQUESTS,
    SPREAD,
    WORKERS,
    Measured,
    draw_cluster,
    draw_guide,
    projected,
    storage_seconds,
    with_long_tasks,
)
from benchmarks.record import RESULTS, write_results
from landcover.config import ModelSettings
from landcover.machine import usable_cpus
from landcover.models.recipe import Recipe, make_recipe
from landcover.report.bars import lines_figure
from landcover.scoring.benchmark import Effort, benchmark
from landcover.scoring.candidate import Candidate

# Of twice one worker; of a simulated run on so many workers, and of one with long tasks.
GOAL_CORES, GOAL_CLUSTER, GOAL_LONG = 0.93, 0.95, 0.9
# What a task that does nothing may cost Spark's driver, in milliseconds: its Python and its Java VM.
GOAL_DRIVER = {"spark": 5.0}


@click.command()
@click.option("--tiles", default=400, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Rounds; medians count.")
@click.option("--network", default="resnet50", show_default=True, help="resnet50, small or idle.")
@click.option("--runtime", default="openvino", show_default=True)
@click.option("--backends", default="dask,spark", show_default=True)
@click.option("--simulated", default=1_000_000, show_default=True, help="Tiles of that run.")
@click.option("--folder", default=workloads.FOLDER, type=click.Path(path_type=Path))
def main(
    tiles: int,
    repeats: int,
    network: str,
    runtime: str,
    backends: str,
    simulated: int,
    folder: Path,
) -> None:
    """Measure on this machine, and simulate larger ones."""
    names = backends.split(",")
    files = workloads.image_folder(tiles, folder)
    model = str(workloads.network(network, folder))
    config = {"source": {"images": str(files)}, "model": model}
    rows = _measured(config, names, runtime, tiles, repeats)
    recipe = make_recipe(ModelSettings(path=model, runtime=runtime))
    for row in rows:
        click.echo(_line(row))
    known = list(_known(rows, recipe, storage_seconds(files, tiles)))
    clusters = [projected(one, workers, simulated) for one in known for workers in WORKERS]
    largest = [with_long_tasks(one) for one in known]
    for row in [*clusters, *largest]:
        click.echo(_line(row))
    conditions = {
        "tiles": tiles,
        "repeats": repeats,
        "network": network,
        "runtime": runtime,
        "simulation": {
            "tiles": simulated,
            "driver_seconds_a_task": {one.backend: one.driver_seconds for one in known},
            "storage_seconds_a_tile": storage_seconds(files, tiles),
            "storage": {"egress_gbit": EGRESS_GBIT, "requests_a_second": REQUESTS},
            "spread_of_tasks": SPREAD,
        },
    }
    figures = ["scaling.png", "cluster.png", "guide-of-2017.png"]
    claims = list(_claims(rows, clusters + largest, known))
    more = {
        "claims": claims,
        "figures": figures,
        "conditions": conditions,
        "simulated": clusters + largest,
    }
    written = write_results("scaling", rows, ["distributed", "pyspark", "openvino"], **more)
    _draw(rows, network)
    if known:
        draw_cluster(clusters, known[0].tiles_per_second, network)
        draw_guide(known, network)
    click.echo(f"wrote {written}")


def _measured(
    config: dict[str, Any], names: Sequence[str], runtime: str, tiles: int, repeats: int
) -> list[dict[str, Any]]:
    counts = range(1, usable_cpus() + 1)
    candidates = [Candidate(name, runtime, "f32", workers) for name in names for workers in counts]
    with tempfile.TemporaryDirectory() as place:
        told = {"backend.threads": 1}
        effort = Effort(tiles=tiles, rounds=repeats, all_the_way=True)
        results = benchmark(config, candidates, Path(place), effort, told)
    return [result.as_dict() for result in results]


def _known(rows: list[dict[str, Any]], recipe: Recipe, storage: float) -> Iterator[Measured]:
    """What was measured of each backend with one worker, and what a task costs its driver."""
    for row in rows:
        if row["workers"] == 1 and not row["reason"]:
            cost = _driver_seconds(row["backend"])
            speed, start = row["tiles_per_second"], row["startup_seconds"]
            yield Measured(row["backend"], recipe, speed, start, cost, storage)


def _driver_seconds(name: str) -> float:
    """What a task that does nothing costs a backend's driver, or its scheduler if that is slower."""
    return spark_driver.measure().driver if name == "spark" else dask_driver.measure().slower


def _claims(
    rows: list[dict[str, Any]], clusters: list[dict[str, Any]], known: list[Measured]
) -> Iterator[dict[str, Any]]:
    cores = usable_cpus()
    for one in known:
        name = one.backend
        speeds = {
            row["workers"]: row["all_tiles_per_second"]
            for row in rows
            if row["backend"] == name and not row["reason"]
        }
        if cores > 1 and cores in speeds:
            pairs = zip(speeds[cores], speeds[1], strict=True)
            found = middle([many / single / cores for many, single in pairs])
            yield claim(f"{name}: efficiency of {cores} workers", found, "", GOAL_CORES)
        cost = 1000 * one.driver_seconds
        question = f"{name}: a task that does nothing, in the driver (or scheduler, if slower)"
        yield claim(question, cost, "ms", GOAL_DRIVER.get(name), True)
        for row in clusters:
            if row["backend"] == name and row["workers"] in (100, 1000):
                question = f"{name}, simulated: efficiency of {row['workers']:,} workers"
                yield claim(question, row["efficiency"], "", GOAL_CLUSTER)
            elif row["backend"] == name and row["workers"] == MANY_WORKERS:
                long = f"{MANY_WORKERS:,} workers with tasks of {LONG_TASK:.0f} s, storage aside"
                yield claim(f"{name}, simulated: {long}", row["efficiency"], "", GOAL_LONG)


def _line(row: dict[str, Any]) -> str:
    start = f"{row['backend']:6}{row['workers']:6,} workers"
    if row.get("reason"):
        return f"{start}  cannot run: {row['reason']}"
    if "simulated" not in row:
        return f"{start} {row['tiles_per_second']:12,.1f} tiles/s  measured"
    return (
        f"{start} {row['tiles_per_second']:12,.1f} tiles/s  simulated, tasks of "
        f"{row['task_tiles']:,} tiles, efficiency {row['efficiency']:.2f}, "
        f"driver busy {row['driver_busy']:.0%}, storage {row['storage_busy']:.0%}"
    )


def _draw(rows: list[dict[str, Any]], network: str) -> None:
    ran = [row for row in rows if not row["reason"]]
    lines = {
        name: [(row["workers"], row["tiles_per_second"]) for row in ran if row["backend"] == name]
        for name in dict.fromkeys(row["backend"] for row in ran)
    }
    if lines:
        title = f"{network}, measured, a thread a worker"
        axes = ("workers", "tiles a second")
        lines_figure(lines, axes, RESULTS / "scaling.png", title)


if __name__ == "__main__":
    main()
