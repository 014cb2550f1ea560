"""Tiles from georeferenced rasters: the scenes of a plan, and its tasks."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from copy import copy
from math import ceil, isqrt
from typing import Any

import numpy as np

from landcover.config import Alpha, DateSettings, Inside, Palette
from landcover.errors import ConfigError, SourceError
from landcover.tiles.grid import Block, Size, plain, spacing
from landcover.tiles.opening import Allowed
from landcover.tiles.rasters.bands import alpha_note
from landcover.tiles.rasters.dates import Dates
from landcover.tiles.rasters.inside import Mask, count_inside, missed, tiles_inside
from landcover.tiles.rasters.naming import named_scenes
from landcover.tiles.rasters.neighbours import Neighbourhood, beyond, hidden
from landcover.tiles.rasters.scene import Scene, describe, resampling_note
from landcover.tiles.rasters.task import RasterTask
from landcover.tiles.regions import Region, RegionAt, known

_LOG = logging.getLogger(__name__)


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
        region: only tiles in it are part of the plan; None: all are.
        inside: which tiles lie in it: "whole" ones, those whose "centre" does, or all that "touch"
            it. Where ``mask``, pixels whose centre lies outside hold no data.
        formats: drivers of GDAL that may open files, beyond the usual ones.
        outside: virtual rasters may name files anywhere, not only where entries point.
        lattice: tiles of all scenes of one CRS and resolution lie on one lattice, which begins at
            the origin of the CRS; otherwise they begin at each scene's corner.
        date: where the dates of scenes stand; None: they have none.
        palette: "expand": indices into a palette are read as the colours that these stand for.
        most_tiles: a plan over scenes of more tiles is refused before any of them is looked at; None:
            none is.

    Raises:
        ConfigError: if tile, halo, stride and bands do not fit together.
        SourceError: if nothing is found where an entry or ``date`` points.
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
        region: Region | None = None,
        inside: Inside = "touch",
        date: DateSettings | None = None,
        palette: Palette | None = None,
        formats: Sequence[str] = (),
        outside: bool = False,
        most_tiles: int | None = None,
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
            "date": None if date is None else Dates(date),
            "colours": palette == "expand",
        }
        self._region, self._inside, self._most = region, inside, most_tiles
        self._region_at = None if region is None else known(region)
        self._listed, folders = named_scenes(entries)
        self._read["allowed"] = Allowed(tuple(formats), folders, outside)
        self._described: list[Scene] = []
        self._counts: list[int] = []
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

    @property
    def region(self) -> Region | None:
        """The ground that is asked for; None: all there is."""
        return self._region

    def with_region_at(self, path: str) -> RasterSource:
        """The same plan, whose tasks find the region in a file that all workers reach."""
        other = copy(self)
        if self._region is not None:
            other._region_at = RegionAt(self._region.digest, path)
        return other

    def scenes(self) -> Iterator[Scene]:
        """The scenes of the plan, in its order: those that have tiles in the region.

        Raises:
            SourceError: if a scene cannot be scored as asked.
        """
        return (scene for _, scene in self._planned())

    def _planned(self) -> Iterator[tuple[int, Scene]]:
        """The scenes of the plan, with their places among all that are listed."""
        return (
            (place, scene) for place, scene in enumerate(self._every()) if self._tiles(place, scene)
        )

    def _tiles(self, place: int, scene: Scene) -> int:
        """How many tiles of a scene are part of the plan."""
        if self._region is None:
            return scene.grid.tiles
        if place == len(self._counts):
            self._counts.append(count_inside(self._region, self._inside, scene))
        return self._counts[place]

    def _every(self) -> Iterator[Scene]:
        """All scenes that are listed; a scene's metadata is read when its turn comes."""
        for place, (name, paths) in enumerate(self._listed):
            if place == len(self._described):
                scene = describe(name, paths, self._tiling, **self._read)
                self._described.append(scene)
                self._tell(scene)
            yield self._described[place]

    def _tell(self, scene: Scene) -> None:
        """Say once a run what the files do not show: bands taken for masks, pixels made of others."""
        for note in (alpha_note(scene.bands), resampling_note(scene, self._read["resolution"])):
            if note:
                self._say(scene, note)

    def _say(self, scene: Scene, note: str) -> None:
        """Say something of scenes once a run, with the name of the first."""
        if note not in self._told:
            self._told.add(note)
            _LOG.warning("%s: %s", scene.name, note)

    def tasks(self) -> Iterator[RasterTask]:
        """The plan: blocks of each scene's grid in row-major order, scene after scene."""
        index = 0
        # Without a halo nothing is read beyond a scene but what fills up its last tiles.
        beside = Neighbourhood(list(self._every())) if self._tiling.halo else None
        for place, scene in self._planned():
            around = beside.of(place) if beside else ()
            for block, chosen in self._blocks(scene):
                near = beyond(scene.grid, block, around)
                cut = self._region_at if self._mask else None
                yield RasterTask(index, scene, block, self._mask, near, chosen, cut)
                index += 1

    def _blocks(self, scene: Scene) -> Iterator[tuple[Block, bytes]]:
        """The blocks of a scene's tasks, and which of their tiles are part of the plan."""
        for block in scene.grid.blocks(*_shape(scene, self._task_tiles)):
            if self._region is None:
                yield block, b""
                continue
            chosen = tiles_inside(self._region, self._inside, scene, block)
            if chosen.any():
                yield _trimmed(block, chosen)

    def count(self) -> int:
        """How many tiles the plan has; reads the metadata of every scene once.

        Raises:
            SourceError: if no tile lies in the region, or the scenes have more than a plan may.
        """
        self._check_size()
        counted = sum(self._tiles(place, scene) for place, scene in enumerate(self._every()))
        if self._region is not None and not counted:
            raise SourceError(self._region.source, missed(self._region, list(self._every())))
        return counted

    def _check_size(self) -> None:
        tiles, most = 0, self._most
        for number, scene in enumerate(self._every(), 1):
            tiles += scene.grid.tiles
            if most is not None and tiles > most:
                size = f"{scene.grid.width:,} x {scene.grid.height:,} pixels"
                raise SourceError(
                    scene.name,
                    f"has {size}, and so {scene.grid.tiles:,} tiles, so that the first {number:,} of "
                    f"{len(self._listed):,} scene(s) have {tiles:,}, more than source.most_tiles "
                    f"({most:,}): if this is meant, set that higher or score with --yes",
                )

    def hidden(self, nearest: bool = False) -> list[tuple[Scene, Scene]]:
        """Which scenes a map of all does not show where they overlap (:func:`neighbours.hidden`).

        Args:
            nearest: it shows the scene whose centre is nearest, not the first that is listed.
        """
        return hidden(list(self.scenes()), nearest)

    def fingerprint(self) -> dict[str, object]:
        """What decides which tiles there are; what the scenes' metadata says goes into a digest."""
        digest, number = hashlib.sha256(), 0
        for scene in self._every():
            grid, bands = scene.grid, scene.bands
            held = [scene.name, grid.width, grid.height, scene.transform, scene.crs]
            held += [bands.read, bands.dtype, bands.validity, bands.alpha]
            held += [scene.date] if scene.date else []
            digest.update(json.dumps(held).encode() + b"\n")
            number += 1
        return {
            "kind": "rasters",
            "scenes": number,
            "imagery": digest.hexdigest(),
            **{key: plain(value) for key, value in self._tiling._asdict().items()},
            "task": self._task_tiles,
            **({"grid": "ground"} if self._read["lattice"] else {}),
            **({"region": [self._region.digest, self._inside]} if self._region else {}),
            "resolution": self._read["resolution"],
            "bands": None if self._read["bands"] is None else list(self._read["bands"]),
        }


def _trimmed(block: Block, chosen: Mask) -> tuple[Block, bytes]:
    """A block without rows and columns that hold no chosen tile, and its chosen tiles as bits."""
    rows, cols = np.flatnonzero(chosen.any(axis=1)), np.flatnonzero(chosen.any(axis=0))
    row0, row1, col0, col1 = rows[0], rows[-1] + 1, cols[0], cols[-1] + 1
    left = chosen[row0:row1, col0:col1]
    top, west = block.row0, block.col0
    trimmed = Block(int(top + row0), int(top + row1), int(west + col0), int(west + col1))
    return trimmed, b"" if left.all() else np.packbits(left).tobytes()


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
