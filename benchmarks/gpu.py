"""How busy does a run keep a GPU, and how close does it come to the network alone?

    python -m benchmarks.gpu CONFIG... --seconds 10

Each CONFIG is scored by one worker of backend local on the first free GPU, in a process of its own: a
process keeps its GPU, and Keras its library, until it ends. While it runs, nvidia-smi is asked five
times a second which share of the time the GPU computed; samples before the steady state do not count.
Beside it stands what the network alone labels on the same GPU, with its pixels in memory, batches of the
same size, and one, two and three of them on the way at once. Precisions are those of the files, or of
``model.precision``. Writes results/gpu.json. On a machine without a GPU it says so and does nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from benchmarks.measuring import apart, claim
from benchmarks.record import write_results
from landcover.config import load_config, parse_override
from landcover.devices import Gpu, visible_gpus
from landcover.errors import LandcoverError
from landcover.machine import usable_cpus
from landcover.models.comparison.timing import block_noise
from landcover.models.model import ScoringModel, open_model
from landcover.models.recipe import make_recipe
from landcover.scoring.measurement import measure
from landcover.scoring.plan import model_settings
from landcover.scoring.tuning import tuned

_MILLISECONDS = 200
_GOAL = 0.9
# Batches that are with the network at the same time; a run has as many as the last one says.
_TOGETHER = (1, 2, 3)


class Sample(NamedTuple):
    """What nvidia-smi said: when (``time.monotonic``), % of the time busy, MiB in use."""

    at: float
    busy: float
    memory: float


@click.command()
@click.argument("configs", nargs=-1, type=click.Path(dir_okay=False))
@click.option("--seconds", default=10.0, show_default=True, help="Of steady state, of each.")
@click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Set one key.")
def main(configs: tuple[str, ...], seconds: float, overrides: tuple[str, ...]) -> None:
    """Measure runs of CONFIGS on a GPU."""
    if not visible_gpus():
        click.echo("this machine shows no GPU (nvidia-smi -L), so there is nothing to measure")
        return
    if not configs:
        raise click.UsageError("name a CONFIG to score")
    told = {**dict(parse_override(text) for text in overrides), "backend": {"name": "local"}}
    told |= {"model.device": "gpu", "output.path": "none yet"}
    rows = []
    for config in configs:
        try:
            rows.append(apart(_measured, config, told, seconds))
        except LandcoverError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(error.exit_code)
        click.echo(
            "{name}: {tiles_per_second:,.0f} tiles/s, {share:.0%} of the network alone ({alone}); "
            "the GPU was busy {busy:.0f}% of the time and held {memory_mib:,.0f} MiB; "
            "{cores:.1f} cores worked".format(**rows[-1])
        )
    conditions = {"gpu": rows[0]["gpu"], "driver": _driver(), "seconds": seconds}
    libraries = ["onnxruntime-gpu", "tensorflow", "jax", "torch", "imagecodecs", "simplejpeg"]
    claims = [claim(f"{row['name']}: {_QUESTION}", row["share"], "", _GOAL) for row in rows]
    click.echo(write_results("gpu", rows, libraries, claims=claims, conditions=conditions))


_QUESTION = "end to end / the network alone, with as many batches on the way"


def _measured(config: str, told: dict[str, object], seconds: float) -> dict[str, Any]:
    """The row of a configuration; this process has used nothing yet."""
    settings = load_config(config, told)
    model = open_model(make_recipe(model_settings(settings)), usable_cpus())
    assert model.gpu is not None  # device is gpu
    if settings.model.batch == "auto":
        model.recipe = tuned(model, usable_cpus())
    alone = {together: _alone(model, together, seconds / 2) for together in _TOGETHER}
    with tempfile.TemporaryDirectory() as folder, _sampled(model.gpu) as samples:
        began, worked = time.monotonic(), sum(os.times()[:2])
        measured = measure(config, Path(folder) / "run", overrides=told, seconds=seconds)
        worked = sum(os.times()[:2]) - worked
    first, last = began + measured.speed.startup, began + measured.seconds
    kept = [sample for sample in samples if first < sample.at < last]
    speed = measured.speed.tiles_per_second
    return {
        "name": Path(config).stem,
        "gpu": model.gpu.name,
        "runtime": model.recipe.runtime,
        "precision": model.recipe.precision,
        "batch": model.batch,
        "tiles": measured.tiles,
        "tiles_per_second": speed,
        "alone": {str(together): round(each) for together, each in alone.items()},
        "share": speed / alone[_TOGETHER[-1]],
        "busy": float(np.mean([sample.busy for sample in kept])) if kept else float("nan"),
        "memory_mib": max((sample.memory for sample in kept), default=float("nan")),
        "cores": worked / measured.seconds,
        "stages": measured.run.summary["stages"],
    }


def _alone(model: ScoringModel, together: int, seconds: float) -> float:
    """Tiles a second of the network, on pixels in memory, with so many batches at once."""
    recipe = model.recipe
    pixels = block_noise(model.batch, len(recipe.bands), recipe.input_size)
    model.network.run(pixels)
    started = time.perf_counter()

    def work(_: int) -> int:
        done = 0
        while time.perf_counter() < started + seconds:
            model.network.run(pixels)
            done += len(pixels)
        return done

    with ThreadPoolExecutor(together) as pool:
        done = sum(pool.map(work, range(together)))
    return done / (time.perf_counter() - started)


def _driver() -> str:
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return said.partition("\n")[0].strip()


@contextmanager
def _sampled(gpu: Gpu) -> Iterator[list[Sample]]:
    """What nvidia-smi says of a GPU meanwhile; the list grows until the block ends."""
    command = [
        *("nvidia-smi", f"--id={gpu.uuid}", f"--loop-ms={_MILLISECONDS}"),
        *("--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"),
    ]
    samples: list[Sample] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asked:
        reader = threading.Thread(target=_read, args=(asked, samples))
        reader.start()
        try:
            yield samples
        finally:
            asked.terminate()
            reader.join()


def _read(asked: subprocess.Popen[str], samples: list[Sample]) -> None:
    assert asked.stdout is not None
    for line in asked.stdout:
        try:
            busy, memory = map(float, line.split(","))
        except ValueError:
            continue  # "[N/A]", as for instances of divided GPUs
        samples.append(Sample(time.monotonic(), busy, memory))


if __name__ == "__main__":
    main()
