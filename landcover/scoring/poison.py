"""Tasks whose workers die: which of their tiles it is, so that the others are scored.

A decoder or a runtime that crashes takes its process with it, and so does the system when memory is
short; nothing is left that could say where. So the task is tried again with little memory, then in halves,
and what dies again is halved until single tiles are left.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from landcover.contracts import Backend, Lost, Task
from landcover.errors import WorkerUnfit
from landcover.scoring.model import open_models
from landcover.scoring.thrift import within_memory
from landcover.scoring.worker import Job, Report, this_worker

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Trial:
    """Does all of a task but write what comes of it."""

    job: Job

    def __str__(self) -> str:
        return f"{self.job}, in search of what ends workers"

    def __call__(self, task: Task) -> None:
        try:
            within_memory(lambda _: self._scored(task))
        except MemoryError as error:
            raise WorkerUnfit(this_worker(), "memory does not suffice") from error

    def _scored(self, task: Task) -> None:
        with open_models().use(self.job.recipe, self.job.threads) as opened:
            self.job.scored(task, opened)


def done_apart(workers: Backend, job: Job, task: Task) -> Report | Lost[Task]:
    """Do a task under which workers died: first with little memory, then without what ends them.

    Tiles that do come back from it as failures.

    Args:
        workers: may die of it again.
        job: what is done with the task.
        task: which.

    Returns:
        what is lost is lost as a whole: no part of it can be done, or none of its parts ends a worker.
    """
    careful = replace(job, thrifty=True, under_way=None)
    whole = _only(workers.map(careful, [task]))
    if not (isinstance(whole, Lost) and whole.died) or task.tiles == 1:
        return whole
    spared = _without_poison(workers, careful, task)
    return whole if spared is None else _only(workers.map(careful, [spared]))


def _only(results: Iterator[Report | Lost[Task]]) -> Report | Lost[Task]:
    [result] = results
    return result


def _without_poison(workers: Backend, job: Job, task: Task) -> Task | None:
    """The task without the tiles that end workers; None where it is all of it, or no tile alone."""
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
        dead = [lost.item for lost in workers.map(_Trial(job), trials) if isinstance(lost, Lost)]
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
