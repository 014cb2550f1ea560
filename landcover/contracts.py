"""The contracts between the parts of landcover, and their promises in words.

This module imports no implementation. A backend and a model meet only in ``landcover.scoring``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import xarray as xr

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Lost(Generic[T]):
    """What a backend yields for an item whose workers kept dying under it.

    Args:
        item: the item itself.
        reason: one sentence: how often it was tried and what became of the last worker.
    """

    item: T
    reason: str


@runtime_checkable
class Backend(AbstractContextManager["Backend"], Protocol):
    """Applies one function to many items on a pool of workers.

    Every backend keeps these promises (``landcover.testing.BackendTests`` checks them):

    * ``map`` yields exactly one result per item, as items finish, in any order;
    * it pulls items lazily, a bounded number ahead of the results, and starts nothing before the
      first result is asked for;
    * an item whose worker dies is given to another one, a bounded number of times, and then
      yielded as :class:`Lost`;
    * an exception raised by ``function`` reaches the caller with its own type;
    * leaving the ``with`` block frees whatever the backend started, and nothing that was handed to
      it: a running cluster or an existing session goes on;
    * options are named arguments of the constructor; it never falls back to another backend.

    ``function``, the items and the results must pickle.
    """

    @property
    def slots(self) -> int:
        """How many items are worked on at the same time."""
        ...

    @property
    def threads(self) -> int:
        """How many CPU threads one worker process may use for computing."""
        ...

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R | Lost[T]]:
        """Yield ``function(item)`` for every item, as items finish."""
        ...


class Model(Protocol):
    """A trained network together with everything between pixels and probabilities."""

    def score(self, tiles: xr.DataArray) -> xr.DataArray:
        """Return class probabilities in [0, 1].

        Args:
            tiles: pixels with dims ``(tile, band, y, x)`` in the dtype of the imagery, the bands in
                the order that the model's recipe names.

        Returns:
            float32 with dims ``(tile, class)``, or ``(tile, class, y, x)`` for a network that
            labels pixels, where ``y`` and ``x`` may be smaller than those of the tiles: the
            outermost pixels (the halo) were read for context only.
        """
        ...
