"""How a map is cut into pieces, each the work of one worker."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from landcover.local_files import TEMPORARY
from landcover.runs.map_format.area import BLOCK, Area, Size, level_sizes
from landcover.runs.map_format.overviews import sources

FOLDER = f"{TEMPORARY}maps"
"""Where pieces lie until the maps are made of them."""
STEP = 4
"""How many levels are made from one: 16 x 16 blocks become one block of the fourth level after."""
PIECE = BLOCK << STEP
"""Edge of a piece of a level, in pixels: what one worker reads at a time, to make the next levels."""


@dataclass(frozen=True)
class Layout:
    """How a map is cut into pieces.

    Args:
        key: tells the map from the others of its run.
        size: of the map, in pixels.
    """

    key: str
    size: Size

    @cached_property
    def sizes(self) -> list[Size]:
        """Of the map and its overviews."""
        return level_sizes(*self.size)

    @property
    def bases(self) -> range:
        """The levels that are cut into pieces: each is made from the pieces of the one before."""
        return range(0, max(1, len(self.sizes) - 1), STEP)

    def base_of(self, level: int) -> int:
        """The level whose pieces hold the blocks of a level."""
        return max(0, level - 1) // STEP * STEP

    def pieces(self, base: int) -> Area:
        """The rows and columns of pieces of a level that have any block to make."""
        first = base if base == 0 else base + 1
        blocks, edge = self.sizes[first].area.blocks(), PIECE // BLOCK >> (first - base)
        return Area(0, -(-blocks.row1 // edge), 0, -(-blocks.col1 // edge))

    def file(self, base: int, row: int, col: int) -> str:
        """The name of the file of a piece, relative to the run directory."""
        return f"{FOLDER}/{self.key}-{base}-{row}-{col}"

    def owned(self, base: int, row: int, col: int) -> dict[int, Area]:
        """The blocks that a piece has to make, by level: of its own level, where that is the map
        itself, and of the next ones.

        Every block of a level belongs to exactly one piece.

        Args:
            base: the level that the piece is part of, a multiple of ``STEP``.
            row: which piece of that level it is, from 0.
            col: likewise.
        """
        found, sizes = {}, self.sizes
        for level in range(base if base == 0 else base + 1, min(base + STEP, len(sizes) - 1) + 1):
            edge = 1 << (STEP - (level - base))
            blocks = Area(row * edge, (row + 1) * edge, col * edge, (col + 1) * edge)
            found[level] = blocks.overlap(sizes[level].area.blocks())
        return {level: blocks for level, blocks in found.items() if not blocks.empty}

    def needed(self, base: int, blocks: dict[int, Area]) -> dict[int, Area]:
        """The pixels of each level that a piece must know to make its blocks, by level from ``base``.

        Args:
            base: the level that the others are made from.
            blocks: what the piece has to make, by level.
        """
        areas: dict[int, Area] = {}
        below, sizes = Area(0, 0, 0, 0), self.sizes
        for level in range(max([*blocks, base]), base - 1, -1):
            own = sizes[level].of_blocks(blocks[level]) if level in blocks else Area(0, 0, 0, 0)
            if not below.empty:
                own = own.hull(sources(below, sizes[level], sizes[level + 1]))
            areas[level] = below = own
        return areas
