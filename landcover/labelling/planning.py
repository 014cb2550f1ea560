"""From a configuration to what workers do: the scenes, the reference, and how tiles are split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyproj
import shapely
from rasterio.crs import CRS

from landcover.analysis.reference_raster import ReferenceRaster
from landcover.classes import LandClass, Scheme, scheme
from landcover.config import RegionSettings
from landcover.errors import ConfigError, SourceError
from landcover.labelling.chance import key_of
from landcover.labelling.dealing import dealt_scenes
from landcover.labelling.finding import Item
from landcover.labelling.folder import PARTS, Prepared, folder_name
from landcover.labelling.plane import outlines_of, plane_of, scene_outline
from landcover.labelling.reference import RasterReference, Reference
from landcover.labelling.rules import Asked, Legend, legend_of
from landcover.labelling.settings import SPLITS, PrepareConfig
from landcover.labelling.splitting import Blocks, Grounds, Splitting
from landcover.labelling.vectors import Shapes, VectorReference, is_vector, put_shapes, read_shapes
from landcover.runs.map_format.grid import file_names
from landcover.scoring.plan import scenes_of
from landcover.tiles.grid import Block
from landcover.tiles.rasters import RasterSource
from landcover.tiles.rasters.crs import unit_of
from landcover.tiles.rasters.scene import Scene
from landcover.tiles.regions import Region, RegionAt, known, read_region, written_region
from landcover.tiles.regions.placing import in_degrees
from landcover.tiles.reprojection import bounds_in
from landcover.tiles.states import digest_of, state_of

# Tiles of a task: read in some seconds, and few enough that little is lost with a worker.
_TASK = 256
_BLOCK_TILES = 16
# Lengths of a CRS are those on the ground where they are within this share of them, as in UTM.
_TRUE = 0.01


@dataclass(frozen=True, eq=False)
class Plan:
    """What is asked for, with the metadata of all scenes.

    Args:
        config: as it was given.
        source: the scenes.
        legend: the classes of tiles.
    """

    config: PrepareConfig
    source: RasterSource
    legend: Legend

    @cached_property
    def scenes(self) -> list[Scene]:
        """The scenes that have tiles in the region."""
        return list(self.source.scenes())

    @cached_property
    def plane(self) -> str:
        """The CRS in which tiles are split."""
        return plane_of(self.scenes)

    @cached_property
    def edge(self) -> float:
        """Metres along the side of a tile, of the first scene, to a hundredth."""
        [corners] = outlines_of(self.scenes[0], Block(0, 1, 0, 1), self.plane)
        return round(float(np.hypot(*(corners[1] - corners[0]))), 2)

    @property
    def resolution(self) -> float:
        """Metres a pixel of the first scene: what its CRS says, where that is so on the ground."""
        first = self.scenes[0]
        measured = self.edge / first.grid.tile.rows
        told = first.transform[0] * (unit_of(CRS.from_user_input(first.crs))[1] or 0)
        return told if abs(told / measured - 1) < _TRUE else round(measured, 4)

    @property
    def buffer(self) -> float:
        """Metres between tiles of different splits."""
        told = self.config.split.buffer
        return self.edge if told is None else told

    @property
    def block(self) -> float:
        """Metres along the side of a block of ground."""
        return self.config.split.block or _BLOCK_TILES * self.edge

    @cached_property
    def crs(self) -> str:
        """The CRS of the manifest: that of all scenes, or longitudes and latitudes where they differ."""
        found = {scene.crs for scene in self.scenes}
        return found.pop() if len(found) == 1 else "OGC:CRS84"

    @cached_property
    def regions(self) -> tuple[Region | None, ...]:
        """The ground of each split, by its place in ``SPLITS``."""
        split = self.config.split
        if split.by == "region":
            asked = [split.regions.get(name) for name in SPLITS]
            return tuple(one if one is None else _read_region(one) for one in asked)
        if split.by == "blocks":
            return ()
        outlines = [scene_outline(scene, self.plane) for scene in self.scenes]
        return tuple(
            Region(np.array(of, object), pyproj.CRS.from_user_input(self.plane), "the scenes")
            if of
            else None
            for of in (
                [one for one, own in zip(outlines, self.own, strict=True) if own == place]
                for place in range(len(SPLITS))
            )
        )

    @cached_property
    def own(self) -> list[int]:
        """The split of each scene; -1 where scenes are not split."""
        split = self.config.split
        if split.by != "scene":
            return [-1] * len(self.scenes)
        keys = [key_of(self.config.draw.seed, "scene", scene.name) for scene in self.scenes]
        outlines = [scene_outline(scene, self.plane) for scene in self.scenes]
        dealt = dealt_scenes(outlines, keys, [one.grid.tiles for one in self.scenes], self.shares)
        if -1 in dealt:
            splits = ", ".join(split.wanted())
            reason = f"{len(self.scenes)} scene(s) show too few places for the splits {splits}"
            raise ConfigError(
                [f"{reason}: split by: blocks, or leave a split out of shares"], "split"
            )
        return dealt

    @property
    def shares(self) -> tuple[float, ...]:
        """What part each split shall have, with a sum of 1."""
        told = self.config.split.shares
        return tuple(told.get(name, 0.0) / sum(told.values()) for name in SPLITS)

    def fingerprint(self) -> dict[str, object]:
        """What decides which tiles there are and what they hold, as plain JSON values."""
        told = self.config.recorded()
        output = {key: value for key, value in told["output"].items() if key != "path"}
        kept = {key: told[key] for key in ("labels", "split", "draw")}
        kept["split"].pop("regions", None)
        grounds = [region.digest if region else "" for region in self.regions]
        reference = {k: v for k, v in told["reference"].items() if k != "path"}
        states = [scene.identity for scene in self.scenes]
        return {
            **kept,
            "output": output,
            "reference": {**reference, "state": state_of(self.config.reference.path)},
            "source": self.source.fingerprint(),
            "states": digest_of(states, *(grounds if self.config.split.by == "region" else ())),
        }

    @cached_property
    def references(self) -> Scheme:
        """The classes of the reference."""
        return scheme(self.config.reference.scheme)

    @cached_property
    def _raster(self) -> ReferenceRaster:
        settings = self.config.reference
        return ReferenceRaster(settings.path, self.references, settings.ignore)

    @cached_property
    def _shapes(self) -> Shapes:
        settings = self.config.reference
        return read_shapes(settings.path, settings.field, self.references)

    def check_alike(self) -> None:
        """Refuse scenes whose tiles no network could learn from together.

        Raises:
            SourceError: if one differs from the first in dtype or in how many bands are read.
        """
        kinds = [(len(scene.bands.read), scene.bands.dtype) for scene in self.scenes]
        for scene, (bands, dtype) in zip(self.scenes, kinds, strict=True):
            if (bands, dtype) != kinds[0]:
                count, first = kinds[0]
                reason = (
                    f"holds {bands} band(s) of {dtype}, {self.scenes[0].name} {count} of {first}"
                )
                raise SourceError(
                    scene.files[0],
                    f"{reason}: tiles must be alike, prepare them one kind at a time",
                )

    def check_reference(self) -> None:
        """Look at the reference, before anything is written.

        Raises:
            SourceError: if it cannot be read, or lies where no scene does.
        """
        path = self.config.reference.path
        if is_vector(path):
            crs, bounds = (
                self._shapes.crs,
                tuple(shapely.total_bounds(self._shapes.geometry).tolist()),
            )
        else:
            with self._raster.opened() as file:
                (x0, y0, x1, y1), crs = file.bounds, file.crs.to_wkt()
            bounds = x0, min(y0, y1), x1, max(y0, y1)
        if not any(_meet(scene, crs, bounds) for scene in self.scenes):
            raise SourceError(path, self._apart(crs, bounds))

    def reference(self, folder: Prepared) -> Reference:
        """What is held to be true, as workers get it; points and polygons lie in the folder.

        Raises:
            OutputError: if they cannot be written there.
        """
        asked = Asked.of(self.config.labels)
        if not is_vector(self.config.reference.path):
            return RasterReference(self._raster, self.legend, asked)
        name = f"{PARTS}/reference.parquet"
        digest = put_shapes(folder.storage, name, self._shapes)
        return VectorReference(folder.storage, name, digest, self.legend, asked)

    def splitting(self, folder: Prepared) -> Splitting:
        """How tiles are split, as workers get it; what they need of ground lies in the folder.

        Raises:
            OutputError: if it cannot be written there.
            ConfigError: if blocks are smaller than a tile and the buffer.
        """
        if self.config.split.by == "blocks":
            if self.block <= self.edge + self.buffer:
                reason = (
                    f"blocks of {self.block:g} m hold no tile of {self.edge:g} m with a buffer of "
                    f"{self.buffer:g} m: make split.block larger, or split.buffer smaller"
                )
                raise ConfigError([reason], "split")
            return Blocks(self.block, self.buffer, self.shares, self.config.draw.seed)
        areas = tuple(_put(folder, *pair) for pair in zip(SPLITS, self.regions, strict=True))
        rest = 0 if self.config.split.by == "region" and areas[0] is None else -1
        return Grounds(self.plane, self.buffer, areas, rest)

    def items(self) -> Iterator[Item]:
        """All tasks, in the order of the plan."""
        names = [one.name for one in self.scenes]
        stems = dict(zip(names, file_names(names), strict=True))
        own = dict(zip(names, self.own, strict=True))
        for task in self.source.tasks():
            yield Item(task, stems[task.scene.name], own[task.scene.name])

    def _apart(self, crs: str, bounds: Any) -> str:
        first = self.scenes[0]
        a, _, c, _, e, f = first.transform
        own = (c, f + e * first.grid.height, c + a * first.grid.width, f)
        return (
            f"does not meet the imagery: it lies at {in_degrees(crs, tuple(bounds))} (west, south, east, "
            f"north), {first.name} at {in_degrees(first.crs, own)}; name a reference of this place"
        )


def _read_region(settings: RegionSettings) -> Region:
    return read_region(settings.path, settings.layer, settings.where)


def _put(folder: Prepared, split: str, region: Region | None) -> RegionAt | None:
    """The ground of a split, in a file that all workers reach."""
    if region is None:
        return None
    name = f"{PARTS}/ground-{split}.parquet"
    folder.storage.put(name, written_region(region))
    return RegionAt(known(region).digest, folder.storage.where(name))


def _meet(scene: Scene, crs: str, bounds: tuple[float, ...]) -> bool:
    """Whether some bounds in a CRS hold any of the ground of a scene."""
    a, _, c, _, e, f = scene.transform
    own = (c, f + e * scene.grid.height, c + a * scene.grid.width, f)
    west, south, east, north = bounds_in(scene.crs, crs, own)
    x0, y0, x1, y1 = bounds
    return bool(west <= x1 and east >= x0 and south <= y1 and north >= y0)


def make_plan(config: PrepareConfig) -> Plan:
    """Look at the imagery.

    Raises:
        SourceError: if it is not there, or not what the configuration says.
        ConfigError: if classes are asked for that there are not.
    """
    settings = config.source
    source = scenes_of(
        settings,
        tile=settings.tile,
        stride=settings.stride,
        resolution=settings.resolution,
        bands=settings.bands,
        inside=settings.inside or "centre",
        task_tiles=settings.task or _TASK,
    )
    source.count()  # says so where no tile lies in the region
    legend = legend_of(config.labels, scheme(config.reference.scheme))
    _check_folders(legend.scheme)
    return Plan(config, source, legend)


def _check_folders(classes: Scheme) -> None:
    """Refuse classes whose tiles would lie in one folder, also where case does not count."""
    seen: dict[str, LandClass] = {}
    for item in classes:
        if (other := seen.setdefault(folder_name(item).casefold(), item)) is not item:
            reason = f"tiles of {other.name!r} and of {item.name!r} would lie in one folder"
            raise ConfigError([f"{reason}: call one of them otherwise"], "labels.groups")
