"""A task of a run over rasters: a block of a scene's grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from math import ceil
from time import perf_counter

import numpy as np
import numpy.typing as npt

from landcover.contracts import Read, Strip, Tile
from landcover.tiles.grid import Block, Rectangle
from landcover.tiles.rasters.neighbours import Neighbour
from landcover.tiles.rasters.scene import Scene
from landcover.tiles.rasters.tiles import TileReader, tiles_of
from landcover.tiles.regions import RegionAt
from landcover.tiles.spared import spared_read
from landcover.tiles.states import digest_of

# Bytes that one read aims at: enough rows of tiles that threads do not all decode the same blocks,
# few enough that the network gets its first batch soon.
_READ_BYTES = 16 * 2**20
# A row of tiles that takes more than this is read in parts.
_ROW_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class RasterTask:
    """A block of a scene's grid; implements :class:`landcover.contracts.Task`.

    Args:
        index: place in the plan.
        scene: whose grid it is.
        block: of that grid.
        mask: say of every tile which of its pixels are valid.
        neighbours: scenes that the block's halo reaches into.
        chosen: which of the block's tiles the task stands for, a bit each, row after row; empty:
            all of them.
        region: where pixels are labelled, of a network that labels pixels; None: everywhere.
        spared: places, among the tiles of the task, of those that are not read.
    """

    index: int
    scene: Scene
    block: Block
    mask: bool
    neighbours: tuple[Neighbour, ...] = ()
    chosen: bytes = b""
    region: RegionAt | None = None
    spared: tuple[int, ...] = ()

    @property
    def digest(self) -> str:
        """Tells the task from another: by its tiles, and the scenes that it reads."""
        near = [(one.scene.identity, one.row, one.col) for one in self.neighbours]
        return digest_of(self.scene.identity, self.block, self.chosen.hex(), self.mask, near)

    @property
    def tiles(self) -> int:
        """How many tiles the task stands for."""
        return int.from_bytes(self.chosen).bit_count() if self.chosen else self.block.tiles

    def written(self) -> Rectangle:
        """The pixels inside the scene that the block's tiles write."""
        return self.scene.grid.written(self.block)

    def reads(self) -> Sequence[Read]:
        """Reads of whole rows of the block, a few rows each; of part of one where it is wide."""
        reads = [
            Read(partial(self._strip, block), partial(self._tiles, block))
            for block in self._parts()
        ]
        if self.spared:
            tiles = list(self.planned())
            reads.append(spared_read([tiles[place] for place in self.spared]))
        return reads

    def sparing(self, places: tuple[int, ...]) -> RasterTask:
        """The same task, of which the tiles in some places are not read."""
        return replace(self, spared=places)

    def planned(self) -> Iterator[Tile]:
        """The tiles of the block that are chosen, row after row."""
        every = tiles_of(self.scene, self.block)
        return compress(every, self.chosen_tiles().ravel()) if self.chosen else every

    def chosen_tiles(self) -> npt.NDArray[np.bool_]:
        """Which tiles of the block the task stands for, dims (row, column)."""
        row0, row1, col0, col1 = self.block
        shape = row1 - row0, col1 - col0
        if not self.chosen:
            return np.ones(shape, bool)
        bits = np.unpackbits(np.frombuffer(self.chosen, np.uint8), count=shape[0] * shape[1])
        return bits.reshape(shape).astype(bool)

    def _wanted(self) -> npt.NDArray[np.bool_]:
        """Which tiles of the block are read, dims (row, column)."""
        chosen = self.chosen_tiles()
        chosen.flat[np.flatnonzero(chosen)[list(self.spared)]] = False
        return chosen

    def _parts(self) -> Iterator[Block]:
        row0, row1, col0, col1 = self.block
        read = self.scene.grid.read(self.block)
        row_bytes = (
            (read.col1 - read.col0) * self.scene.grid.tile.rows * self.scene.bands.pixel_bytes
        )
        rows = max(1, _READ_BYTES // row_bytes)
        cols = ceil((col1 - col0) / ceil(row_bytes / _ROW_BYTES))
        for row in range(row0, row1, rows):
            for col in range(col0, col1, cols):
                yield Block(row, min(row + rows, row1), col, min(col + cols, col1))

    def _strip(self, block: Block) -> Strip:
        """Read a block row by row, so that the memory a row is read into is used again."""
        start, runs = perf_counter(), list(self._runs(block))
        reader = TileReader(
            self.scene,
            sum(run.tiles for run in runs),
            masked=self.mask,
            neighbours=self.neighbours,
            region=self.region,
        )
        for run in runs:
            reader.add(run)
        return reader.strip(perf_counter() - start)

    def _tiles(self, block: Block) -> Iterator[Tile]:
        """The chosen tiles of a block."""
        return (tile for run in self._runs(block) for tile in tiles_of(self.scene, run))

    def _runs(self, block: Block) -> Iterator[Block]:
        """The chosen tiles of a block, as many of a row together as lie side by side."""
        chosen, first = self._wanted(), self.block
        for row in range(block.row0, block.row1):
            line = chosen[row - first.row0, block.col0 - first.col0 : block.col1 - first.col0]
            edges = np.flatnonzero(np.diff(line.astype(np.int8), prepend=0, append=0))
            for start, stop in edges.reshape(-1, 2).tolist():
                yield Block(row, row + 1, block.col0 + start, block.col0 + stop)
