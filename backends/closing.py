"""What all backends have in common: maps that end with the backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar
from weakref import WeakSet

from landcover.contracts import Lost

T = TypeVar("T")
R = TypeVar("R")


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
