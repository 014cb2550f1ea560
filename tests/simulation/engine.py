"""A backend of a simulated world: workers that die, tasks that are done twice, results in any order."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from landcover.contracts import Lost
from landcover.errors import WorkerUnfit
from simulation.faults import Faults
from simulation.scheduling import Process, Scheduler

_TRIES = 3
_LONGEST = 12.0  # seconds of a task: some last longer than a beat of the lock


@dataclass(eq=False)
class _Item:
    """What is to be done: how often it was tried, and how many are at it."""

    item: Any
    tries: int = 0
    under_way: int = 0
    unfit: str = ""
    ended: bool = False


@dataclass(eq=False)
class Engine:
    """Implements :class:`landcover.contracts.Backend`.

    Args:
        scheduler: of the world.
        faults: what may go wrong.
        apart: workers are processes of their own, which the driver's end does not end at once;
            otherwise they are threads of the driver.
        slots: items worked on at the same time.
        threads: what a model may use.
    """

    scheduler: Scheduler
    faults: Faults
    apart: bool
    slots: int = 2
    threads: int = 1
    _busy: list[Any] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        coming, waiting = iter(items), list[_Item]()
        home: list[tuple[_Item, Any]] = []
        open_items = 0
        try:
            while True:
                while open_items < 2 * self.slots and (more := list(_taken(coming))):
                    waiting += [_Item(one) for one in more]
                    open_items += 1
                while waiting:
                    self._give(waiting.pop(0), function, home)
                if not open_items:
                    return
                self.scheduler.wait(lambda: bool(home))
                item, found = home.pop(self.scheduler.random.randrange(len(home)))
                item.under_way -= 1
                if item.ended:
                    continue
                if isinstance(found, _Died | WorkerUnfit) and item.tries < _TRIES:
                    waiting.append(item)
                    continue
                if isinstance(found, _Died | WorkerUnfit) and item.under_way:
                    continue  # a copy may still bring it
                item.ended = True
                open_items -= 1
                if isinstance(found, _Died):
                    yield Lost(item.item, "the workers that had it have died", died=True)
                elif isinstance(found, WorkerUnfit):
                    yield Lost(item.item, str(found))
                elif isinstance(found, Exception):
                    raise found
                else:
                    yield found
        finally:
            if open_items:  # no more results are wanted
                self._end(function)

    def _give(self, item: _Item, function: Callable[[Any], Any], home: list[Any]) -> None:
        copies = 2 if self.apart and self.faults.happens("copy") else 1
        random = self.scheduler.random
        seconds = random.uniform(0, _LONGEST)
        for _ in range(copies):
            item.tries += 1
            item.under_way += 1
            self._start(item, function, home, seconds)
            if random.random() < 0.5:  # else both come to write within the same moment
                seconds = random.uniform(0, _LONGEST)

    def _start(
        self, item: _Item, function: Callable[[Any], Any], home: list[Any], seconds: float
    ) -> None:
        process = Process("worker") if self.apart else self.scheduler.process
        given = pickle.dumps(item.item)

        def work() -> None:
            found: Any = _Died()
            try:
                self.scheduler.step("takes a task")
                self.faults.strike(self.scheduler)
                self.scheduler.wait(lambda: False, seconds)
                found = function(pickle.loads(given))
            except Exception as error:  # noqa: BLE001  (the caller gets it)
                found = error
            finally:
                home.append((item, found))

        name = f"{process.name} at work"
        self._busy.append(self.scheduler.start(name, process, work))

    def _end(self, function: Callable[[Any], Any]) -> None:
        """Threads of the driver are told to stop, and waited for; processes go on until they end."""
        if not self.apart:
            getattr(function, "cancel", lambda: None)()
            self.scheduler.wait(lambda: all(one.ended for one in self._busy))


class _Died:
    """What comes of a task under which a worker died."""


def _taken(items: Iterator[Any]) -> Iterator[Any]:
    """The next of some items, if there is one."""
    for item in items:
        yield item
        return
