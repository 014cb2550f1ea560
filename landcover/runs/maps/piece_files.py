"""The files in which the pieces of a map wait for it to be put together."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from landcover.errors import OutputError
from landcover.runs.map_format.area import Area
from landcover.runs.map_format.cog import FRAME, framed
from landcover.runs.storage import GONE, Storage

_HEAD = "<I"


@dataclass(frozen=True, eq=False)
class StoredBlocks:
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


def encode_piece(levels: Mapping[int, tuple[Area, list[bytes]]]) -> Iterator[bytes]:
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
def open_piece(storage: Storage, name: str) -> Iterator[tuple[IO[bytes], dict[int, StoredBlocks]]]:
    """The file of a piece, and where in it the blocks of each level lie.

    Raises:
        OutputError: if it cannot be read.
    """
    try:
        with storage.open(name) as file:
            yield file, dict(_stored_blocks(file))
    except FileNotFoundError as error:
        raise OutputError(storage.where(name), f"{error.strerror or error}: {GONE}") from error
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise OutputError(storage.where(name), f"cannot be read: {error}") from error


def _stored_blocks(file: IO[bytes]) -> Iterator[tuple[int, StoredBlocks]]:
    (size,) = struct.unpack(_HEAD, file.read(struct.calcsize(_HEAD)))
    index: dict[str, dict[str, Any]] = json.loads(file.read(size))
    start = struct.calcsize(_HEAD) + size
    for level, held in index.items():
        blocks = Area(*held["blocks"])
        lengths = np.array(held["lengths"], np.uint64).reshape(blocks.shape)
        yield int(level), StoredBlocks(blocks, lengths, start)
        start += int((lengths + FRAME).sum())
