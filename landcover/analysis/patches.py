"""Patches: connected areas of one class, found in a map that is read from top to bottom, in strips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from landcover.analysis.ground import Ground
from landcover.analysis.map_blocks import EDGE, MapView, Progress, no_progress

Numbers = npt.NDArray[np.intp]
Classes = npt.NDArray[np.uint16]
PIXELS = 2**20
"""So many pixels has a strip, of whole rows: what one works on in memory at a time."""
ROWS = 512
"""So many rows are read at once: those of the blocks that maps are stored in."""


@dataclass(frozen=True, eq=False)
class Strip:
    """Rows of a map, and the patch of each pixel; patches are numbered anew in every strip.

    Two pixels of a class belong together where they share a side (4-connectedness). What has no class
    forms patches too.

    Args:
        row: of the map, the first one after ``above``.
        classes: dims (y, x): the last row of the strip before, then the rows. Which class each is,
            ``none`` where there is none.
        none: what stands for no class.
        run: dims (y, x): the run of pixels in its row, numbered from 0.
        patch_of_run: dims (run,).
        carried: dims (patch of the strip before that reached its last row,): which patch it is here.
        patches: how many there are.
    """

    row: int
    classes: Classes
    none: int
    run: npt.NDArray[np.int32]
    patch_of_run: Numbers
    carried: Numbers
    patches: int

    @property
    def rows(self) -> int:
        """How many rows it has, that of the strip before left out."""
        return len(self.classes) - 1

    @property
    def width(self) -> int:
        """Of the map, in pixels."""
        return int(self.classes.shape[1])

    @cached_property
    def first(self) -> Numbers:
        """The place of the first pixel of each run, in the order of rows: dims (run,)."""
        return np.flatnonzero(_begins(self.classes).ravel())

    @cached_property
    def kinds(self) -> Numbers:
        """The class of each patch: dims (patch,)."""
        kinds: Numbers = np.empty(self.patches, np.intp)
        kinds[self.patch_of_run] = self.classes.ravel()[self.first]
        return kinds

    @cached_property
    def first_of_patch(self) -> Numbers:
        """The place of the first pixel of each patch, row by row from the row before: dims (patch,)."""
        found = np.full(self.patches, self.classes.size, np.intp)
        np.minimum.at(found, self.patch_of_run, self.first)
        return found

    @cached_property
    def pixels(self) -> Numbers:
        """How many pixels of the strip itself each patch has: dims (patch,)."""
        ends = np.append(self.first[1:], self.classes.size)
        own = self.first >= self.width
        found = np.bincount(
            self.patch_of_run[own], (ends - self.first)[own], minlength=self.patches
        )
        return found.astype(np.intp)

    def ground(self, ground: Ground) -> npt.NDArray[np.float64]:
        """Square metres of the strip itself that each patch has: dims (patch,)."""
        if ground.planar is not None:
            return np.asarray(self.pixels * ground.planar, np.float64)
        if not self.rows:
            return np.zeros(self.patches)
        areas = ground.pixels(0, self.row, self.width, self.rows)
        areas = np.broadcast_to(areas, (self.rows, self.width)).ravel()
        own = self.first >= self.width
        sums = np.add.reduceat(areas, self.first[own] - self.width)
        found = np.bincount(self.patch_of_run[own], sums, minlength=self.patches)
        return found.astype(np.float64)

    @cached_property
    def last(self) -> Numbers:
        """The patches of the last row: dims (x,)."""
        found: Numbers = self.patch_of_run[self.run[-1]]
        return found

    @cached_property
    def open(self) -> Numbers:
        """The patches that may go on below, in ascending order."""
        return np.unique(self.last)


def strips(view: MapView, progress: Progress = no_progress) -> Iterator[Strip]:
    """A map in strips, closed by a row without any class: no patch is open at the end.

    Args:
        view: the map.
        progress: called with how many rows are done, and how many there are.
    """
    none, (height, width) = len(view.run.scheme), (view.grid.height, view.grid.width)
    above, numbers, row = _none(view), np.zeros(width, np.intp), 0
    for classes in _rows(view, 0, height):
        strip = _strip(row, np.concatenate([above, classes]), none, numbers)
        yield strip
        row += strip.rows
        above, numbers = classes[-1:], np.searchsorted(strip.open, strip.last)
        progress(min(row, height), height)


def loose_strips(view: MapView, first: int) -> Iterator[Strip]:
    """:data:`ROWS` rows of a map in strips of which each stands for itself, as if all that lies above it
    were unknown: every run of pixels of the row before is a patch of its own there.

    Args:
        view: the map.
        first: the first of the rows; with the last row of the map comes one without any class.
    """
    above = _none(view) if first == 0 else _read(view, first - 1, first)
    row = first
    for classes in _rows(view, first, first + ROWS):
        yield _strip(row, np.concatenate([above, classes]), len(view.run.scheme), runs_of(above[0]))
        row, above = row + len(classes), classes[-1:]


def runs_of(classes: Classes) -> Numbers:
    """The run of pixels of one class that each pixel of a row belongs to, numbered from 0: dims (x,)."""
    runs: Numbers = np.cumsum(_begins(classes[None])[0], dtype=np.intp) - 1
    return runs


def _rows(view: MapView, first: int, last: int) -> Iterator[Classes]:
    """Some rows of a map, and after its last one a row without any class."""
    height, width = view.grid.height, view.grid.width
    step = max(1, PIXELS // width)
    for top in range(first, min(last, height), ROWS):
        read = _read(view, top, min(top + ROWS, height))
        for row in range(0, len(read), step):
            yield read[row : row + step]
    if last >= height:
        yield _none(view)


def _read(view: MapView, first: int, last: int) -> Classes:
    """Classes of whole rows, which the map has in blocks: dims (y, x)."""
    width = view.grid.width
    found = np.empty((last - first, width), np.uint16)
    for col in range(0, width, EDGE):
        found[:, col : col + EDGE] = view.classes(
            Window(col, first, min(EDGE, width - col), last - first)
        )
    return found


def _none(view: MapView) -> Classes:
    return np.full((1, view.grid.width), len(view.run.scheme), np.uint16)


def _strip(row: int, classes: Classes, none: int, numbers: Numbers) -> Strip:
    """Find the patches of some rows.

    Args:
        row: of the map, the second one of ``classes``.
        classes: dims (y, x), the last row of the strip before first.
        none: what stands for no class.
        numbers: dims (x,): the patches of that row, numbered from 0.
    """
    begins = _begins(classes)
    run = (np.cumsum(begins.ravel(), dtype=np.int32) - 1).reshape(classes.shape)
    # Two runs that touch do so where one of them begins.
    touch = (classes[1:] == classes[:-1]) & (begins[1:] | begins[:-1])
    pairs = [(run[:-1][touch], run[1:][touch])]
    top = np.flatnonzero(begins[0])  # runs of one patch, which it has joined further up
    order = top[np.argsort(numbers[top], kind="stable")]
    known = numbers[order][1:] == numbers[order][:-1]
    pairs.append((run[0, order[:-1]][known], run[0, order[1:]][known]))
    one, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
    roots, patch_of_run = np.unique(joined(int(run[-1, -1]) + 1, one, other), return_inverse=True)
    carried = np.zeros(int(numbers.max()) + 1, np.intp)
    carried[numbers] = patch_of_run[run[0]]
    return Strip(row, classes, none, run, patch_of_run, carried, len(roots))


def _begins(classes: Classes) -> npt.NDArray[np.bool_]:
    """Where a run of pixels of one class begins: dims (y, x)."""
    begins = np.ones(classes.shape, np.bool_)
    np.not_equal(classes[:, 1:], classes[:, :-1], out=begins[:, 1:])
    return begins


def joined(count: int, one: npt.NDArray[Any], other: npt.NDArray[Any]) -> Numbers:
    """Put together what belongs together.

    Args:
        count: of things, numbered from 0.
        one: dims (pair,): things that belong together with the ``other`` of the pair.
        other: likewise.

    Returns:
        dims (thing,): the least of the things that each belongs together with, over any number of pairs.
    """
    root: Numbers = np.arange(count)
    while len(one):
        one, other = root[one], root[other]
        low, high = np.minimum(one, other), np.maximum(one, other)
        apart = low != high
        one, other = low[apart], high[apart]
        np.minimum.at(root, other, one)
        while not np.array_equal(further := root[root], root):
            root = further
    return root
