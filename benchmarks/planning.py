"""How near does ``landcover plan`` come to what the run then takes?

    python -m benchmarks.planning --tiles 2000 --pixels 10000

Three jobs: image files with a label a tile, scenes with a label a tile, and a scene with a label a
pixel. Of each, ``landcover plan`` foretells time and memory by a short measurement, then
``landcover score`` does the job; both are commands of their own, as users give them. Beside the ratio of
the two stands how much of the machine others took meanwhile. Writes results/planning.json.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import psutil

from benchmarks import workloads
from benchmarks.measuring import claim
from benchmarks.record import write_results

# The most that a plan may be wrong by, as a share of what was planned.
GOAL = 0.2
_PRICE = {"price": 0.1, "currency": "USD", "watts": 60}


@click.command()
@click.option("--tiles", default=3000, show_default=True, help="Of the jobs that label tiles.")
@click.option(
    "--pixels", default=20_000, show_default=True, help="Tiles of the one that labels pixels."
)
@click.option("--network", default="resnet50", show_default=True, help="resnet50, small or idle.")
@click.option("--seconds", default=10.0, show_default=True, help="Of the measurement of a plan.")
@click.option("--folder", default=workloads.FOLDER, type=click.Path(path_type=Path))
def main(tiles: int, pixels: int, network: str, seconds: float, folder: Path) -> None:
    """Plan each job, do it, and write down both."""
    rows = []
    for name, config in _jobs(tiles, pixels, network, folder):
        row = {"job": name, **_compared(config, seconds)}
        rows.append(row)
        click.echo(json.dumps(row))
    claims = [
        claim(f"time of {row['job']}: run / plan - 1", abs(row["time_ratio"] - 1), "", GOAL, True)
        for row in rows
    ]
    libraries = ["rasterio", "onnxruntime", "openvino"]
    conditions = {"tiles": tiles, "pixels": pixels, "network": network, "seconds": seconds}
    written = write_results("planning", rows, libraries, claims=claims, conditions=conditions)
    click.echo(f"wrote {written}")


def _jobs(tiles: int, pixels: int, network: str, folder: Path) -> Iterator[tuple[str, Path]]:
    model = str(workloads.network(network, folder))
    colours = workloads.colour_network(folder / "planned-pixels.onnx", workloads.EDGE, pixel=True)
    images, scene = workloads.image_folder(tiles, folder), workloads.scene("deflate", tiles, folder)
    large = workloads.scene("deflate", pixels, folder)
    os.sync()  # or what was just made is written while a plan measures
    jobs = {
        "images, a label a tile": ({"images": str(images)}, model),
        "a scene, a label a tile": ({"rasters": str(scene)}, model),
        "a scene, a label a pixel": ({"rasters": str(large)}, str(colours)),
    }
    for number, (name, (source, network_file)) in enumerate(jobs.items()):
        output = folder / f"planned-{number}"
        shutil.rmtree(output, ignore_errors=True)
        config = folder / f"planned-{number}.yaml"
        wanted = {"source": source, "model": network_file, "output": str(output), "plan": _PRICE}
        config.write_text(json.dumps(wanted))
        yield name, config


def _compared(config: Path, seconds: float) -> dict[str, Any]:
    plan, busy_then = _said("plan", str(config), "--json", "--seconds", str(seconds))
    _, busy = _said("score", str(config), "--quiet")
    planned = json.loads(plan)
    output = json.loads(config.read_text())["output"]
    took = json.loads(Path(output, "run.json").read_text())["figures"]
    return {
        "tiles": planned["tiles"],
        "planned": planned["planned"],
        "run": took,
        "time_ratio": round(took["seconds"] / planned["planned"]["seconds"], 3),
        "memory_ratio": round(took["peak_memory"] / planned["planned"]["peak_memory"], 3),
        "others_share_of_cpu": {"plan": busy_then, "run": busy},
    }


def _said(*arguments: str) -> tuple[str, float]:
    """What a command prints, and which share of all CPU time others had meanwhile."""
    command = [sys.executable, "-m", "landcover.cli.main", *arguments]
    before, own_before, began = psutil.cpu_times(), os.times(), time.perf_counter()
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    after, own_after, seconds = psutil.cpu_times(), os.times(), time.perf_counter() - began
    if done.returncode:
        raise click.ClickException(f"landcover {' '.join(arguments)} ended with {done.returncode}")
    own = sum(own_after[2:4]) - sum(own_before[2:4])
    busy = sum(getattr(after, key) - getattr(before, key) for key in ("user", "system", "nice"))
    return done.stdout, round(max(0.0, busy - own) / (seconds * (os.cpu_count() or 1)), 3)


if __name__ == "__main__":
    main()
