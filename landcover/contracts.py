"""The contracts between the parts of landcover, and their promises in words.

This module imports no implementation. A backend and a model meet only in ``landcover.scoring``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import xarray as xr

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Lost(Generic[T]):
    """What a backend yields for an item that none of its workers could do.

    Args:
        item: the item itself.
        reason: one sentence: how often it was tried, what became of the last worker, and which
            worker that was.
        died: the workers that had it ended under it, so that a part of it may be what ends them.
    """

    item: T
    reason: str
    died: bool = False


@runtime_checkable
class Backend(AbstractContextManager["Backend"], Protocol):
    """Applies one function to many items on a pool of workers.

    Every backend keeps these promises (``landcover.testing.BackendTests`` checks them):

    * ``map`` yields exactly one result per item, as items finish, in any order;
    * it pulls items lazily, a bounded number ahead of the results, and starts nothing before the
      first result is asked for;
    * an item whose worker dies is given to another one, a bounded number of times, and then
      yielded as :class:`Lost`;
    * an item for which ``function`` raises :class:`~landcover.errors.WorkerUnfit` is given to
      another worker, on another host where there is one, and yielded as :class:`Lost` when no
      other worker is left or a bounded number of them has refused it; a worker that fails what
      others then do gets no more items, and it is said in the log which one and why;
    * any other exception raised by ``function`` reaches the caller with its own type;
    * leaving the ``with`` block frees whatever the backend started, and nothing that was handed to
      it: a running cluster or an existing session goes on;
    * where items are worked on in the caller's own process and ``function`` has a method ``cancel``,
      that is called when no more results are wanted, so that what is under way ends soon;
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


class Tile(NamedTuple):
    """One tile of a plan, without its pixels.

    Args:
        tile: an id that is unique within the run and the same on every backend.
        source: the scene or image file it comes from, as the plan names it.
        row: row in the scene's grid; 0 for an image file.
        col: column in the scene's grid; 0 for an image file.
        bounds: (xmin, ymin, xmax, ymax) in the scene's CRS; None for an image file.
        true_label: what is held to be true of it, where that is known.
    """

    tile: str
    source: str
    row: int
    col: int
    bounds: tuple[float, float, float, float] | None = None
    true_label: str | None = None


class Failure(NamedTuple):
    """A tile that could not be scored.

    Args:
        tile: which.
        reason: why, in one sentence.
        retryable: trying again later may help.
        unreached: its file could not even be opened: a worker on another host may have the mount
            or the credentials that are missing on this one.
    """

    tile: Tile
    reason: str
    retryable: bool
    unreached: bool = False


@dataclass(frozen=True, eq=False)
class Strip:
    """What one read brings: neighbouring tiles of a scene, or a few image files.

    Args:
        tiles: the tiles that the network shall see, n of them.
        pixels: their pixels, dims (n, band, y, x), in the dtype of the imagery.
        valid: dims (n, y, x), bool: which pixels of each tile's written window (the tile less its
            halo) hold data inside the scene; None where all of them do.
        failures: tiles of this read that could not be read.
        skipped: how many tiles of this read hold nothing but nodata.
        seconds: time spent fetching and decoding, in seconds.
        decode: the part of ``seconds`` spent decoding, where it can be told apart; else 0.
    """

    tiles: Sequence[Tile]
    pixels: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_] | None = None
    failures: Sequence[Failure] = ()
    skipped: int = 0
    seconds: float = 0.0
    decode: float = 0.0


@dataclass(frozen=True)
class Read:
    """One read of a task; to be called, on any thread.

    Args:
        bring: reads; it never raises for a tile that cannot be read.
        tiles: which tiles it brings, without reading anything.
    """

    bring: Callable[[], Strip]
    tiles: Callable[[], Iterable[Tile]]

    def __call__(self) -> Strip:
        """What the read brings."""
        return self.bring()


class Task(Protocol):
    """Some tiles done by one worker in one go: a reference of a few hundred bytes that pickles."""

    @property
    def index(self) -> int:
        """The task's place in the plan, from 0: it names the part that the task writes."""
        ...

    @property
    def tiles(self) -> int:
        """How many tiles the task stands for, those that will be skipped included."""
        ...

    @property
    def digest(self) -> str:
        """A few characters that two tasks share only if they bring the same pixels of the same tiles.

        Files count by their size and time of modification (or ETag) when the plan was made: nothing
        is read for it.
        """
        ...

    @property
    def spared(self) -> tuple[int, ...]:
        """Places, among the tiles of :meth:`planned`, of those that the reads bring as failures."""
        ...

    def sparing(self, places: tuple[int, ...]) -> Task:
        """The same task, of which some tiles are not read: they come back as failures.

        Args:
            places: of these tiles, among those of :meth:`planned`.
        """
        ...

    def reads(self) -> Sequence[Read]:
        """The reads that bring the task's tiles, in order; each may run on a thread of its own.

        Calling one never raises for a tile that cannot be read: that tile is in ``failures``.
        """
        ...

    def planned(self) -> Iterator[Tile]:
        """All tiles of the task, in the order of the plan, without reading anything."""
        ...


class Source(Protocol):
    """Where tiles come from: scenes with a grid, or image files."""

    @property
    def task_tiles(self) -> int:
        """About how many tiles a task has."""
        ...

    def tasks(self) -> Iterator[Task]:
        """The plan, lazily: the same tasks in the same order as long as the inputs are the same."""
        ...

    def count(self) -> int:
        """How many tiles the plan has; may list inputs, holds no list of tiles."""
        ...

    def fingerprint(self) -> dict[str, object]:
        """What decides which tiles there are, as plain JSON values: inputs and grid."""
        ...
