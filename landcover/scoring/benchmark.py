"""The same tiles scored with several configurations, each a real run in a process of its own."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from landcover.errors import LandcoverError, ModelError
from landcover.run import Run
from landcover.runs.parts import read_parts
from landcover.scoring.measurement import Measurement, Speed, measure
from landcover.scoring.pipeline import STAGES


class Candidate(NamedTuple):
    """What may differ; ``workers`` None: what the backend or the configuration says."""

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
class Result:
    """What came out for one candidate.

    Args:
        candidate: which one.
        measurements: one a round, in order.
        agreement: share of tiles, in [0, 1], with the label that the first candidate in f32 gave.
        reason: why it cannot run; None where it ran.
    """

    candidate: Candidate
    measurements: list[Measurement] = field(default_factory=list)
    agreement: float | None = None
    reason: str | None = None

    @property
    def speed(self) -> Speed:
        """The medians over rounds."""
        speeds = [one.speed for one in self.measurements]
        return Speed(
            median(speed.startup for speed in speeds),
            median(speed.tiles_per_second for speed in speeds),
        )

    @property
    def stages(self) -> dict[str, float]:
        """Milliseconds a tile and stage, summed over workers; the medians over rounds."""
        shares = [_per_tile(one) for one in self.measurements]
        return {stage: round(median(share[stage] for share in shares), 3) for stage in STAGES}

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        values: dict[str, Any] = self.candidate._asdict()
        if self.measurements:
            speed, last = self.speed, self.measurements[-1]
            values |= {
                "tiles_per_second": round(speed.tiles_per_second, 2),
                "startup_seconds": round(speed.startup, 2),
                "stages_ms_per_tile": self.stages,
                "tiles": last.tiles,
                "model_loads": last.run.summary["model_loads"],
                "rounds": len(self.measurements),
                "all_tiles_per_second": [
                    round(one.speed.tiles_per_second, 2) for one in self.measurements
                ],
                "agreement": self.agreement,
            }
        return {**values, "reason": self.reason}


def combinations(
    backends: Sequence[str],
    runtimes: Sequence[str],
    precisions: Sequence[str],
    workers: Sequence[int | None],
) -> list[Candidate]:
    """All combinations, those in f32 first."""
    found = [Candidate(*one) for one in product(backends, runtimes, precisions, workers)]
    return sorted(found, key=lambda candidate: candidate.precision != "f32")


def benchmark(
    config: str | Path | Mapping[str, Any],
    candidates: Sequence[Candidate],
    folder: Path,
    tiles: int,
    rounds: int = 1,
    overrides: Mapping[str, Any] | None = None,
    progress: Callable[[Candidate], None] = lambda candidate: None,
) -> list[Result]:
    """Score the same tiles with each candidate, in rounds, so that other work hits all of them alike.

    Args:
        config: as :func:`landcover.score` takes it.
        candidates: what they set in the configuration differs.
        folder: where the run directories are put.
        tiles: how many tiles each run scores at most.
        rounds: how often.
        overrides: keys of the configuration, dotted; those of a candidate win.
        progress: called before each run.
    """
    results = [Result(candidate) for candidate in candidates]
    for number in range(rounds):
        for place, result in enumerate(results):
            if result.reason is None:
                progress(result.candidate)
                told = {**(overrides or {}), **result.candidate.overrides()}
                where = folder / f"{number}-{place}"
                _measure(result, _Attempt(config, where, tiles, told))
    _compare(results)
    return results


@dataclass(frozen=True)
class _Attempt:
    """A measurement that is yet to be made; pickles."""

    config: str | Path | Mapping[str, Any]
    output: Path
    tiles: int
    overrides: Mapping[str, Any]

    def __call__(self, asked: float) -> Measurement:
        """Run; what this process took to start is part of the start."""
        late = time.time() - asked
        found = measure(self.config, self.output, self.tiles, self.overrides)
        speed = found.speed._replace(startup=found.speed.startup + late)
        return replace(found, speed=speed, seconds=found.seconds + late)


def _measure(result: Result, attempt: _Attempt) -> None:
    # A process of its own: threads of runtimes are fixed once, and their memory stays.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        try:
            result.measurements.append(process.submit(attempt, time.time()).result())
        except LandcoverError as error:
            result.reason = error.reason if isinstance(error, ModelError) else str(error)
        except BrokenProcessPool:
            result.reason = "its process died; the memory may not suffice"


def _compare(results: Sequence[Result]) -> None:
    """Hold the labels of all against those of the first that ran in f32."""
    ran = [result for result in results if result.measurements]
    first = next((one for one in ran if one.candidate.precision == "f32"), None)
    if first is None:
        return
    truth = _labels(first.measurements[0].run)
    for result in ran:
        found = _labels(result.measurements[0].run)
        both = truth.keys() & found.keys()
        if both:
            result.agreement = sum(truth[tile] == found[tile] for tile in both) / len(both)


def _labels(run: Run) -> dict[str, str]:
    found: dict[str, str] = {}
    for table in read_parts(run.directory, columns=("tile", "label")):
        found |= zip(*(table[name].to_pylist() for name in ("tile", "label")), strict=True)
    return found


def _per_tile(measurement: Measurement) -> dict[str, float]:
    seconds = measurement.run.summary["stages"]
    return {stage: 1000 * seconds.get(stage, 0.0) / measurement.tiles for stage in STAGES}
