"""How fast a configuration is: a real run of some tiles, its start told apart from the steady state."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from landcover.backends.local import LocalBackend
from landcover.config import Config, load_config
from landcover.contracts import Backend
from landcover.machine import usable_cpus
from landcover.run import Run
from landcover.scoring.driver import run as run_config
from landcover.scoring.plan import TASK_SECONDS
from landcover.scoring.totals import Tiles

# Tasks that each worker gets: few enough that they are not all overhead, many enough that the
# steady state can be told from the start.
_TASKS_A_WORKER = 8
# The share of the tiles that counts as start: models are loaded, caches are filled.
_START = 0.25
_FEWEST = 3


class Progress(NamedTuple):
    """How far a run had come: seconds since it was asked for, and tiles that were done by then."""

    seconds: float
    tiles: int


class Speed(NamedTuple):
    """A run as a start and a steady state: ``seconds = startup + tiles / tiles_per_second``."""

    startup: float
    tiles_per_second: float


@dataclass(frozen=True)
class Measurement:
    """What was measured.

    Args:
        run: its directory, where ``run.json`` has seconds a stage, workers and model loads.
        speed: start and steady state.
        tiles: how many were done.
        seconds: from the call to the last of them.
        steady: of these, seconds of the steady state: those that the speed is of.
    """

    run: Run
    speed: Speed
    tiles: int
    seconds: float
    steady: float = 0.0


class _Enough(Exception):
    """Stops a run that has done as many tiles as a measurement needs."""


def measure(
    config: str | Path | Mapping[str, Any],
    output: str | Path,
    tiles: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    backend: Backend | None = None,
    seconds: float | None = None,
) -> Measurement:
    """Run a configuration until enough is done, and say how fast that went.

    Args:
        config: as :func:`landcover.score` takes it.
        output: a new directory for the run.
        tiles: how many tiles are enough; the run ends with the task that reaches them.
        overrides: keys of the configuration, dotted.
        backend: a backend made by hand, which is left open.
        seconds: how long a steady state is enough. Tasks take an eighth of that, or less where a real
            run's would, so that it shows how they follow one another.

    Raises:
        LandcoverError: whatever keeps the configuration from running.
    """
    told = {**(overrides or {}), "output.path": str(output)}
    whole = load_config(config, told)
    if whole.source.task is None and tiles is not None:
        whole = load_config(config, {**told, "source.task": _task(whole, tiles, backend)})
    reached: list[Progress] = []
    started = time.perf_counter()

    def note(so_far: Tiles) -> None:
        reached.append(Progress(time.perf_counter() - started, so_far.done))
        if tiles is not None and so_far.done >= tiles:
            raise _Enough(f"stopped after {so_far.done} tiles: this run was a measurement")
        # A quarter of the tiles counts as start, and so about a quarter of the time.
        steady = (1 - _START) * _since_first(reached)
        if seconds is not None and len(reached) >= _FEWEST and steady >= seconds:
            raise _Enough(f"stopped after {seconds:.1f} s: this run was a measurement")

    with suppress(_Enough):
        long = TASK_SECONDS if seconds is None else min(TASK_SECONDS, seconds / _TASKS_A_WORKER)
        run_config(whole, backend, note, task_seconds=long)
    took = _since_first(_later(reached))
    last = reached[-1]
    return Measurement(Run.open(output), speed_of(reached), last.tiles, last.seconds, took)


def _since_first(reached: Sequence[Progress]) -> float:
    return reached[-1].seconds - reached[0].seconds


def _later(reached: Sequence[Progress]) -> list[Progress]:
    """The points of the steady state."""
    return [one for one in reached if one.tiles >= _START * reached[-1].tiles]


def speed_of(reached: Sequence[Progress]) -> Speed:
    """Tell the start from the steady state.

    The steady state is the slope of a straight line through the later points: those after the first
    quarter of the tiles, by when every worker has its model. The start is what is left of the time.
    Of fewer than three later points, all count and the start counts as part of them.

    Args:
        reached: in the order of time, at least one.
    """
    last = reached[-1]
    later = _later(reached)
    if len(later) < _FEWEST or later[-1].seconds <= later[0].seconds:
        return Speed(0.0, last.tiles / last.seconds)
    seconds, tiles = np.array(later, float).T
    slope = float(np.polyfit(seconds - seconds[0], tiles, 1)[0])
    return Speed(max(0.0, last.seconds - last.tiles / slope), slope)


def _task(config: Config, tiles: int, backend: Backend | None) -> int:
    chosen = config.backend
    if backend is None and chosen.name == "local":  # a worker is no core there
        backend = LocalBackend(**chosen.options)
    workers = backend.slots if backend else chosen.options.get("workers") or usable_cpus()
    return max(1, ceil(tiles / (_TASKS_A_WORKER * int(workers))))
