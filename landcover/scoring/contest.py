"""The same tiles scored in several ways, each a real run in a process of its own."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from landcover.errors import LandcoverError, ModelError
from landcover.runs.parts import read_parts
from landcover.runs.run import Run
from landcover.scoring.trial import Pace, Trial, try_out

STAGES = ("read", "decode", "wait", "infer", "write")


class Way(NamedTuple):
    """A way of scoring; ``workers`` None: what the backend or the configuration says."""

    backend: str
    runtime: str
    precision: str
    workers: int | None

    def overrides(self) -> dict[str, Any]:
        """What it sets in a configuration."""
        keys = ("backend.name", "model.runtime", "model.precision", "backend.workers")
        pairs = zip(keys, self, strict=True)
        return {key: value for key, value in pairs if value is not None}


@dataclass
class Standing:
    """What came out for one way.

    Args:
        way: the way.
        trials: one a round, in order.
        agreement: share of tiles, in [0, 1], with the label that the first way in f32 gave.
        reason: why it cannot be run; None where it was.
    """

    way: Way
    trials: list[Trial] = field(default_factory=list)
    agreement: float | None = None
    reason: str | None = None

    @property
    def pace(self) -> Pace:
        """The medians over rounds."""
        paces = [trial.pace for trial in self.trials]
        return Pace(
            median(pace.startup for pace in paces),
            median(pace.tiles_per_second for pace in paces),
        )

    @property
    def stages(self) -> dict[str, float]:
        """Milliseconds a tile and stage, summed over workers; the medians over rounds."""
        shares = [_per_tile(trial) for trial in self.trials]
        return {stage: round(median(share[stage] for share in shares), 3) for stage in STAGES}

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        values: dict[str, Any] = self.way._asdict()
        if self.trials:
            pace, last = self.pace, self.trials[-1]
            values |= {
                "tiles_per_second": round(pace.tiles_per_second, 2),
                "startup_seconds": round(pace.startup, 2),
                "stages_ms_per_tile": self.stages,
                "tiles": last.tiles,
                "model_loads": last.run.summary["model_loads"],
                "rounds": len(self.trials),
                "all_tiles_per_second": [round(t.pace.tiles_per_second, 2) for t in self.trials],
                "agreement": self.agreement,
            }
        return {**values, "reason": self.reason}


def ways(
    backends: Sequence[str],
    runtimes: Sequence[str],
    precisions: Sequence[str],
    workers: Sequence[int | None],
) -> list[Way]:
    """All combinations, those in f32 first."""
    found = [Way(*one) for one in product(backends, runtimes, precisions, workers)]
    return sorted(found, key=lambda way: way.precision != "f32")


def contest(
    config: str | Path | Mapping[str, Any],
    entrants: Sequence[Way],
    folder: Path,
    tiles: int,
    rounds: int = 1,
    overrides: Mapping[str, Any] | None = None,
    progress: Callable[[Way], None] = lambda way: None,
) -> list[Standing]:
    """Score the same tiles in several ways, in rounds, so that other work hits all of them alike.

    Args:
        config: as :func:`landcover.score` takes it.
        entrants: the ways.
        folder: where the run directories are put.
        tiles: how many tiles each run scores at most.
        rounds: how often.
        overrides: keys of the configuration, dotted; those of a way win.
        progress: called before each run.
    """
    standings = [Standing(way) for way in entrants]
    for number in range(rounds):
        for place, standing in enumerate(standings):
            if standing.reason is None:
                progress(standing.way)
                told = {**(overrides or {}), **standing.way.overrides()}
                where = folder / f"{number}-{place}"
                _enter(standing, _Attempt(config, where, tiles, told))
    _compare(standings)
    return standings


@dataclass(frozen=True)
class _Attempt:
    """A trial that pickles."""

    config: str | Path | Mapping[str, Any]
    output: Path
    tiles: int
    overrides: Mapping[str, Any]

    def __call__(self, asked: float) -> Trial:
        """Run; what this process took to start is part of the start."""
        late = time.time() - asked
        trial = try_out(self.config, self.output, self.tiles, self.overrides)
        started = Pace(trial.pace.startup + late, trial.pace.tiles_per_second)
        return Trial(trial.run, started, trial.tiles, trial.seconds + late)


def _enter(standing: Standing, attempt: _Attempt) -> None:
    # A process of its own: threads of runtimes are fixed once, and their memory stays.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        try:
            standing.trials.append(process.submit(attempt, time.time()).result())
        except LandcoverError as error:
            standing.reason = error.reason if isinstance(error, ModelError) else str(error)
        except BrokenProcessPool:
            standing.reason = "its process died; the memory may not suffice"


def _compare(standings: Sequence[Standing]) -> None:
    """Hold the labels of all against those of the first that ran in f32."""
    ran = [standing for standing in standings if standing.trials]
    first = next((one for one in ran if one.way.precision == "f32"), None)
    if first is None:
        return
    truth = _labels(first.trials[0].run)
    for standing in ran:
        found = _labels(standing.trials[0].run)
        both = truth.keys() & found.keys()
        if both:
            standing.agreement = sum(truth[tile] == found[tile] for tile in both) / len(both)


def _labels(run: Run) -> dict[str, str]:
    found: dict[str, str] = {}
    for table in read_parts(run.directory, columns=("tile", "label")):
        found |= zip(*(table[name].to_pylist() for name in ("tile", "label")), strict=True)
    return found


def _per_tile(trial: Trial) -> dict[str, float]:
    seconds = trial.run.summary["stages"]
    return {stage: 1000 * seconds.get(stage, 0.0) / trial.tiles for stage in STAGES}
