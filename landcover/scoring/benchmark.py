"""The same tiles scored with several configurations, each a real run in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from itertools import product
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

from landcover.errors import BackendUnavailable, LandcoverError, ModelError
from landcover.models.comparison.race import Race, Turns
from landcover.run import Run
from landcover.runs.parts import read_parts
from landcover.scoring.candidate import Candidate, impossible, own_process
from landcover.scoring.measurement import Measurement, Speed, measure
from landcover.scoring.pipeline import STAGES


@dataclass
class Result:
    """What came out for one candidate.

    Args:
        candidate: which one.
        measurements: one a round, in order.
        agreement: share of tiles, in [0, 1], with the label that the first candidate in f32 gave.
        reason: why it cannot run; None where it ran, or could.
        turns: its speeds in the race, and why it had no more turns.
        whole_backend: what kept it from running is its backend.
    """

    candidate: Candidate
    measurements: list[Measurement] = field(default_factory=list)
    agreement: float | None = None
    reason: str | None = None
    turns: Turns = field(default_factory=Turns)
    whole_backend: bool = False

    @property
    def speed(self) -> Speed:
        """The medians over rounds."""
        speeds = [one.speed for one in self.measurements]
        return Speed(
            median(speed.startup for speed in speeds),
            median(speed.tiles_per_second for speed in speeds),
        )

    @property
    def steady(self) -> float:
        """Seconds of steady state in a turn; the median over rounds."""
        return median(one.steady for one in self.measurements)

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
                "steady_seconds": round(self.steady, 2),
                "spread": round(self.turns.spread, 3),
                "rounds": len(self.measurements),
                "out": self.turns.out,
                "all_tiles_per_second": [
                    round(one.speed.tiles_per_second, 2) for one in self.measurements
                ],
                "agreement": self.agreement,
            }
        return {**values, "reason": self.reason}


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Args:
        seconds: of steady state in each turn; None: as long as ``tiles`` take.
        tiles: after which a turn ends; None: it ends after ``seconds``.
        rounds: turns of each candidate, at most.
        minutes: after which no turn begins.
        all_the_way: every candidate has all turns, however far behind it is.
    """

    seconds: float | None = None
    tiles: int | None = None
    rounds: int = 1
    minutes: float = inf
    all_the_way: bool = False


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
    effort: Effort,
    overrides: Mapping[str, Any] | None = None,
    progress: Callable[[Candidate], None] = lambda candidate: None,
) -> list[Result]:
    """Score the same tiles with each candidate, in rounds, so that other work hits all of them alike.

    What cannot run here is found out first, without a run. Candidates that are far behind, or clearly
    slower than the fastest, have no more turns.

    Args:
        config: as :func:`landcover.score` takes it.
        candidates: what they set in the configuration differs.
        folder: where the run directories are put.
        effort: how much is measured.
        overrides: keys of the configuration, dotted; those of a candidate win.
        progress: called before each run.
    """
    results = {candidate: Result(candidate) for candidate in candidates}
    for candidate, reason in impossible(config, candidates, overrides or {}).items():
        results[candidate].reason = reason

    def turn(candidate: Candidate) -> float:
        result = results[candidate]
        if result.reason is not None:
            return 0.0
        progress(candidate)
        told = {**(overrides or {}), **candidate.overrides()}
        where = folder / f"{candidates.index(candidate)}-{len(result.measurements)}"
        _measure(result, _Attempt(config, where, effort, told))
        if result.reason is not None:
            _tell_alike(result, results.values())
            return 0.0
        return result.measurements[-1].speed.tiles_per_second

    seconds = 60 * effort.minutes
    race = Race(candidates, turn, effort.rounds, seconds, all_the_way=effort.all_the_way)
    for candidate, turns in race.run().items():
        results[candidate].turns = turns
    _compare(list(results.values()))
    return list(results.values())


@dataclass(frozen=True)
class _Attempt:
    """A measurement that is yet to be made; pickles."""

    config: str | Path | Mapping[str, Any]
    output: Path
    effort: Effort
    overrides: Mapping[str, Any]

    def __call__(self, asked: float) -> Measurement:
        """Run; what this process took to start is part of the start."""
        late, effort = time.time() - asked, self.effort
        found = measure(
            self.config, self.output, effort.tiles, self.overrides, seconds=effort.seconds
        )
        speed = found.speed._replace(startup=found.speed.startup + late)
        return replace(found, speed=speed, seconds=found.seconds + late)


def _measure(result: Result, attempt: _Attempt) -> None:
    # A process of its own: threads of runtimes are fixed once, and their memory stays.
    with own_process() as process:
        try:
            result.measurements.append(process.submit(attempt, time.time()).result())
        except LandcoverError as error:
            result.reason = error.reason if isinstance(error, ModelError) else str(error)
            result.whole_backend = isinstance(error, BackendUnavailable)
        except BrokenProcessPool:
            result.reason = "its process died; the memory may not suffice"


def _tell_alike(failed: Result, results: Iterable[Result]) -> None:
    """A backend that does not start here starts with no other runtime either."""
    if not failed.whole_backend:
        return
    for other in results:
        if other.candidate.backend == failed.candidate.backend and other.reason is None:
            other.reason = failed.reason


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
