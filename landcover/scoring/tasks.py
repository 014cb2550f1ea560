"""Which tasks of a plan are still to be done, and whether all of them have come to their end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from landcover.contracts import Source, Task
from landcover.errors import RunIncomplete
from landcover.runs.counts import Counts
from landcover.runs.directory import RunDirectory

_log = logging.getLogger(__name__)


def nothing_left(source: Source, done: dict[int, Counts]) -> bool:
    """Whether all tasks are done, and there are no parts of others.

    Args:
        source: of all tasks.
        done: the parts that are there, by index of their task.
    """
    count = 0
    for task in source.tasks():
        if not _is_done(task, done.get(task.index)):
            return False
        count += 1
    return count == len(done)


class Tasks:
    """The tasks of a plan that are still to be done: to be iterated over once, as they are needed.

    Those under way are remembered until they come home, so that none goes missing unnoticed,
    whatever a backend makes of them.

    Args:
        source: of all tasks.
        done: the parts that are there, by index of their task.
        withdraw: takes back the part of a task before it is done again; called with its index.

    Attributes:
        changed: how many ``tasks`` were done before, of other inputs, and the ``first`` of these;
            empty where none was.
    """

    def __init__(
        self, source: Source, done: dict[int, Counts], withdraw: Callable[[int], None]
    ) -> None:
        self._done, self._withdraw = done, withdraw
        self._under_way = set[int]()
        self._count = self._tiles = 0
        self.changed: dict[str, Any] = {}
        self._left = self._find(source)

    def __iter__(self) -> Iterator[Task]:
        return self._left

    def came_home(self, index: int) -> bool:
        """Note that a task has ended; False for one that has ended before, or was never given out.

        Args:
            index: its place in the plan.
        """
        if index in self._under_way:
            self._under_way.remove(index)
            return True
        _log.warning("the backend returned task %d, which nothing was waiting for", index)
        return False

    def no_more(self) -> list[int]:
        """The parts that stand for no task: a folder of images may have lost some since.

        To be asked for when the backend has come to its end.
        """
        for _ in self._left:
            pass  # a backend may have stopped before the end of the plan: these are missing
        return sorted(self._done)

    @property
    def tiles(self) -> int:
        """Tiles of all tasks, once the plan has been gone through to its end."""
        return self._tiles

    def check(self, run: RunDirectory, ended: int) -> None:
        """Make sure that every task has ended, with a part of its own, and every tile with it.

        Args:
            run: where the parts are.
            ended: tiles that were scored, quarantined or skipped.

        Raises:
            RunIncomplete: if something is missing.
        """
        missing = self._under_way | (set(range(self._count)) - set(run.parts("tiles")))
        if missing or ended != self._tiles:
            raise RunIncomplete(run.path, sorted(missing), self._count, ended, self._tiles)

    def _find(self, source: Source) -> Iterator[Task]:
        for task in source.tasks():
            self._count += 1
            self._tiles += task.tiles
            counts = self._done.pop(task.index, None)
            if not _is_done(task, counts):
                if counts is not None:
                    self._begin_anew(task, counts)
                self._under_way.add(task.index)
                yield task

    def _begin_anew(self, task: Task, counts: Counts) -> None:
        self._withdraw(task.index)
        if counts.digest == task.digest:
            return
        if not self.changed:
            first = next(task.planned()).source
            self.changed = {"tasks": 0, "first": first}
            _log.warning(
                "inputs have changed since they were scored, first in the task that begins with %s: "
                "what has changed is scored again",
                first,
            )
        self.changed["tasks"] += 1


def _is_done(task: Task, counts: Counts | None) -> bool:
    """Whether a task need not be done again, with what has become of it."""
    return counts is not None and not counts.retryable and counts.digest == task.digest
