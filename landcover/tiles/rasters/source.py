"""Tiles from georeferenced rasters: scenes of a plan, blocks of their grids, strips of pixels."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from math import ceil, isqrt
from time import perf_counter
from typing import Any

from landcover.config import Alpha
from landcover.contracts import Strip, Tile
from landcover.errors import ConfigError
from landcover.tiles.grid import Block, Rectangle, Size, plain, spacing
from landcover.tiles.rasters.bands import alpha_note
from landcover.tiles.rasters.naming import named_scenes
from landcover.tiles.rasters.neighbours import Neighbour, Neighbourhood, beyond
from landcover.tiles.rasters.scene import Scene, describe, resampling_note
from landcover.tiles.rasters.tiles import TileReader, tiles_of
from landcover.tiles.states import digest_of

_LOG = logging.getLogger(__name__)

# Bytes that one read aims at: enough rows of tiles that threads do not all decode the same blocks,
# few enough that the network gets its first batch soon.
_READ_BYTES = 16 * 2**20
# A row of tiles that takes more than this is read in parts.
_ROW_BYTES = 64 * 2**20


class RasterSource:
    """Scenes covered by a grid of tiles; implements :class:`landcover.contracts.Source`.

    Args:
        entries: scenes: paths, globs, folders or fsspec URLs; a tuple names the files of one scene
            that keeps a file per band.
        tile: what the network sees, in pixels at ``resolution``: its edge, or rows and columns.
        stride: distance between neighbouring tiles; None: what a tile writes.
        halo: pixels read around what a tile writes; None: none, or, where ``mask``, half of what
            the stride leaves of the tile.
        resolution: metres a pixel; scenes that differ from it by more than 1 % are resampled. None:
            each scene's own.
        bands: bands in the order of the network, from 1 or by name; None: the first ``band_count``.
        band_count: how many bands the network reads; None: as many as a scene has.
        task_tiles: about how many tiles a task has.
        mask: say of every tile which pixels are valid (``Strip.valid``), and write every pixel
            once: for networks that label pixels. Tiles without any valid pixel are skipped anyway.
        alpha: what a band that is declared alpha is; None: imagery if it is read, else a mask.
        lattice: tiles of all scenes of one CRS and resolution lie on one lattice, which begins at
            the origin of the CRS; otherwise they begin at each scene's corner.

    Raises:
        ConfigError: if tile, halo, stride and bands do not fit together.
        SourceError: if nothing is found where an entry points.
    """

    def __init__(
        self,
        entries: Sequence[str | tuple[str, ...]],
        *,
        tile: int | Size,
        stride: int | Size | None = None,
        halo: int | None = None,
        resolution: float | None = None,
        bands: Sequence[int | str] | None = None,
        band_count: int | None = None,
        task_tiles: int = 512,
        mask: bool = False,
        alpha: Alpha | None = None,
        lattice: bool = False,
    ) -> None:
        if bands is not None and band_count is not None and len(bands) != band_count:
            raise ConfigError(
                [f"{len(bands)} bands are named, the network reads {band_count}"], "source.bands"
            )
        self._tiling = spacing(Size.of(tile), stride=stride, halo=halo, exact=mask)
        self._task_tiles, self._mask = task_tiles, mask
        self._read: dict[str, Any] = {
            "resolution": resolution,
            "bands": None if bands is None else tuple(bands),
            "band_count": band_count,
            "alpha": alpha,
            "lattice": lattice,
        }
        self._listed = named_scenes(entries)
        self._described: list[Scene] = []
        self._told: set[str] = set()

    @property
    def task_tiles(self) -> int:
        """About how many tiles a task has."""
        return self._task_tiles

    def divided(self, task_tiles: int) -> RasterSource:
        """The same scenes cut into larger or smaller tasks."""
        other = copy(self)
        other._task_tiles = task_tiles
        return other

    def scenes(self) -> Iterator[Scene]:
        """The scenes in the order of the plan; a scene's metadata is read when its turn comes.

        Raises:
            SourceError: if a scene cannot be scored as asked.
        """
        for place, (name, paths) in enumerate(self._listed):
            if place == len(self._described):
                scene = describe(name, paths, self._tiling, **self._read)
                self._described.append(scene)
                self._tell(scene)
            yield self._described[place]

    def _tell(self, scene: Scene) -> None:
        """Say once a run what the files do not show: bands taken for masks, pixels made of others."""
        for note in (alpha_note(scene.bands), resampling_note(scene, self._read["resolution"])):
            if note and note not in self._told:
                self._told.add(note)
                _LOG.warning("%s: %s", scene.name, note)

    def tasks(self) -> Iterator[RasterTask]:
        """The plan: blocks of each scene's grid in row-major order, scene after scene."""
        index = 0
        # Without a halo nothing is read beyond a scene but what fills up its last tiles.
        beside = Neighbourhood(list(self.scenes())) if self._tiling.halo else None
        for place, scene in enumerate(self.scenes()):
            around = beside.of(place) if beside else ()
            for block in scene.grid.blocks(*_shape(scene, self._task_tiles)):
                near = beyond(scene.grid, block, around)
                yield RasterTask(index, scene, block, self._mask, near)
                index += 1

    def count(self) -> int:
        """How many tiles the plan has; reads the metadata of every scene once."""
        return sum(scene.grid.tiles for scene in self.scenes())

    def fingerprint(self) -> dict[str, object]:
        """What decides which tiles there are; what the scenes' metadata says goes into a digest."""
        digest, number = hashlib.sha256(), 0
        for scene in self.scenes():
            grid, bands = scene.grid, scene.bands
            held = [scene.name, grid.width, grid.height, scene.transform, scene.crs]
            held += [bands.read, bands.dtype, bands.validity, bands.alpha]
            digest.update(json.dumps(held).encode() + b"\n")
            number += 1
        return {
            "kind": "rasters",
            "scenes": number,
            "digest": digest.hexdigest(),
            **{key: plain(value) for key, value in self._tiling._asdict().items()},
            "task": self._task_tiles,
            **({"grid": "ground"} if self._read["lattice"] else {}),
            "resolution": self._read["resolution"],
            "bands": None if self._read["bands"] is None else list(self._read["bands"]),
        }


@dataclass(frozen=True, slots=True)
class RasterTask:
    """A block of a scene's grid; implements :class:`landcover.contracts.Task`.

    Args:
        index: place in the plan.
        scene: whose grid it is.
        block: of that grid.
        mask: say of every tile which of its pixels are valid.
        neighbours: scenes that the block's halo reaches into.
    """

    index: int
    scene: Scene
    block: Block
    mask: bool
    neighbours: tuple[Neighbour, ...] = ()

    @property
    def digest(self) -> str:
        """Tells the task from another: by its block, and the scenes that it reads."""
        near = [(one.scene.identity, one.row, one.col) for one in self.neighbours]
        return digest_of(self.scene.identity, self.block, self.mask, near)

    @property
    def tiles(self) -> int:
        """How many tiles the block holds."""
        return self.block.tiles

    def written(self) -> Rectangle:
        """The pixels inside the scene that the block's tiles write."""
        return self.scene.grid.written(self.block)

    def reads(self) -> Sequence[Callable[[], Strip]]:
        """Reads of whole rows of the block, a few rows each; of part of one where it is wide."""
        return [partial(self._strip, block) for block in self._parts()]

    def planned(self) -> Iterator[Tile]:
        """The tiles of the block, row after row."""
        return tiles_of(self.scene, self.block)

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
        start, reader = perf_counter(), self._reader(block.tiles)
        for row in range(block.row0, block.row1):
            reader.add(Block(row, row + 1, block.col0, block.col1))
        return reader.strip(perf_counter() - start)

    def _reader(self, room: int) -> TileReader:
        return TileReader(self.scene, room, masked=self.mask, neighbours=self.neighbours)


def _shape(scene: Scene, task_tiles: int) -> tuple[int, int]:
    """How many rows and columns of tiles a task has.

    Where blocks of the file are as wide as the scene, so are tasks: a narrower one would decode the
    strips whole and drop most of them. Otherwise tasks of a wide scene are near squares, which
    share the fewest blocks with their neighbours.
    """
    grid, cols = scene.grid, scene.grid.cols
    if 2 * scene.block[1] < grid.width:
        wide = min(task_tiles, 1.5 * isqrt(task_tiles))
        cols = ceil(cols / ceil(cols / wide))
    rows = max(1, task_tiles // cols)
    return ceil(grid.rows / ceil(grid.rows / rows)), cols
