"""Which tasks of a plan are still to be done, and whether all of them have come to their end."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from landcover.contracts import Source, Task
from landcover.errors import RunIncomplete
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import Counts, digest_of

_log = logging.getLogger(__name__)


class Tasks:
    """The tasks of a plan that are still to be done: to be iterated over once, as they are needed.

    Those under way are remembered until they come home, so that none goes missing unnoticed,
    whatever a backend makes of them.

    Args:
        source: of all tasks.
        done: the parts that are there, by index of their task.
    """

    def __init__(self, source: Source, done: dict[int, Counts]) -> None:
        self._done = done
        self._under_way = set[int]()
        self._count = self._tiles = 0
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
            if counts is None or counts.retryable or counts.digest != digest_of(task):
                self._under_way.add(task.index)
                yield task
