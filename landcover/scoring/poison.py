"""Tasks whose workers die: which of their tiles it is, so that the others are scored.

A decoder or a runtime that crashes takes its process with it, and nothing is left that could say where.
So the task is tried in halves, on workers, and what dies again is halved until single tiles are left.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from landcover.contracts import Backend, Lost, Task
from landcover.scoring.model import open_models
from landcover.scoring.worker import Job

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Trial:
    """Does all of a task but write what comes of it."""

    job: Job

    def __str__(self) -> str:
        return f"{self.job}, in search of what ends workers"

    def __call__(self, task: Task) -> None:
        with open_models().use(self.job.recipe, self.job.threads) as opened:
            self.job.scored(task, opened)


def spare_poison(pool: Backend, job: Job, task: Task) -> Task | None:
    """The task without the tiles that end workers; these come back from it as failures.

    Args:
        pool: whose workers die.
        job: what is done with the task.
        task: under which they died.

    Returns:
        None where no part of it can be done, or the whole kills and none of its parts does.
    """
    _log.warning(
        "workers died under task %d: it is halved until the tile is found that ends them",
        task.index,
    )
    everything = range(task.tiles)
    suspects: list[Sequence[int]] = [everything]
    poison: list[int] = []
    while suspects:
        halves = [half for one in suspects for half in _halved(one)]
        trials = [task.sparing(_others(everything, half)) for half in halves]
        dead = [lost.item for lost in pool.map(_Trial(job), trials) if isinstance(lost, Lost)]
        left = [_others(everything, one.spared) for one in dead]
        poison += [one[0] for one in left if len(one) == 1]
        suspects = [one for one in left if len(one) > 1]
    return task.sparing(tuple(sorted(poison))) if 0 < len(poison) < task.tiles else None


def _halved(places: Sequence[int]) -> list[Sequence[int]]:
    middle = len(places) // 2
    return [half for half in (places[:middle], places[middle:]) if len(half)]


def _others(everything: Sequence[int], places: Sequence[int]) -> tuple[int, ...]:
    left_out = set(places)
    return tuple(place for place in everything if place not in left_out)
