"""What all backends have in common: maps that end with the backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack
from threading import Lock
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from weakref import WeakSet

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
    """A backend whose maps share an engine, which is started or reached when it is first used."""

    def __init__(self) -> None:
        super().__init__()
        self._opened: E | None = None
        self._opening = Lock()  # runs in several threads share what the first of them opens

    def _engine(self) -> E:
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
                self._owned.callback(self._forget)
            return self._opened

    @abstractmethod
    def _open(self) -> E:
        """Start or reach the engine; what is to end with the backend goes into ``_owned``."""

    def _forget(self) -> None:
        self._opened = None
