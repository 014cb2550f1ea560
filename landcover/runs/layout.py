"""How a map is cut into pieces, and the files in which these wait for the map to be put together."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from landcover.errors import OutputError
from landcover.runs.cog import FRAME, framed
from landcover.runs.overviews import BLOCK, PIECE, STEP, Area, Size, level_sizes
from landcover.runs.storage import TEMPORARY, Storage

FOLDER = f"{TEMPORARY}maps"
"""Where pieces lie until the maps are made of them."""
_HEAD = "<I"


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


@dataclass(frozen=True, eq=False)
class Shelf:
    """Blocks of a level that lie in one file, framed and row after row.

    Args:
        blocks: which ones.
        lengths: of the compressed blocks in bytes, dims (row, column).
        start: where in the file the first one lies.
    """

    blocks: Area
    lengths: npt.NDArray[np.uint64]
    start: int

    def row(self, row: int) -> tuple[int, int]:
        """Where a row of blocks begins in the file, and how long it is with frames, in bytes."""
        sizes = (self.lengths + FRAME).sum(axis=1)
        place = row - self.blocks.row0
        return self.start + int(sizes[:place].sum()), int(sizes[place])

    def split(self, row: int, content: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
        """The blocks of a row, each with its row and column, without frames."""
        at = 0
        for col, length in enumerate(self.lengths[row - self.blocks.row0].tolist()):
            yield (row, self.blocks.col0 + col), content[at + 4 : at + 4 + length]
            at += length + FRAME


def shelved(levels: Mapping[int, tuple[Area, list[bytes]]]) -> Iterator[bytes]:
    """The file of a piece, in chunks.

    Args:
        levels: which blocks it holds and these, compressed, row after row; by level.
    """
    index = {
        level: {"blocks": list(area), "lengths": [len(block) for block in blocks]}
        for level, (area, blocks) in levels.items()
    }
    head = json.dumps(index).encode()
    yield struct.pack(_HEAD, len(head)) + head
    for _, blocks in levels.values():
        yield from map(framed, blocks)


@contextmanager
def opened(storage: Storage, name: str) -> Iterator[tuple[IO[bytes], dict[int, Shelf]]]:
    """The file of a piece, and where in it the blocks of each level lie.

    Raises:
        OutputError: if it cannot be read.
    """
    try:
        with storage.open(name) as file:
            yield file, dict(_shelves(file))
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise OutputError(storage.where(name), f"cannot be read: {error}") from error


def _shelves(file: IO[bytes]) -> Iterator[tuple[int, Shelf]]:
    (size,) = struct.unpack(_HEAD, file.read(struct.calcsize(_HEAD)))
    index: dict[str, dict[str, Any]] = json.loads(file.read(size))
    start = struct.calcsize(_HEAD) + size
    for level, held in index.items():
        blocks = Area(*held["blocks"])
        lengths = np.array(held["lengths"], np.uint64).reshape(blocks.shape)
        yield int(level), Shelf(blocks, lengths, start)
        start += int((lengths + FRAME).sum())
