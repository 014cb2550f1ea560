"""What all backends have in common: maps that end with the backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack
from threading import Lock
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from weakref import WeakSet

from landcover.backends.options import check_counts, check_seconds
from landcover.contracts import Lost

T = TypeVar("T")
R = TypeVar("R")
E = TypeVar("E")


class ClosingBackend(ABC):
    """A backend that, when it is left, first ends its maps and then what it has started."""

    def __init__(self) -> None:
        self._maps: WeakSet[Generator[Any, None, None]] = WeakSet()
        self._owned = ExitStack()

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R | Lost[T]]:
        """Yield ``function(item)`` for every item, as items finish."""
        results = self._results(function, items)
        self._maps.add(results)
        return results

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # What is owned ends also where closing a map is interrupted, and so do the other maps.
        with self._owned, ExitStack() as maps:
            for results in list(self._maps):
                maps.callback(results.close)

    @abstractmethod
    def _results(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Generator[R | Lost[T], None, None]:
        """Do the work of a map; closed when its results are no longer wanted."""


class EngineBackend(ClosingBackend, Generic[E]):
    """A backend whose maps share an engine: one of its own, or one that runs already.

    An engine is started or reached when it is first used.

    Args:
        name: what the backend is registered under.
        workers: that an own engine has, or the most to use of another; None for the default.
        threads: CPU threads that a worker may use for computing; None for the default.
        patience: seconds that an engine may be without workers; None for the default.
        own: whether the engine is started here, on this machine.

    Raises:
        ConfigError: a number makes no sense.
    """

    def __init__(
        self, name: str, workers: int | None, threads: int | None, patience: float | None, own: bool
    ) -> None:
        super().__init__()
        check_counts(name, workers=workers, threads=threads)
        check_seconds(name, patience=patience)
        self._workers, self._threads, self._patience, self._own = workers, threads, patience, own
        self._opened: E | None = None
        self._opening = Lock()  # runs in several threads share what the first of them opens

    @property
    def slots(self) -> int:
        """How many items are worked on at the same time: one a worker process."""
        if self._own:
            return self._shape()[0]
        there = max(1, self._workers_there())
        return min(there, self._workers or there)

    @property
    def threads(self) -> int:
        """How many CPU threads a worker process may use for computing."""
        return self._shape()[1] if self._own else self._threads or self._threads_there()

    def _engine(self) -> E:
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
                self._owned.callback(setattr, self, "_opened", None)
            return self._opened

    @abstractmethod
    def _open(self) -> E:
        """Start or reach the engine; what is to end with the backend goes into ``_owned``."""

    @abstractmethod
    def _shape(self) -> tuple[int, int]:
        """Workers of an engine of this machine's own, and CPU threads of each."""

    @abstractmethod
    def _workers_there(self) -> int:
        """How many workers a running engine has."""

    @abstractmethod
    def _threads_there(self) -> int:
        """How many CPU threads a worker of a running engine has."""
