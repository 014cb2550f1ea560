"""Overviews of a map of class codes: their sizes, which pixels each of theirs stands for, and the
most frequent class of those.

The rules are those of GDAL's driver for cloud-optimized GeoTIFFs (3.10), so that a map made in
pieces has the bytes of one that GDAL makes as a whole: each level has half the rows and columns of
the one before, rounded down, and each of its pixels stands for all pixels of the level before that
it touches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.unsignedinteger[Any]]
BLOCK = 512
"""Edge of a block of a map, in pixels."""
STEP = 4
"""How many levels are made from one: 16 x 16 blocks become one block of the fourth level after."""
PIECE = BLOCK << STEP
"""Edge of a piece of a level, in pixels: what one worker reads at a time, to make the next levels."""
# Rows of the next level that are made at a time.
_ROWS = 256
# GDAL takes so many bytes of a level at a time, in rows of blocks that it doubles as long as they
# are fewer: overview.cpp, GDALRegenerateOverviewsEx.
_CHUNK_BYTES = 10 * 2**20


class Area(NamedTuple):
    """Pixels (or blocks) with ``row0 <= row < row1`` and ``col0 <= col < col1``."""

    row0: int
    row1: int
    col0: int
    col1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns; zero where there are none."""
        return max(0, self.row1 - self.row0), max(0, self.col1 - self.col0)

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not all(self.shape)

    def hull(self, other: Area) -> Area:
        """The smallest area that holds both."""
        if self.empty or other.empty:
            return other if self.empty else self
        row0, col0 = min(self.row0, other.row0), min(self.col0, other.col0)
        row1, col1 = max(self.row1, other.row1), max(self.col1, other.col1)
        return Area(row0, row1, col0, col1)

    def overlap(self, other: Area) -> Area:
        """What both hold; empty where they do not meet."""
        row0, col0 = max(self.row0, other.row0), max(self.col0, other.col0)
        row1, col1 = min(self.row1, other.row1), min(self.col1, other.col1)
        return Area(row0, max(row0, row1), col0, max(col0, col1))

    def moved(self, rows: int, cols: int) -> Area:
        """The same further down and to the right."""
        return Area(self.row0 + rows, self.row1 + rows, self.col0 + cols, self.col1 + cols)

    def within(self, whole: Area) -> tuple[slice, slice]:
        """Its place in an array that holds ``whole``."""
        rows = slice(self.row0 - whole.row0, self.row1 - whole.row0)
        return rows, slice(self.col0 - whole.col0, self.col1 - whole.col0)

    def blocks(self) -> Area:
        """The blocks that its pixels lie in."""
        if self.empty:
            return Area(0, 0, 0, 0)
        row1, col1 = -(-self.row1 // BLOCK), -(-self.col1 // BLOCK)
        return Area(self.row0 // BLOCK, row1, self.col0 // BLOCK, col1)

    def cells(self) -> Iterator[tuple[int, int]]:
        """Each row and column, row after row."""
        for row in range(self.row0, self.row1):
            for col in range(self.col0, self.col1):
                yield row, col


class Size(NamedTuple):
    """Rows and columns of a level of a map, in pixels."""

    height: int
    width: int

    @property
    def area(self) -> Area:
        """All its pixels."""
        return Area(0, self.height, 0, self.width)

    def of_blocks(self, blocks: Area) -> Area:
        """The pixels of some blocks."""
        whole = Area(*(BLOCK * edge for edge in blocks))
        return whole.overlap(self.area)


def level_sizes(height: int, width: int) -> list[Size]:
    """The sizes of a map and of its overviews, down to one that fits a block."""
    sizes = [Size(height, width)]
    while max(sizes[-1]) > BLOCK:
        height, width = sizes[-1]
        sizes.append(Size(max(1, height // 2), max(1, width // 2)))
    return sizes


def owned(sizes: list[Size], base: int, row: int, col: int) -> dict[int, Area]:
    """The blocks that a piece has to make, by level: of its own level, where that is the map
    itself, and of the next ones.

    Every block of a level belongs to exactly one piece.

    Args:
        sizes: of all levels.
        base: the level that the piece is part of, a multiple of ``STEP``.
        row: which piece of that level it is, from 0.
        col: likewise.
    """
    found = {}
    for level in range(base if base == 0 else base + 1, min(base + STEP, len(sizes) - 1) + 1):
        edge = 1 << (STEP - (level - base))
        blocks = Area(row * edge, (row + 1) * edge, col * edge, (col + 1) * edge)
        found[level] = blocks.overlap(sizes[level].area.blocks())
    return {level: blocks for level, blocks in found.items() if not blocks.empty}


def needed(sizes: list[Size], base: int, blocks: dict[int, Area]) -> dict[int, Area]:
    """The pixels of each level that a piece must know to make its blocks, by level from ``base``.

    Args:
        sizes: of all levels.
        base: the level that the others are made from.
        blocks: what the piece has to make, by level.
    """
    areas: dict[int, Area] = {}
    below = Area(0, 0, 0, 0)
    for level in range(max([*blocks, base]), base - 1, -1):
        own = sizes[level].of_blocks(blocks[level]) if level in blocks else Area(0, 0, 0, 0)
        if not below.empty:
            own = own.hull(sources(below, sizes[level], sizes[level + 1]))
        areas[level] = below = own
    return areas


def reduced(
    codes: Codes, have: Area, want: Area, size: Size, following: Size, nodata: int
) -> Codes:
    """Pixels of a level from those of the level before: of each, the most frequent class.

    Of classes that are equally frequent the one counts that comes to its number first, row after
    row. Nodata counts only where there is nothing else.

    Args:
        codes: of the level before, dims (y, x).
        have: the pixels that ``codes`` holds; all that ``want`` stands for.
        want: the pixels asked for, of the next level.
        size: of the level before.
        following: of the next level.
        nodata: the code of pixels without a class.
    """
    result = np.empty(want.shape, codes.dtype)
    cols = _windows(want.col0, want.col1, size.width, following.width)
    for row0 in range(want.row0, want.row1, _ROWS):
        row1 = min(row0 + _ROWS, want.row1)
        rows = _windows(row0, row1, size.height, following.height)
        rows = _in_chunks(rows, row0, size, following, codes.itemsize)
        planes = _planes(codes, rows - have.row0, cols - have.col0, nodata)
        result[row0 - want.row0 : row1 - want.row0] = _mode(planes, nodata)
    return result


def sources(area: Area, size: Size, following: Size) -> Area:
    """The pixels of a level that pixels of the next one stand for.

    Args:
        area: pixels of the next level, not none.
        size: of the level.
        following: of the next one.
    """
    rows = _windows(area.row0, area.row1, size.height, following.height)
    cols = _windows(area.col0, area.col1, size.width, following.width)
    return Area(int(rows[0, 0]), int(rows[1, -1]), int(cols[0, 0]), int(cols[1, -1]))


def _windows(first: int, stop: int, size: int, following: int) -> npt.NDArray[np.intp]:
    """Where the pixels that each of the next level touches begin and stop: dims (2, pixel)."""
    # GDAL forgives rounding by as much: overview.cpp, GDALResampleChunk_Mode.
    slack, ratio = 1e-8, size / following
    index = np.arange(first, stop)
    starts = np.floor(index * ratio + slack).astype(np.intp)
    stops = np.ceil((index + 1) * ratio - slack).astype(np.intp)
    return np.stack([starts, np.minimum(stops, size)])


def _in_chunks(
    rows: npt.NDArray[np.intp], first: int, size: Size, following: Size, itemsize: int
) -> npt.NDArray[np.intp]:
    """Windows of rows cut off where GDAL does: it takes a level in chunks of whole rows.

    Only levels with an odd number of rows have windows that reach into the next chunk.
    """
    chunk = BLOCK
    while 2 * chunk * size.width * itemsize <= _CHUNK_BYTES:
        chunk *= 2
    # The last row of a chunk is rounded as in overview.cpp, GDALRegenerateOverviewsEx.
    ends = 0.5 + np.arange(1, size.height // chunk + 1) * chunk * (following.height / size.height)
    number = np.searchsorted(ends.astype(np.intp), first + np.arange(rows.shape[1]), "right")
    return np.stack(
        [np.maximum(rows[0], number * chunk), np.minimum(rows[1], (number + 1) * chunk)]
    )


def _planes(
    codes: Codes, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp], nodata: int
) -> list[Codes]:
    """The first pixel of each window, then the second ...; nodata where a window has no more."""
    planes = []
    for y in range(int((rows[1] - rows[0]).max())):
        line = codes[_picked(rows, y)]
        for x in range(int((cols[1] - cols[0]).max())):
            plane = line[:, _picked(cols, x)]
            outside = (rows[0] + y >= rows[1])[:, None] | (cols[0] + x >= cols[1])
            planes.append(
                np.where(outside, nodata, plane).astype(codes.dtype) if outside.any() else plane
            )
    return planes


def _picked(windows: npt.NDArray[np.intp], offset: int) -> slice | npt.NDArray[np.intp]:
    """The pixels at an offset of all windows: a slice where these are two pixels wide throughout."""
    first, count = int(windows[0, 0]), windows.shape[1]
    if windows[1, -1] - first == 2 * count and (windows[1] - windows[0] == 2).all():
        return slice(first + offset, first + 2 * count, 2)
    picked: npt.NDArray[np.intp] = np.minimum(windows[0] + offset, windows[1] - 1)
    return picked


def _mode(planes: list[Codes], nodata: int) -> Codes:
    """The most frequent code at each place of arrays of one shape."""
    result = planes[0].copy()
    mixed = np.zeros(result.shape, bool)
    for plane in planes[1:]:
        mixed |= plane != result
    if not mixed.any():
        return result
    some = [plane[mixed] for plane in planes]
    best, most = np.full_like(some[0], nodata), np.zeros(some[0].shape, np.uint8)
    for place, codes in enumerate(some):
        count = np.ones(codes.shape, np.uint8)
        for earlier in some[:place]:
            count += earlier == codes
        count[codes == nodata] = 0
        better = count > most
        best[better], most[better] = codes[better], count[better]
    result[mixed] = best
    return result
