"""Threads that read ahead, of which one that never comes back is left behind and replaced."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Generic, TypeVar

from landcover.errors import LandcoverError

R = TypeVar("R")

# Seconds until it is seen that a run is to stop, or that a read takes too long.
_LOOK = 0.2
# Seconds that reads under way may take when no more are wanted.
_FAREWELL = 5.0


class Stopped(LandcoverError):
    """What was under way is not wanted any more."""

    def __str__(self) -> str:
        return "the run was stopped"


class Stop:
    """Says to whoever works on something that it is not wanted any more; in this process only."""

    def __init__(self) -> None:
        self._set = threading.Event()

    def __reduce__(self) -> tuple[type[Stop], tuple[()]]:
        return Stop, ()

    def ask(self) -> None:
        """Ask all that work to stop."""
        self._set.set()

    def check(self) -> None:
        """Raise :class:`Stopped` where that has been asked."""
        if self._set.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Wait, and raise :class:`Stopped` as soon as that is asked."""
        self._set.wait(seconds)
        self.check()


@dataclass(frozen=True)
class Limits:
    """What bounds a task.

    Args:
        timeout: seconds that one read may take.
        stop: says when the task is not wanted any more.
        ahead: the most reads under way at once; None: as many as there are threads, and one more.
    """

    timeout: float = math.inf
    stop: Stop = field(default_factory=Stop)
    ahead: int | None = None


class TooSlow(Exception):
    """A read took longer than it may."""


@dataclass(eq=False)
class Under(Generic[R]):
    """Something that a thread does, or will do.

    Args:
        future: of what comes of it.
        begun: in seconds; None before.
        given_up: nobody waits for it any more, and another thread has taken the place of its own.
    """

    future: Future[R] = field(default_factory=Future)
    begun: float | None = None
    given_up: bool = False

    def result(self, limits: Limits) -> R:
        """What came of it.

        Raises:
            TooSlow: it has been under way for longer than it may.
            Stopped: it is not wanted any more.
            Exception: what it raised.
        """
        while True:
            try:
                return self.future.result(_LOOK)
            except TimeoutError:
                if self.future.done():  # it is the read that ran out of time, of its own accord
                    return self.future.result()
            limits.stop.check()
            begun = self.begun
            if begun is not None and time.monotonic() - begun > limits.timeout:
                self.given_up = True
                raise TooSlow


class Readers:
    """Some threads that read.

    Unlike those of an executor they do not keep the process from ending: what hangs in a mount that
    is gone would keep it for ever.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._left: SimpleQueue[tuple[Under[object], Callable[[], object]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        for _ in range(count):
            self._start()

    def submit(self, read: Callable[[], R]) -> Under[R]:
        """Have something done by one of the threads."""
        under = Under[R]()
        self._left.put((under, read))  # type: ignore[arg-type]
        return under

    def replace_one(self) -> None:
        """Start another thread in place of one that does not come back."""
        self._start()

    def close(self) -> None:
        """End the threads; reads under way are waited for, but not for long."""
        for _ in self._threads:
            self._left.put(None)
        until = time.monotonic() + _FAREWELL
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name="landcover-read", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (given := self._left.get()) is not None:
            under, read = given
            if not under.future.set_running_or_notify_cancel():
                continue
            under.begun = time.monotonic()
            try:
                under.future.set_result(read())
            except BaseException as error:  # noqa: BLE001  (raised where the result is asked for)
                under.future.set_exception(error)
            if under.given_up:
                return
            del given, under, read
