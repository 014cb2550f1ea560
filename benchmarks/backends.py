"""How do the backends compare on the same tiles, and what does each take to start?

    python -m benchmarks.backends --repeats 3

The same tiles and the same network are scored with ``landcover.score`` on the local backend, on a
Dask cluster and on a Spark session of this machine, with all of its cores each time, in rounds and in
processes of their own, for some seconds of steady state: a ResNet-50, which is all that a worker does,
over PNG tiles, and a small network of some thousand tiles a second and core, over a scene, where a
backend's own work would show. Start-up and steady state are told apart, and the labels must be the
same. Writes results/backends.json and .png.
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
from landcover.scoring.benchmark import Effort, Result, benchmark
from landcover.scoring.candidate import Candidate

# What a cluster should keep of the speed of the local backend, in the steady state; of networks that
# take less than a millisecond a tile, less.
GOAL, GOAL_FAST = 0.95, 0.9
# Tiles of 64 pixels, for the fast network: enough for the seconds of every turn.
SCENE_TILES = 3600


@click.command()
@click.option("--seconds", default=8.0, show_default=True, help="Of steady state, each time.")
@click.option("--repeats", default=3, show_default=True, help="Rounds; medians count.")
@click.option("--images", default=800, show_default=True, help="PNG tiles that turns draw from.")
@click.option("--networks", default="resnet50,fast", show_default=True)
@click.option("--runtime", default="openvino", show_default=True)
@click.option("--backends", default="local,dask,spark", show_default=True)
@click.option("--folder", default=workloads.FOLDER, type=click.Path(path_type=Path))
def main(
    seconds: float,
    repeats: int,
    images: int,
    networks: str,
    runtime: str,
    backends: str,
    folder: Path,
) -> None:
    """Measure the backends and write down how they compare."""
    cores, rows, claims = usable_cpus(), list[dict[str, Any]](), list[dict[str, Any]]()
    candidates = [Candidate(name, runtime, "f32", cores) for name in backends.split(",")]
    effort = Effort(seconds=seconds, rounds=repeats, all_the_way=True)
    first, *_ = names = networks.split(",")
    for network in names:
        with tempfile.TemporaryDirectory() as place:
            results = benchmark(_config(network, images, folder), candidates, Path(place), effort)
        rows += [{"network": network, **result.as_dict()} for result in results]
        for result in results:
            click.echo(f"{network:9} {_line(result)}")
        claims += _claims(network, results)
        ran = {s.candidate.backend: s.speed.tiles_per_second for s in results if s.measurements}
        figure = RESULTS / ("backends.png" if network == first else f"backends-{network}.png")
        bars_figure(ran, "tiles a second", figure, f"{network} on {cores} cores")
    conditions = {"seconds": seconds, "repeats": repeats, "networks": networks, "runtime": runtime}
    libraries = ["distributed", "pyspark", "openvino", "tensorflow"]
    written = write_results("backends", rows, libraries, claims=claims, conditions=conditions)
    click.echo(f"wrote {written}")


def _config(network: str, tiles: int, folder: Path) -> dict[str, Any]:
    if network == "fast":
        model, edge = workloads.fast_network(folder)
        scene = workloads.scene("plain", SCENE_TILES, folder)
        return {"source": {"rasters": str(scene), "tile": edge}, "model": str(model)}
    images = workloads.image_folder(tiles, folder)
    return {"source": {"images": str(images)}, "model": str(workloads.network(network, folder))}


def _claims(network: str, results: list[Result]) -> Any:
    local, *others = results
    for result in (one for one in others if one.measurements and local.measurements):
        pairs = zip(result.measurements, local.measurements, strict=True)
        ratio = middle([a.speed.tiles_per_second / b.speed.tiles_per_second for a, b in pairs])
        name = f"{network}: {result.candidate.backend}"
        goal = GOAL_FAST if network == "fast" else GOAL
        yield claim(f"steady state of {name} / {local.candidate.backend}", ratio, "", goal)
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
