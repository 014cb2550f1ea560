"""Patches of a map as polygons with holes, each written as soon as it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import shapely

from landcover.analysis.map_blocks import MapView, Progress, no_progress
from landcover.analysis.outlines import Rings, together
from landcover.analysis.patches import Numbers
from landcover.analysis.stitching import Floats, Joined, Outlines
from landcover.analysis.traced import traced
from landcover.contracts import Backend
from landcover.errors import OutputError
from landcover.runs.map_format.grid import MapGrid

MOST = 50_000_000
"""Corners of outlines that are kept at a time: a polygon of so many has 0.8 GB, and GeoPackage and
GeoParquet hold less than 1 and 2 GB."""


class Polygons(NamedTuple):
    """Patches of a map.

    Args:
        classes: dims (patch,): the index of the class of each.
        pixels: dims (patch,): how many it has.
        metres: dims (patch,): square metres on the ground.
        shapes: dims (patch,): polygons in the CRS of the map, valid as OGC's Simple Features are.
    """

    classes: Numbers
    pixels: Numbers
    metres: npt.NDArray[np.float64]
    shapes: npt.NDArray[Any]

    def where(self, chosen: npt.NDArray[np.bool_]) -> Polygons:
        """Some of them."""
        columns: list[Any] = [column[chosen] for column in self]
        return Polygons(*columns)


def polygons(
    view: MapView, progress: Progress = no_progress, pool: Backend | None = None
) -> Iterator[Polygons]:
    """The patches of a map, those that end first in the map first.

    Args:
        view: the map.
        progress: called with how many rows are done, and how many there are.
        pool: whose workers follow outlines; this process puts them together. None: it does it all.

    Raises:
        OutputError: if the map cannot be read, or outlines have more corners than :data:`MOST`.
    """
    outlines, kept, height = Outlines(), _Kept({}), view.grid.height
    numbers: Numbers = np.zeros(1, np.intp)
    pixels: Floats = np.zeros(1)
    metres: Floats = np.zeros(1)
    for strip in traced(view, pool):
        one = Joined.with_above(strip, numbers)
        pixels = one.added(strip.pixels, pixels)
        metres = one.added(strip.metres, metres)
        rings = kept.ended(one, outlines.closed(strip, one.of))
        if outlines.corners + kept.corners > MOST:
            where = view.run.storage.where(view.name)
            raise OutputError(where, f"has areas with more than {MOST:,} corners: {_ADVICE}")
        if len(rings.sizes):
            kinds = np.empty(one.patches, np.intp)
            kinds[one.of] = strip.kinds
            patch, shapes = _shapes(rings, view.grid)
            yield Polygons(kinds[patch], pixels[patch].astype(np.intp), metres[patch], shapes)
        numbers, pixels, metres = one.numbers, pixels[one.open], metres[one.open]
        progress(min(strip.rows[1], height), height)


_ADVICE = "make it simpler first, as with landcover smooth --rule area"


@dataclass
class _Kept:
    """The closed outlines of patches that go on, by patch of the last row: mostly holes."""

    of_patch: dict[int, list[Rings]]
    corners: int = 0

    def ended(self, strip: Joined, closed: Rings) -> Rings:
        """Add what a strip has closed; return all outlines of the patches that end in it."""
        moved: dict[int, list[Rings]] = {}
        for number, before in self.of_patch.items():
            known = moved.setdefault(int(strip.carried[number]), before)
            if known is not before:
                known.extend(before)
        is_open = np.zeros(strip.patches, np.bool_)
        is_open[strip.open] = True
        later = is_open[closed.patch]
        done = [closed.take(np.flatnonzero(~later))]
        for patch in [patch for patch in moved if not is_open[patch]]:
            parts = moved.pop(patch)
            done += [part._replace(patch=np.full(len(part.sizes), patch)) for part in parts]
        for part in _by_patch(closed.take(np.flatnonzero(later))):
            moved.setdefault(int(part.patch[0]), []).append(part)
        numbers = np.searchsorted(strip.open, list(moved)).tolist()
        self.of_patch = dict(zip(numbers, moved.values(), strict=True))
        found = together(done)
        self.corners += len(closed.corners) - len(found.corners)
        return found


def _by_patch(rings: Rings) -> Iterator[Rings]:
    order = np.argsort(rings.patch, kind="stable")
    cuts = np.flatnonzero(np.diff(rings.patch[order])) + 1
    for part in np.split(order, cuts) if len(order) else ():
        yield rings.take(part)


def _shapes(rings: Rings, grid: MapGrid) -> tuple[Numbers, npt.NDArray[Any]]:
    """Polygons of all outlines of some patches.

    Returns:
        the patches, and a polygon for each: dims (patch,), both.
    """
    rings = _simple(rings)
    rings = rings.take(np.lexsort((_areas(rings) < 0, rings.patch)))  # of a patch, its shell first
    patch, first = np.unique(rings.patch, return_index=True)
    # Shells go counterclockwise where north is up; the first corner is repeated at the end.
    a, _, _, _, e, _ = grid.transform
    turn = -1 if a * e < 0 else 1
    sizes = rings.sizes + 1
    ends = np.cumsum(sizes)
    step = turn * (np.arange(sizes.sum()) - np.repeat(ends - sizes, sizes))
    corner = np.repeat(rings.begins, sizes) + step % np.repeat(rings.sizes, sizes)
    col, row = rings.corners[corner].T.astype(np.float64)
    x, y = grid.position(col, row)
    offsets = np.append(0, ends), np.append(first, len(sizes))
    shapes = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, np.column_stack([x, y]), offsets
    )
    return patch, shapes


def _areas(rings: Rings) -> npt.NDArray[np.int64]:
    """Pixels within each ring, twice; negative for holes."""
    if not len(rings.sizes):
        return np.zeros(0, np.int64)
    col, row = rings.corners.T.astype(np.int64)
    following = np.arange(1, len(col) + 1)
    following[rings.begins + rings.sizes - 1] = rings.begins
    crossed = col * row[following] - col[following] * row
    found: npt.NDArray[np.int64] = np.add.reduceat(crossed, rings.begins)
    return found


def _simple(rings: Rings) -> Rings:
    """Rings that pass no place twice: what lies between two passes is a ring of its own."""
    of_ring = np.repeat(np.arange(len(rings.sizes)), rings.sizes)
    col, row = rings.corners.T
    order = np.lexsort((col, row, of_ring))
    same = (np.diff(of_ring[order]) == 0) & (np.diff(row[order]) == 0) & (np.diff(col[order]) == 0)
    touching = np.zeros(len(rings.sizes), np.bool_)
    touching[of_ring[order][1:][same]] = True
    if not touching.any():
        return rings
    cut = [_cut(rings.take(np.array([ring]))) for ring in np.flatnonzero(touching)]
    return together([rings.take(np.flatnonzero(~touching)), *cut])


def _cut(ring: Rings) -> Rings:
    """One ring, cut where it passes a place again."""
    corners = list(map(tuple, ring.corners.tolist()))
    found: list[list[int]] = []
    path: list[int] = []
    passed: dict[tuple[int, int], int] = {}
    for number, corner in enumerate(corners):
        if (at := passed.get(corner)) is not None:
            found.append(path[at:])
            for gone in path[at:]:
                del passed[corners[gone]]
            del path[at:]
        passed[corner] = len(path)
        path.append(number)
    found.append(path)
    sizes = np.array([len(one) for one in found])
    patch = np.full(len(found), ring.patch[0])
    return Rings(ring.corners[np.concatenate(found)], sizes, patch)
