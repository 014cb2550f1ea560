"""The backend of a single process: threads, and nothing to start or to install."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import TypeVar

from landcover.backends.closing import ClosingBackend
from landcover.backends.options import check_counts
from landcover.backends.threads import in_threads
from landcover.contracts import Lost
from landcover.errors import WorkerDied, WorkerUnfit
from landcover.machine import usable_cpus

T = TypeVar("T")
R = TypeVar("R")

# Two items at once: one is read while the network works on the other.
_WORKERS = 2


class LocalBackend(ClosingBackend):
    """Works on items in threads of this process, which share its memory and its models.

    Args:
        workers: items worked on at the same time; default 2.
        threads: CPU threads that computing may use; default: the CPUs this process may use.

    Raises:
        ConfigError: an option is not a whole number from 1.
    """

    def __init__(self, workers: int | None = None, threads: int | None = None) -> None:
        super().__init__()
        check_counts("local", workers=workers, threads=threads)
        self._workers = workers or _WORKERS
        self._threads = threads or usable_cpus()

    @property
    def slots(self) -> int:
        """How many items are worked on at the same time."""
        return self._workers

    @property
    def threads(self) -> int:
        """How many CPU threads this process may use for computing."""
        return self._threads

    def _results(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Generator[R | Lost[T], None, None]:
        # As many again wait their turn, so that no thread idles while the caller is busy.
        work = partial(_done_or_lost, function)
        cancel: Callable[[], None] = getattr(function, "cancel", lambda: None)
        return in_threads(work, items, self._workers, lambda: 2 * self._workers, cancel)


def _done_or_lost(function: Callable[[T], R], item: T) -> R | Lost[T]:
    try:
        return function(item)
    except WorkerDied as before:
        return Lost(item, before.reason, died=True)
    except WorkerUnfit as unfit:
        return Lost(item, f"{unfit}; there is no other worker")
