"""Small areas join their neighbours: a map without areas below a minimum mapping unit."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from landcover.analysis.ground import Ground
from landcover.analysis.map_blocks import MapView, Progress
from landcover.analysis.patches import Numbers, Strip, strips
from landcover.errors import ConfigError, OutputError
from landcover.runs.map_format.area import Codes

MOST = 2_000_000
"""Small areas that may wait for their neighbours at a time, about 1 kB each."""


@dataclass(frozen=True)
class MinimumArea:
    """No connected area is smaller than a minimum mapping unit.

    The smallest area of all (of several, the one that begins first, row by row) takes the class that
    it shares most of its border with, the first of the scheme where several have as much, and is one
    area then with all its neighbours of that class; so on with the smallest of what there is now,
    until none is too small. Pixels that share a side belong together. An area that only borders on
    what has no class stays as it is.

    Args:
        square_metres: on the ground; areas smaller than that join a neighbour.

    Raises:
        ConfigError: if it is not positive.
    """

    square_metres: float

    def __post_init__(self) -> None:
        if not (self.square_metres > 0 and math.isfinite(self.square_metres)):
            mistake = f"a minimum area is so many square metres, not {self.square_metres}"
            raise ConfigError([mistake], "smoothing")

    def rows(self, view: MapView, progress: Progress) -> Iterator[Codes]:
        """The map of codes, smoothed, from top to bottom: dims (y, x), some rows at a time.

        It is read twice: to find what becomes of each area, and to say so.

        Raises:
            OutputError: if the map cannot be read, or more than :data:`MOST` small areas hang together.
        """
        height = view.grid.height
        found = self._found(view, lambda done, _: progress(done, 2 * height))
        scheme = view.run.scheme
        codes = np.array([*scheme.codes, scheme.nodata], scheme.dtype)
        second = strips(view, lambda done, _: progress(height + done, 2 * height))
        for strip, kinds in zip(second, found, strict=True):
            rows = codes[kinds[strip.patch_of_run]][strip.run[1:]]
            yield rows[: max(0, height - strip.row)]

    def _found(self, view: MapView, progress: Progress) -> list[npt.NDArray[np.uint16]]:
        """Strip by strip the class that each of its patches gets."""
        ground, areas = Ground(view.grid), _Areas(self.square_metres)
        for strip in strips(view, progress):
            areas.add(strip, strip.ground(ground))
            if areas.waiting > MOST:
                where = view.run.storage.where(view.name)
                reason = (
                    f"has more than {MOST:,} areas side by side that are all smaller than "
                    f"{self.square_metres:g} square metres: smooth it with --rule plurality first"
                )
                raise OutputError(where, reason)
        return areas.found


@dataclass(eq=False)
class _Group:
    """Small areas that touch, directly or by way of others: they are decided together.

    Args:
        areas: all of them.
        open: how many go on below.
    """

    areas: list[_Area]
    open: int


@dataclass(eq=False)
class _Area:
    """An area that is smaller than the minimum, so far.

    Args:
        kind: its class.
        pixels: how many.
        metres: square metres on the ground.
        first: the place of its first pixel in the map, row by row.
        places: the patches that it is made of: strip and number in it.
        small: how much border it has with each other small area.
        large: how much border it has with areas that are large enough, by class.
        group: that it is of.
    """

    kind: int
    pixels: int
    metres: float
    first: int
    places: list[tuple[int, int]]
    group: _Group = field(init=False)
    small: Counter[_Area] = field(default_factory=Counter)
    large: Counter[int] = field(default_factory=Counter)
    gone: bool = False

    def __post_init__(self) -> None:
        self.group = _Group([self], 0)

    def meet(self, other: _Area, border: int) -> None:
        """Add some border with another small area."""
        self.small[other] += border
        other.small[self] += border
        self.share(other.group)

    def share(self, theirs: _Group) -> None:
        """Be of one group."""
        one, other = sorted((self.group, theirs), key=lambda group: len(group.areas))
        if one is not other:
            other.areas += one.areas
            other.open += one.open
            for area in one.areas:
                area.group = other

    def absorb(self, other: _Area) -> None:
        """Be one area with another one of the same class."""
        self.pixels += other.pixels
        self.metres += other.metres
        self.first = min(self.first, other.first)
        self.places += other.places
        self.large += other.large
        for beside, border in other.small.items():
            del beside.small[other]
            if beside is not self:
                beside.small[self] += border
                self.small[beside] += border
        other.gone = True

    def enough(self) -> None:
        """Be large enough: to its neighbours, an area like any other of its class."""
        for beside, border in self.small.items():
            del beside.small[self]
            beside.large[self.kind] += border
        self.gone = True


class _Areas:
    """What becomes of the patches of a map, strip after strip."""

    def __init__(self, minimum: float) -> None:
        self._minimum = minimum
        self._pixels, self._metres = np.zeros(1, np.intp), np.zeros(1)
        self._open: dict[
            int, _Area
        ] = {}  # small areas that reach the last row, by their number there
        self.waiting = 0
        """How many small areas are not decided yet."""
        self.found: list[npt.NDArray[np.uint16]] = []
        """Of each strip, the class that each patch gets: dims (patch,)."""

    def add(self, strip: Strip, metres: npt.NDArray[np.float64]) -> None:
        """Take the next strip.

        Args:
            strip: the strip.
            metres: square metres of it that each patch has: dims (patch,).
        """
        pixels = strip.pixels + np.bincount(strip.carried, self._pixels, strip.patches)
        metres = metres + np.bincount(strip.carried, self._metres, strip.patches)
        self.found.append(strip.kinds.astype(np.uint16))
        small = (metres < self._minimum) & (strip.kinds != strip.none)
        before = list(self._open.values())
        areas = self._known(strip, small)
        for patch in np.flatnonzero(small).tolist():
            area = areas.get(patch)
            if area is None:
                first = int(strip.first_of_patch[patch]) + (strip.row - 1) * strip.width
                area = areas[patch] = _Area(int(strip.kinds[patch]), 0, 0.0, first, [])
                self.waiting += 1
            area.pixels, area.metres = int(pixels[patch]), float(metres[patch])
            area.places.append((len(self.found) - 1, patch))
        self._border(strip, small, areas)
        self._pixels, self._metres = pixels[strip.open].astype(np.intp), metres[strip.open]
        self._close(strip, areas)
        for area in (*before, *areas.values()):
            if not area.group.open and area.group.areas:
                self._decide(area.group)

    def _known(self, strip: Strip, small: npt.NDArray[np.bool_]) -> dict[int, _Area]:
        """The areas that come down from the strip before, those that it joins as one."""
        areas: dict[int, _Area] = {}
        for number, area in self._open.items():
            area.group.open -= 1
            patch = int(strip.carried[number])
            if not small[patch]:
                area.enough()
            elif patch in areas:
                areas[patch].share(area.group)
                areas[patch].absorb(area)
            else:
                areas[patch] = area
        return areas

    def _border(self, strip: Strip, small: npt.NDArray[np.bool_], areas: dict[int, _Area]) -> None:
        """Add the borders of small areas in a strip."""
        for one, other, border in zip(*_borders(strip, small), strict=True):
            if one in areas and other in areas:
                areas[one].meet(areas[other], border)
            elif one in areas:
                areas[one].large[int(strip.kinds[other])] += border
            else:
                areas[other].large[int(strip.kinds[one])] += border

    def _close(self, strip: Strip, areas: dict[int, _Area]) -> None:
        """Keep those that may go on below."""
        self._open = {
            number: areas[patch]
            for number, patch in enumerate(strip.open.tolist())
            if patch in areas
        }
        for area in self._open.values():
            area.group.open += 1

    def _decide(self, group: _Group) -> None:
        """Let the small areas of a group, which nothing below can change, join others, the smallest
        first."""
        self.waiting -= len(group.areas)
        queue = [
            (area.pixels, area.first, number, area)
            for number, area in enumerate(group.areas)
            if not area.gone
        ]
        group.areas = []
        heapq.heapify(queue)
        while queue:
            pixels, _, number, area = heapq.heappop(queue)
            if area.gone or pixels != area.pixels:
                continue
            self._join(area)
            if not area.gone:
                heapq.heappush(queue, (area.pixels, area.first, number, area))

    def _join(self, area: _Area) -> None:
        """Give an area the class of most of its border, if it has any."""
        borders = area.large.copy()
        for beside, border in area.small.items():
            borders[beside.kind] += border
        if not borders:
            area.gone = True
            return
        area.kind = min(borders, key=lambda kind: (-borders[kind], kind))
        large = area.large.pop(area.kind, 0)
        for beside in [one for one in area.small if one.kind == area.kind]:
            area.absorb(beside)
        area.large.pop(area.kind, 0)
        if large or area.metres >= self._minimum:
            area.enough()
        for strip, patch in area.places:
            self.found[strip][patch] = area.kind


def _borders(strip: Strip, small: npt.NDArray[np.bool_]) -> tuple[list[int], list[int], list[int]]:
    """Which patches share a border within a strip, and how many sides of pixels; not that of two that
    are large."""
    patch = strip.patch_of_run[strip.run]
    sides = (patch[1:, :-1], patch[1:, 1:]), (patch[:-1], patch[1:])
    wanted, classed = small, strip.kinds != strip.none
    pairs: list[Numbers] = []
    for one, other in sides:
        differ = np.flatnonzero((one != other).ravel())
        one, other = one.ravel()[differ], other.ravel()[differ]
        chosen = (wanted[one] | wanted[other]) & classed[one] & classed[other]
        one, other = one[chosen], other[chosen]
        pairs.append(np.minimum(one, other) * strip.patches + np.maximum(one, other))
    keys, counts = np.unique(np.concatenate(pairs), return_counts=True)
    return (keys // strip.patches).tolist(), (keys % strip.patches).tolist(), counts.tolist()
