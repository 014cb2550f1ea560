"""What a run adds up to: tiles, seconds, workers, model loads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from landcover.models.cropping.crop import Arithmetic
from landcover.runs.counts import Counts
from landcover.scoring.installation import Installation
from landcover.scoring.worker import Report


@dataclass(frozen=True)
class Tiles:
    """How far a run has come, in tiles.

    Args:
        planned: of the whole run.
        done: scored, failed or skipped, in this run and before it was interrupted.
        per_second: tiles a second since the first task began; 0 until one has ended.
    """

    planned: int
    done: int
    per_second: float

    @property
    def seconds_left(self) -> float:
        """Seconds until the end at the present speed; 0 while that is not known."""
        return (self.planned - self.done) / self.per_second if self.per_second else 0.0


class Totals:
    """Adds up the reports of a run's tasks.

    Args:
        planned: tiles of the whole run.
    """

    def __init__(self, planned: int) -> None:
        self.planned = planned
        self.tiles: Counter[str] = Counter(scored=0, quarantined=0, skipped=0)
        self.retryable = self.undefined_pixels = 0
        self._earlier: dict[int, Counts] = {}
        self._earlier_tiles = 0
        self._seconds: Counter[str] = Counter()
        self._loads = 0
        self.peak_memory = 0
        self._tasks = 0
        self._workers: Counter[str] = Counter()
        self._devices: Counter[str] = Counter()
        self._installations: dict[Installation, set[str]] = {}
        self._arithmetic: Arithmetic | None = None
        self._began, self._ended = float("inf"), 0.0

    def add_earlier(self, parts: Mapping[int, Counts]) -> None:
        """Add what was done before the run was interrupted, by index of the task."""
        self._earlier = dict(parts)
        for counts in parts.values():
            self._earlier_tiles += counts.planned
            self._add_tiles(counts)

    def drop(self, index: int) -> None:
        """Take back what a task did before the run was interrupted, if it did anything."""
        counts = self._earlier.pop(index, None)
        if counts is not None:
            self._earlier_tiles -= counts.planned
            self._add_tiles(counts, -1)

    def add(self, report: Report) -> None:
        """Add what a task sent home, in place of what it did earlier."""
        self.drop(report.index)
        self._add_tiles(report.counts)
        self._seconds.update(report.seconds)
        self._loads += report.loads
        self.peak_memory = max(self.peak_memory, getattr(report, "memory", 0))
        self._tasks += 1
        self._arithmetic = report.arithmetic or self._arithmetic
        self._workers[report.worker] += report.counts.planned
        host = report.worker.rpartition(":")[0]
        if report.installation is not None:
            self._installations.setdefault(report.installation, set()).add(host)
        self._devices[f"{host} {report.device}"] += report.loads
        self._began = min(self._began, report.started)
        self._ended = max(self._ended, report.finished)

    def add_lost(self, index: int, counts: Counts) -> None:
        """Add the tiles of a task that no worker survived, in place of what it did earlier."""
        self.drop(index)
        self._add_tiles(counts)

    @property
    def done(self) -> int:
        """Tiles that have come to their end, one way or another."""
        return sum(self.tiles.values())

    @property
    def resumed(self) -> bool:
        """Whether some tiles were done before."""
        return self._earlier_tiles > 0

    @property
    def worker_count(self) -> int:
        """How many processes have worked."""
        return len(self._workers)

    @property
    def per_second(self) -> float:
        """Tiles a second between the start of the first task and the end of the last one."""
        seconds = self._ended - self._began
        return (self.done - self._earlier_tiles) / seconds if seconds > 0 else 0.0

    @property
    def progress(self) -> Tiles:
        """How far the run has come."""
        return Tiles(self.planned, self.done, self.per_second)

    def summary(self) -> dict[str, Any]:
        """What ``run.json`` says of the work: tiles, speed, loads, workers, seconds per stage.

        ``devices`` has the model loads on each device of each host, ``peak_memory`` the bytes that
        the largest of the workers has held, ``retryable`` how many of the quarantined tiles may not
        fail when they are tried again, ``undefined_pixels`` the pixels of scored tiles for which the
        network returned no probabilities; ``multiply_adds`` what the network computes of a window,
        where that is less than its file says; ``earlier_tiles`` how many were done before the run was
        gone on with, if it was: all that tells of speed, tasks and workers is of the others.
        """
        earlier = {"earlier_tiles": self._earlier_tiles} if self.resumed else {}
        cropped = {} if self._arithmetic is None else {"multiply_adds": asdict(self._arithmetic)}
        return {
            "tiles": {"planned": self.planned, **self.tiles},
            **earlier,
            **cropped,
            "retryable": self.retryable,
            "undefined_pixels": self.undefined_pixels,
            "tiles_per_second": round(self.per_second, 2),
            "tasks": self._tasks,
            "model_loads": self._loads,
            "peak_memory": self.peak_memory,
            "devices": dict(sorted(self._devices.items())),
            "workers": dict(sorted(self._workers.items())),
            "installations": [
                {"has": [one.code, *one.libraries, *one.beside], "hosts": sorted(hosts)}
                for one, hosts in self._installations.items()
            ],
            "stages": {stage: round(seconds, 3) for stage, seconds in self._seconds.items()},
        }

    def _add_tiles(self, counts: Counts, sign: Literal[1, -1] = 1) -> None:
        for name in ("scored", "quarantined", "skipped"):
            self.tiles[name] += sign * getattr(counts, name)
        self.retryable += sign * counts.retryable
        self.undefined_pixels += sign * counts.undefined_pixels
