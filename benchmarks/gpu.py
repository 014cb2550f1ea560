"""How busy does a run keep a GPU, and how close does it come to the network alone?

    python -m benchmarks.gpu CONFIG --tiles 20000

CONFIG is scored by one worker of backend local on the first free GPU. While it runs, nvidia-smi is
asked five times a second which share of the time the GPU computed; samples before the model was
loaded do not count. Beside it stands what the network alone labels on the same GPU, in the same
process, with its pixels in memory, batches of the same size, and two of them on the way as in a
run. Writes results/gpu.json. On a machine without a GPU it says so and does nothing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

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
_SECONDS_ALONE = 10.0
# Batches that a worker has with the network at the same time (landcover.scoring.pipeline).
_RUNS = 2


class Sample(NamedTuple):
    """What nvidia-smi said: when (``time.monotonic``), % of the time busy, MiB in use."""

    at: float
    busy: float
    memory: float


@click.command()
@click.argument("config", required=False, type=click.Path(dir_okay=False))
@click.option("--tiles", default=20_000, show_default=True, help="Tiles of CONFIG to score.")
@click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Set one key.")
def main(config: str | None, tiles: int, overrides: tuple[str, ...]) -> None:
    """Measure a run of CONFIG on a GPU."""
    if not visible_gpus():
        click.echo("this machine shows no GPU (nvidia-smi -L), so there is nothing to measure")
        return
    if config is None:
        raise click.UsageError("name a CONFIG to score")
    told = {**dict(parse_override(text) for text in overrides), "backend": {"name": "local"}}
    told |= {"model.device": "gpu", "output.path": "none yet"}
    try:
        model = _opened(config, told)
        assert model.gpu is not None  # device is gpu
        row = _measured(config, told, model, model.gpu, tiles)
    except LandcoverError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    _tell(model, row, tiles)


def _tell(model: ScoringModel, row: dict[str, float], tiles: int) -> None:
    assert model.gpu is not None
    click.echo(
        f"{model.gpu.name}: {row['tiles_per_second']:,.0f} tiles/s, "
        f"{row['share']:.0%} of the network alone ({row['alone']:,.0f}); the GPU was busy "
        f"{row['busy']:.0f}% of the time and held {row['memory_mib']:,.0f} MiB"
    )
    conditions = {
        "gpu": model.gpu.name,
        "runtime": model.recipe.runtime,
        "precision": model.recipe.precision,
        "batch": model.batch,
        "tiles": tiles,
    }
    libraries = ["onnxruntime-gpu", "tensorflow"]
    click.echo(f"wrote {write_results('gpu', [row], libraries, conditions=conditions)}")


def _opened(config: str, told: dict[str, object]) -> ScoringModel:
    """The model on the GPU that this process then holds, with the batch that a run would take."""
    settings = load_config(config, told)
    model = open_model(make_recipe(model_settings(settings)), usable_cpus())
    if settings.model.batch == "auto":
        model.recipe = tuned(model, usable_cpus())
    return model


def _measured(
    config: str, told: dict[str, object], model: ScoringModel, gpu: Gpu, tiles: int
) -> dict[str, float]:
    alone = _alone(model)
    with tempfile.TemporaryDirectory() as folder, _sampled(gpu) as samples:
        began = time.monotonic()
        measured = measure(config, Path(folder) / "run", tiles, told)
    first, last = began + measured.speed.startup, began + measured.seconds
    kept = [sample for sample in samples if first < sample.at < last]
    speed = measured.speed.tiles_per_second
    return {
        "tiles_per_second": speed,
        "alone": alone,
        "share": speed / alone,
        "busy": float(np.mean([sample.busy for sample in kept])) if kept else float("nan"),
        "memory_mib": max((sample.memory for sample in kept), default=float("nan")),
    }


def _alone(model: ScoringModel) -> float:
    """Tiles a second of the network, on pixels in memory."""
    recipe = model.recipe
    pixels = block_noise(model.batch, len(recipe.bands), recipe.input_size)
    model.network.run(pixels)
    until = time.perf_counter() + _SECONDS_ALONE

    def work(_: int) -> int:
        done = 0
        while time.perf_counter() < until:
            model.network.run(pixels)
            done += len(pixels)
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(_RUNS) as pool:
        done = sum(pool.map(work, range(_RUNS)))
    return done / (time.perf_counter() - started)


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
