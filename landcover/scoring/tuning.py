"""How many tiles to give a network at once: a short search, remembered per model and device."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.devices import Gpu
from landcover.models.cache import alone, cache_folder, noted
from landcover.models.model import ScoringModel
from landcover.models.recipe import Recipe
from landcover.models.runtimes.memory import out_of_memory
from landcover.small_files import load_json, read_regular

_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
# The search ends when a batch takes longer than this, or holds more pixels than that: larger ones
# would keep a task waiting for its first labels, and memory grows with every batch under way. Most
# for networks that label pixels, which return a number a class for each; GPUs have memory of their own.
_MOST_SECONDS = 1.0
_MOST_BYTES, _MOST_BYTES_TO_LABEL = 32 * 2**20, 8 * 2**20
# A larger batch must be faster by this share to be worth its memory.
_GAIN = 1.03
_SLOWEST = 0.01  # tiles a second; what is slower counts as this


@dataclass(frozen=True)
class Tuning:
    """What was measured of a network on this host.

    Args:
        batch: tiles to give it at once.
        tiles_per_second: how many it then labels, on data in memory.
    """

    batch: int
    tiles_per_second: float

    def __post_init__(self) -> None:
        counted = type(self.batch) is int and 1 <= self.batch <= _BATCHES[-1]
        if not counted or not 0 < self.tiles_per_second < float("inf"):
            raise ValueError(f"nobody has measured {self}")


def tuned(model: ScoringModel, threads: int) -> Recipe:
    """The recipe of a model with the batch that it is fastest with on this host."""
    return replace(model.recipe, batch=measure(model, threads).batch)


def measure(model: ScoringModel, threads: int) -> Tuning:
    """Find the batch that a model is fastest with, unless this host remembers it.

    Processes of one host that ask at the same time wait for the one that measures.

    Args:
        model: as it was opened.
        threads: CPU threads that it computes with.

    Raises:
        ModelError: not even one tile fits into memory.
    """
    path = _path(model.recipe, model.gpu, threads)
    with alone(path):
        found = _remembered(path)
        if found is None:
            found = _found(model)
            noted(path, json.dumps(asdict(found)))
        return found


def remembered(recipe: Recipe, threads: int) -> Tuning | None:
    """What was measured of a model on this host's CPU before, so that it need not be opened for that.

    Args:
        recipe: of the model.
        threads: CPU threads that it computes with.
    """
    return _remembered(_path(recipe, None, threads))


def remember_smaller(model: ScoringModel, threads: int) -> None:
    """Let later runs on this host begin with a batch that fits into memory.

    Args:
        model: whose batch had to shrink; a smaller one that is remembered already stays.
        threads: CPU threads that it computes with.
    """
    path = _path(model.recipe, model.gpu, threads)
    with alone(path):
        found = _remembered(path)
        if found is not None and found.batch > model.batch:
            noted(path, json.dumps(asdict(replace(found, batch=model.batch))))


def _path(recipe: Recipe, gpu: Gpu | None, threads: int) -> Path:
    return cache_folder() / "tuning" / f"{_key(recipe, gpu, threads)}.json"


def _remembered(path: Path) -> Tuning | None:
    try:
        return Tuning(**load_json(read_regular(path)))
    except (OSError, ValueError, TypeError):
        return None


def _found(model: ScoringModel) -> Tuning:
    recipe = model.recipe
    try:
        labels_pixels = recipe.output == "pixel" and model.gpu is None
        most = _MOST_BYTES_TO_LABEL if labels_pixels else _MOST_BYTES
        return _search(model.network.run, (len(recipe.bands), *recipe.input_size), most)
    except Exception as error:
        if out_of_memory(error):
            raise model.too_large(error) from error
        raise


def _search(
    run: Callable[[npt.NDArray[Any]], object], shape: tuple[int, ...], most_bytes: int
) -> Tuning:
    best = Tuning(1, _SLOWEST)
    for batch in _BATCHES:
        pixels = np.random.default_rng(0).integers(0, 256, (batch, *shape), np.uint8)
        if batch > 1 and pixels.nbytes > most_bytes:
            break
        try:
            seconds = _seconds(run, pixels)
        except Exception as error:
            if batch > 1 and out_of_memory(error):
                break
            raise
        if batch / seconds > best.tiles_per_second * _GAIN:
            best = Tuning(batch, round(batch / seconds, 2))
        elif batch >= 4 * best.batch:
            break
        if seconds > _MOST_SECONDS:
            break
    return best


def _seconds(run: Callable[[npt.NDArray[Any]], object], pixels: npt.NDArray[Any]) -> float:
    """The shortest of a few runs; the first one, which may still prepare things, does not count."""
    run(pixels)
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        run(pixels)
        taken.append(time.perf_counter() - started)
        if sum(taken) > _MOST_SECONDS:
            break
    return max(min(taken), 1e-6)


def _key(recipe: Recipe, gpu: Gpu | None, threads: int) -> str:
    """What the answer depends on: the network, what executes it, and the processor or GPU."""
    values = [recipe.digest, recipe.head, recipe.runtime, recipe.precision, recipe.input_size]
    text = json.dumps([*values, threads, gpu.name if gpu else _processor()])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("model name")), platform.processor())
