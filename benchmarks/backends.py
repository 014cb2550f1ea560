"""How do the backends compare on the same tiles, and what does each take to start?

    python -m benchmarks.backends --tiles 400 --repeats 3

The same PNG tiles and the same network are scored with ``landcover.score`` on the local backend, on
a Dask cluster and on a Spark session of this machine, with all of its cores each time, in rounds and
in processes of their own. Start-up and steady state are told apart, and the tables must be the same.
Writes results/backends.json and .png.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks import workloads
from benchmarks.measuring import claim, middle
from benchmarks.record import RESULTS, write_results
from landcover.machine import usable_cpus
from landcover.report.bars import bars_figure
from landcover.scoring.benchmark import Candidate, Result, benchmark

# What a cluster should keep of the speed of the local backend, in the steady state.
GOAL = 0.93


@click.command()
@click.option("--tiles", default=400, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Rounds; medians count.")
@click.option("--network", default="resnet50", show_default=True, help="resnet50, small or idle.")
@click.option("--runtime", default="openvino", show_default=True)
@click.option("--backends", default="local,dask,spark", show_default=True)
@click.option("--folder", default=workloads.FOLDER, type=click.Path(path_type=Path))
def main(tiles: int, repeats: int, network: str, runtime: str, backends: str, folder: Path) -> None:
    """Measure the backends and write down how they compare."""
    config = {
        "source": {"images": str(workloads.image_folder(tiles, folder))},
        "model": str(workloads.network(network, folder)),
    }
    cores = usable_cpus()
    candidates = [Candidate(name, runtime, "f32", cores) for name in backends.split(",")]
    with tempfile.TemporaryDirectory() as place:
        results = benchmark(config, candidates, Path(place), tiles, repeats)
    rows = [result.as_dict() for result in results]
    for result in results:
        click.echo(_line(result))
    claims = list(_claims(results))
    conditions = {"tiles": tiles, "repeats": repeats, "network": network, "runtime": runtime}
    libraries = ["distributed", "pyspark", "openvino", "tensorflow"]
    written = write_results("backends", rows, libraries, claims=claims, conditions=conditions)
    ran = {s.candidate.backend: s.speed.tiles_per_second for s in results if s.measurements}
    bars_figure(ran, "tiles a second", RESULTS / "backends.png", f"{network} on {cores} cores")
    click.echo(f"wrote {written}")


def _claims(results: list[Result]) -> Any:
    local, *others = results
    for result in (one for one in others if one.measurements and local.measurements):
        pairs = zip(result.measurements, local.measurements, strict=True)
        ratio = middle([a.speed.tiles_per_second / b.speed.tiles_per_second for a, b in pairs])
        name = result.candidate.backend
        yield claim(f"steady state of {name} / {local.candidate.backend}", ratio, "", GOAL)
        yield claim(f"start-up of {name}", result.speed.startup, "s")
        yield claim(f"labels of {name} that are those of local", result.agreement or 0, "", 1)


def _line(result: Result) -> str:
    name = f"{result.candidate.backend:6}"
    if result.reason:
        return f"{name} cannot run: {result.reason}"
    speed = result.speed
    agreement = result.agreement or 0.0
    speeds = f"{speed.tiles_per_second:8,.1f} tiles/s, start-up {speed.startup:5.1f} s"
    return f"{name} {speeds}, {agreement:.2%} of the labels are the same"


if __name__ == "__main__":
    main()
