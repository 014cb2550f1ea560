"""Rectangles of a map's pixels and blocks, and the sizes of its levels: itself and its overviews."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.unsignedinteger[Any]]
BLOCK = 512
"""Edge of a block of a map, in pixels."""


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

    def grown(self, margin: int) -> Area:
        """The same with so much more on each side."""
        return Area(
            *(self.row0 - margin, self.row1 + margin), *(self.col0 - margin, self.col1 + margin)
        )

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


def block_area(row: int, col: int) -> Area:
    """The pixels of a block, as if the map did not end within it."""
    return Area(row * BLOCK, (row + 1) * BLOCK, col * BLOCK, (col + 1) * BLOCK)


def level_sizes(height: int, width: int) -> list[Size]:
    """The sizes of a map and of its overviews, down to one that fits a block."""
    sizes = [Size(height, width)]
    while max(sizes[-1]) > BLOCK:
        height, width = sizes[-1]
        sizes.append(Size(max(1, height // 2), max(1, width // 2)))
    return sizes
