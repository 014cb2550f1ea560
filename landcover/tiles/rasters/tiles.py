"""Tiles of a scene: blocks of them are read in one go and cut apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from landcover.contracts import Failure, Strip, Tile
from landcover.errors import ReadFailed
from landcover.tiles import buffers
from landcover.tiles.gdal import FAILURES, cause, short_of_memory
from landcover.tiles.grid import Block, Size
from landcover.tiles.rasters.handles import reopen
from landcover.tiles.rasters.inside import pixels_inside
from landcover.tiles.rasters.neighbours import Neighbour
from landcover.tiles.rasters.scene import Scene
from landcover.tiles.rasters.windows import read_window
from landcover.tiles.reach import Trouble, known_trouble, trouble
from landcover.tiles.regions import RegionAt

Mask = npt.NDArray[np.bool_]


def tiles_of(scene: Scene, block: Block) -> Iterator[Tile]:
    """The tiles of a block of a scene, row after row."""
    name, bounds, transform = scene.name, scene.grid.bounds, scene.transform
    for row in range(block.row0, block.row1):
        for col in range(block.col0, block.col1):
            yield Tile(f"{name}/{row}/{col}", name, row, col, bounds(row, col, transform))


class TileReader:
    """Reads tiles of a scene, block by block, into one array.

    Args:
        scene: where they are read.
        room: how many tiles there may be at most.
        masked: whether to say of every tile which pixels of it are valid.
        neighbours: scenes that are read where tiles reach beyond this one.
        region: pixels outside of it count as pixels without data; None: there is none.
    """

    def __init__(
        self,
        scene: Scene,
        room: int,
        *,
        masked: bool,
        neighbours: Sequence[Neighbour] = (),
        region: RegionAt | None = None,
    ) -> None:
        self._scene, self._grid, self._masked = scene, scene.grid, masked
        self._neighbours, self._region = neighbours, region
        bands = scene.bands
        self._pixels = buffers.empty((room, len(bands.read), *scene.grid.tile), bands.dtype)
        self._valid: npt.NDArray[np.bool_] | None = None
        self._tiles: list[Tile] = []
        self._failures: list[Failure] = []
        self._skipped = 0

    def add(self, block: Block) -> None:
        """Read a block of tiles at once; where that fails, tile by tile."""
        if found := known_trouble(self._files):
            self._fail(block, found, unreached=True)
            return
        try:
            self._read(block)
        except FAILURES as error:
            if short_of_memory(error):
                raise MemoryError(cause(error)) from error
            self._recover(block)

    def strip(self, seconds: float) -> Strip:
        """All tiles that were read, and how long that took."""
        n = len(self._tiles)
        valid = None if self._valid is None else self._valid[:n]
        return Strip(self._tiles, self._pixels[:n], valid, self._failures, self._skipped, seconds)

    def _read(self, block: Block) -> None:
        grid, tiles = self._grid, list(tiles_of(self._scene, block))
        pixels, valid = read_window(self._scene, grid.read(block), self._neighbours)
        if self._region is not None:
            inside = pixels_inside(self._region.region(), self._scene, grid.read(block))
            valid = _both(valid, inside)
        windows = np.moveaxis(_windows(pixels, grid.tile, grid.stride), 0, 2)
        start = len(self._tiles)
        if valid is None:
            self._tiles += tiles
            kept = self._pixels[start : start + len(tiles)]
            kept.reshape(windows.shape)[...] = windows
            return
        halo = grid.halo
        inner = valid[halo : len(valid) - halo, halo : valid.shape[1] - halo]
        written = _windows(inner, grid.core, grid.stride)
        held = written.any(axis=(2, 3))
        self._tiles += compress(tiles, held.ravel())
        self._skipped += len(tiles) - (len(self._tiles) - start)
        self._pixels[start : len(self._tiles)] = windows[held]
        if self._masked:
            self._note_valid(start, written[held])

    def _note_valid(self, start: int, written: npt.NDArray[np.bool_]) -> None:
        if written.all():
            return
        if self._valid is None:
            self._valid = np.ones((len(self._pixels), *written.shape[1:]), dtype=bool)
        self._valid[start : start + len(written)] = written

    def _recover(self, block: Block) -> None:
        """Go on after a failure, so that only the tiles are lost that really cannot be read."""
        if found := self._reopened():
            self._fail(block, found, unreached=True)
        elif block.tiles > 1:
            for one in block.singles():
                self.add(one)
        elif found := self._once_more(block):
            self._fail(block, found)

    def _reopened(self) -> Trouble | None:
        """Open the scene anew; what keeps it from that, if something does."""
        for _ in range(2):  # its store may have answered again in between
            try:
                reopen(self._scene)
            except FAILURES as error:
                if found := trouble(self._files):
                    return found
                last = _told(error)
            else:
                return None
        return last

    def _once_more(self, block: Block) -> Trouble | None:
        """Read a block again while its files answer; what keeps it from that, if something does."""
        if found := trouble(self._files):
            return found
        try:
            self._read(block)
        except FAILURES as error:
            return trouble(self._files) or _told(error)
        return None

    @property
    def _files(self) -> list[str]:
        """All files that a block may be read from, the scene's own first."""
        beside = [file for one in self._neighbours for file in one.scene.files]
        return [*self._scene.files, *beside]

    def _fail(self, block: Block, found: Trouble, unreached: bool = False) -> None:
        reason = f"{self._scene.files[0]}: pixels could not be read: {found.reason}"
        self._failures += [
            Failure(tile, reason, found.passing, unreached) for tile in tiles_of(self._scene, block)
        ]


def _told(error: BaseException) -> Trouble:
    """What kept a file from being read, all of whose files answer."""
    if isinstance(error, ReadFailed):
        return Trouble(error.reason, error.retryable)
    return Trouble(cause(error), passing=False)


def _both(one: Mask | None, other: Mask | None) -> Mask | None:
    """Where two masks hold; None is one that holds everywhere."""
    if one is None or other is None:
        return one if other is None else other
    return one & other


def _windows(array: npt.NDArray[Any], size: Size, stride: Size) -> npt.NDArray[Any]:
    """Windows of the last two axes as a view, dims (..., row, col, y, x)."""
    windows = sliding_window_view(array, size, axis=(-2, -1))
    return windows[..., :: stride.rows, :: stride.cols, :, :]
