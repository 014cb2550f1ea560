"""A process of its own for items under which processes die: one after another, and nothing beside them.

It is none of multiprocessing's: those import the caller's script, which need not be made for that.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Self, TypeVar, cast

from landcover.backends.closing import ClosingBackend
from landcover.backends.serialization import Serializer
from landcover.contracts import Lost
from landcover.errors import WorkerUnfit
from landcover.machine import end_with

T = TypeVar("T")
R = TypeVar("R")

_SERIALIZER = Serializer("pickle")
# Seconds in which a process that has nothing more to do ends by itself.
_FAREWELL = 2.0


class ProcessBackend(ClosingBackend):
    """Works on items in one child process; when it dies under one, the next item gets another.

    Args:
        threads: CPU threads that computing may use there.
    """

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._threads = threads
        self._child: _Child | None = None

    @property
    def slots(self) -> int:
        """How many items are worked on at the same time: one."""
        return 1

    @property
    def threads(self) -> int:
        """How many CPU threads the process may use for computing."""
        return self._threads

    def _results(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Generator[R | Lost[T], None, None]:
        packed = _SERIALIZER.pack(function)
        for item in items:
            if self._child is None:
                self._child = self._owned.enter_context(_Child())
            outcome = self._child.ask(packed, _SERIALIZER.pack(item))
            if outcome is None:
                ended, self._child = self._child.end(), None
                yield Lost(item, f"the process that had it {ended}", died=True)
                continue
            try:
                yield cast(R, _SERIALIZER.unpack(outcome))
            except WorkerUnfit as unfit:
                yield Lost(item, f"{unfit}; there is no other worker")


class _Child:
    """A process that applies functions to items."""

    def __init__(self) -> None:
        self._home, theirs = Pipe()
        with theirs:
            handle = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(handle), str(os.getpid())],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                pass_fds=[handle],
                start_new_session=True,  # Ctrl-C is for who started it
            )

    def ask(self, function: bytes, item: bytes) -> bytes | None:
        """What came of an item; None where the process has died under it."""
        try:
            self._home.send_bytes(function)
            self._home.send_bytes(item)
            return self._home.recv_bytes()
        except (EOFError, OSError):
            return None

    def end(self) -> str:
        """End the process, if it has not ended; say how it did."""
        self._home.close()
        try:
            code = self._process.wait(timeout=_FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code < 0:
            return f"was ended by signal {-code} ({signal.strsignal(-code)})"
        return f"ended with code {code}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def _serve(handle: int, parent: int) -> None:
    end_with(parent)
    with Connection(handle) as home:
        while True:
            try:
                function, item = home.recv_bytes(), home.recv_bytes()
            except EOFError:
                return
            home.send_bytes(_SERIALIZER.run(function, item))


if __name__ == "__main__":
    _serve(*map(int, sys.argv[1:]))
