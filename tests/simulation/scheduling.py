"""Processes and time of a simulated world: one thread runs at a time, and a seed says which."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

# A world that takes more steps than this goes round in circles.
_MOST_STEPS = 20_000
# How likely whoever runs goes on running.
_GOES_ON = 0.6
_LATENCY = 0.02  # seconds that an operation takes at most


class Killed(BaseException):
    """The process is gone: what is raised in its threads, so that they end."""


@dataclass(eq=False)
class Process:
    """What dies as a whole.

    Args:
        name: for traces.
        dead: it was killed: nothing that its threads still do has any effect.
    """

    name: str
    dead: bool = False


@dataclass(eq=False)
class _Thread:
    name: str
    process: Process
    work: Callable[[], object]
    baton: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ready: Callable[[], bool] | None = None
    wakes: float = 0.0
    asleep: float = 0.0  # until when its host is suspended
    ended: bool = False

    def due(self) -> float:
        """When it can go on, as things are."""
        told = self.ready is not None and self.ready()
        return max(self.asleep, 0.0 if told else self.wakes)


class Scheduler:
    """Lets threads run one after the other.

    Args:
        random: decides who runs next, and how long things take.
    """

    def __init__(self, random: random.Random) -> None:
        self.random = random
        self.now = 0.0
        self.trace: list[str] = []
        self.stuck = False
        self._threads: list[_Thread] = []
        self._current: _Thread | None = None
        self._back = threading.Semaphore(0)
        self._until: Callable[[], bool] = lambda: False

    @property
    def process(self) -> Process:
        """Whose thread runs."""
        assert self._current is not None
        return self._current.process

    @property
    def processes(self) -> list[Process]:
        """Those that have a thread."""
        return list(dict.fromkeys(thread.process for thread in self._threads))

    @property
    def is_first_thread(self) -> bool:
        """Whether the running thread is the one that its process began with."""
        mine = self._current
        return mine is next(one for one in self._threads if one.process is self.process)

    def start(self, name: str, process: Process, work: Callable[[], object]) -> _Thread:
        """Begin a thread; it runs when its turn comes."""
        thread = _Thread(name, process, work)
        self._threads.append(thread)
        threading.Thread(target=self._run, args=(thread,), daemon=True).start()
        return thread

    def run(self, until: Callable[[], bool]) -> None:
        """Let threads run until something is so, or none is left."""
        self._until = until
        chosen = self._pick()
        if chosen is not None:
            self._give(chosen)
            self._back.acquire()

    def kill(self, *processes: Process) -> None:
        """Kill processes; where the running thread is of one, it ends here."""
        for process in processes:
            process.dead = True
        if self._current is not None and self._current.process.dead:
            raise Killed

    def step(self, what: str) -> None:
        """Say what the running thread is about to do; others may run before."""
        if self.process.dead:
            raise Killed
        assert self._current is not None
        self.now += self.random.random() * _LATENCY
        self.trace.append(f"{self.now:.3f} {self._current.name}: {what}")
        self._current.wakes, self._current.ready = self.now, None
        if self.random.random() > _GOES_ON:
            self._switch()

    def wait(self, ready: Callable[[], bool], seconds: float = math.inf) -> bool:
        """Wait until something is so, but not for longer than some seconds; whether it is."""
        if self.process.dead:
            raise Killed
        assert self._current is not None
        if ready():
            return True
        self._current.ready, self._current.wakes = ready, self.now + seconds
        self._switch()
        return ready()

    def stall(self, process: Process, seconds: float) -> None:
        """Let all threads of a process stand still: its host is suspended."""
        for thread in self._threads:
            if thread.process is process:
                thread.asleep = self.now + seconds
        self._switch()

    def _run(self, thread: _Thread) -> None:
        thread.baton.acquire()
        try:
            if not thread.process.dead:
                thread.work()
        except Killed:
            pass
        finally:
            thread.ended = True
            self._threads.remove(thread)
            chosen = self._pick()
            if chosen is None:
                self._current = None
                self._back.release()
            else:
                self._give(chosen)

    def _switch(self) -> None:
        mine = self._current
        assert mine is not None
        chosen = self._pick()
        if chosen is not mine:
            if chosen is None:
                self._current = None
                self._back.release()
            else:
                self._give(chosen)
            mine.baton.acquire()
            self._current = mine
        if mine.process.dead:
            raise Killed
        mine.ready = None

    def _give(self, thread: _Thread) -> None:
        self._current = thread
        thread.baton.release()

    def _pick(self) -> _Thread | None:
        """Who runs next; None: whoever called :meth:`run`."""
        if self._until() or not self._threads:
            return None
        if len(self.trace) > _MOST_STEPS:
            self._give_up()
        ready = self._ready()
        if not ready:
            soonest = min(thread.due() for thread in self._threads)
            if math.isinf(soonest):
                self._give_up()
            else:
                self.now = max(self.now, soonest)
            ready = self._ready()
        return self.random.choice(ready)

    def _ready(self) -> list[_Thread]:
        return [one for one in self._threads if one.process.dead or one.due() <= self.now]

    def _give_up(self) -> None:
        """Nobody can go on, or somebody goes on for ever."""
        self.stuck = True
        for thread in self._threads:
            thread.process.dead = True


class Time:
    """Stands in for the modules ``time`` and ``threading`` where the package waits.

    Args:
        scheduler: of the world that runs, asked for whenever it is needed.
        wall: seconds that the wall clock is wrong by, likewise.
    """

    def __init__(self, scheduler: Callable[[], Scheduler], wall: Callable[[], float]) -> None:
        self._scheduler, self._wall = scheduler, wall
        self.Lock = threading.Lock

    def sleep(self, seconds: float) -> None:
        self._scheduler().wait(lambda: False, seconds)

    def monotonic(self) -> float:
        return self._scheduler().now

    perf_counter = monotonic

    def time(self) -> float:
        return 1.8e9 + self._scheduler().now + self._wall()

    def Event(self) -> Any:
        return _Event(self._scheduler())

    def Thread(self, target: Callable[..., object], args: Any = (), **_: object) -> Any:
        return _Beside(self._scheduler(), lambda: target(*args))


class _Event:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._set = scheduler, False

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        seconds = math.inf if timeout is None else timeout
        return self._scheduler.wait(lambda: self._set, seconds)


class _Beside:
    def __init__(self, scheduler: Scheduler, work: Callable[[], object]) -> None:
        self._scheduler, self._work = scheduler, work
        self._thread: _Thread | None = None

    def start(self) -> None:
        process = self._scheduler.process
        self._thread = self._scheduler.start(f"{process.name} beside", process, self._work)

    def join(self, timeout: float | None = None) -> None:
        thread = self._thread
        if thread is not None:
            self._scheduler.wait(lambda: thread.ended, timeout or math.inf)


class AtOnce:
    """Stands in for a pool of threads: what is asked for is done at once."""

    def __init__(self, *_: object, **__: object) -> None:
        self.map = map

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
