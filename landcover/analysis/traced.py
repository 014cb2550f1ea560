"""What workers find out of some rows of a map, so that one process can put polygons together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from landcover.analysis.ground import Ground
from landcover.analysis.map_blocks import MapView, map_view
from landcover.analysis.outlines import Paths, Rings, outlines
from landcover.analysis.patches import ROWS, Numbers, loose_strips, runs_of
from landcover.contracts import Backend, Lost
from landcover.errors import OutputError
from landcover.runs.directory import RunDirectory

_AHEAD = 4  # items for each that is worked on at the same time, before the first has to be there


class Traced(NamedTuple):
    """The patches and outlines of a strip, of which nothing is known beyond it.

    Args:
        rows: of the map, the first and the one after the last.
        kinds: dims (patch,): the class of each patch, ``none`` where it has none.
        pixels: dims (patch,): how many of the strip.
        metres: dims (patch,): square metres of the strip.
        above: dims (run,): the patch of each run of pixels of the row above the strip.
        below: dims (run,): likewise of its last row.
        sides: dims (side,): the patch of each side that outlines cross between that row and the strip.
        rings: the outlines that lie in it as a whole.
        paths: parts of those that do not.
    """

    rows: tuple[int, int]
    kinds: Numbers
    pixels: Numbers
    metres: npt.NDArray[np.float64]
    above: Numbers
    below: Numbers
    sides: Numbers
    rings: Rings
    paths: Paths


def traced(view: MapView, pool: Backend | None = None) -> Iterator[Traced]:
    """A map in strips, from top to bottom, as workers see them.

    Args:
        view: the map.
        pool: whose workers do it; None: this process.

    Raises:
        OutputError: if the map cannot be read.
    """
    firsts = range(0, view.grid.height, ROWS)
    if pool is None:
        for first in firsts:
            yield from _traced_rows(view, first)
        return
    work, many = TraceRows(view.run, view.names), _AHEAD * pool.slots
    for begin in range(0, len(firsts), many):  # so many are kept at most, until they are in order
        some = firsts[begin : begin + many]
        waiting: dict[int, list[Traced]] = {}
        results = iter(pool.map(work, some))
        for first in some:
            while first not in waiting:
                found = next(results)
                if isinstance(found, Lost):
                    raise OutputError(view.run.path, f"cannot be outlined: {found.reason}")
                waiting[found[0].rows[0]] = found
            yield from waiting.pop(first)


@dataclass(frozen=True)
class TraceRows:
    """Traces some rows of a map.

    Args:
        run: whose map it is.
        names: of the maps before it, and of itself.
    """

    run: RunDirectory
    names: tuple[str, ...]

    def __call__(self, first: int) -> list[Traced]:
        """Trace :data:`ROWS` rows from the first one given.

        Raises:
            OutputError: if the map cannot be read.
        """
        with map_view(self.run, self.names) as view:
            return list(_traced_rows(view, first))


def _traced_rows(view: MapView, first: int) -> Iterator[Traced]:
    ground = _ground(view.grid)
    for strip in loose_strips(view, first):
        rings, paths = outlines(strip)
        above, below = strip.carried, strip.patch_of_run[strip.run[-1]]
        first_of_runs = np.flatnonzero(np.diff(runs_of(strip.classes[-1]), prepend=-1))
        yield Traced(
            (strip.row, strip.row + strip.rows),
            strip.kinds,
            strip.pixels,
            strip.ground(ground),
            above,
            below[first_of_runs],
            above[strip.kinds[above] != strip.none],
            rings,
            paths,
        )


_ground = lru_cache(64)(Ground)
