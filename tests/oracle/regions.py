"""Regions of random cases: which tiles and pixels lie in them, worked out one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import shapely

from oracle.cases import Case
from oracle.clarity import metres
from oracle.reading import axes
from oracle.scenes import Scene

# Tiles count by their ground to a hundredth of a pixel: none may depend on how much exactly.
TILES_ARE_SMALLER = 0.01
_LEAST, _MOST = 0.002, 0.05
_BESIDE = 1e-3  # and no centre of a pixel may lie so near to an edge, in pixels


@dataclass(frozen=True)
class Frame:
    """The grid of a scene: left, top, width and height of a pixel, rows and columns of pixels."""

    left: float
    top: float
    wide: float
    high: float
    rows: int
    cols: int

    def tiles(self, case: Case, ground: shapely.Geometry, less: float) -> npt.NDArray[np.bool_]:
        """Which tiles lie in a region, dims (row, column), taken as smaller by a share of a pixel."""
        core, stride = case.core, case.stride
        shape = (
            _count(n, c, s) for n, c, s in zip((self.rows, self.cols), core, stride, strict=True)
        )
        rows, cols = np.indices(tuple(shape))
        west = self.left + (cols * stride.cols + less) * self.wide
        east = self.left + (cols * stride.cols + core.cols - less) * self.wide
        north = self.top - (rows * stride.rows + less) * self.high
        south = self.top - (rows * stride.rows + core.rows - less) * self.high
        rule = case.settings.get("source.inside", "touch" if case.network.pixel else "centre")
        if rule == "centre":
            return np.asarray(shapely.contains_xy(ground, (west + east) / 2, (south + north) / 2))
        boxes = shapely.box(west, south, east, north)
        if rule == "whole":
            return np.asarray(shapely.contains(ground, boxes))
        return np.asarray(shapely.area(shapely.intersection(ground, boxes)) > 0)

    def pixels(self, ground: shapely.Geometry) -> npt.NDArray[np.bool_]:
        """Which pixels have their centre in a region, dims (y, x)."""
        y, x = np.indices((self.rows, self.cols)) + 0.5
        return np.asarray(
            shapely.contains_xy(ground, self.left + x * self.wide, self.top - y * self.high)
        )


def frame_of(scene: Scene, resolution: float | None) -> Frame:
    """The grid of a scene before it is written."""
    wide, left, high, top = scene.transform
    unit = 1.0 if resolution is None else metres(scene.crs)
    (down, across), edge = axes(wide, high, scene.pixels.shape[1:], unit, resolution)
    wide, high = (wide, high) if edge is None else (edge, edge)
    return Frame(left, top, wide, high, down.target, across.target)


def with_region(rng: np.random.Generator, case: Case) -> Case:
    """The same case, for a region that leaves nothing open."""
    frames = [frame_of(scene, case.resolution) for scene in case.scenes]
    told = (
        {}
        if rng.random() < 0.4
        else {"source.inside": str(rng.choice(["whole", "centre", "touch"]))}
    )
    for _ in range(30):
        ground = _drawn(rng, frames)
        found = replace(case, region=ground, settings=case.settings | told)
        if _clear(found, frames):
            return found
    return case


def save(case: Case, path: Path) -> None:
    """Write the region as a GeoPackage in the CRS of the scenes."""
    frame = geopandas.GeoDataFrame(geometry=[case.region], crs=case.scenes[0].crs)
    frame.to_file(path, driver="GPKG")


def _drawn(rng: np.random.Generator, frames: list[Frame]) -> shapely.Geometry:
    """Stars of some points, or pieces of them, about a place in one of the scenes."""
    stars = []
    for _ in range(int(rng.integers(1, 3))):
        frame = frames[rng.integers(len(frames))]
        x = frame.left + rng.random() * frame.cols * frame.wide
        y = frame.top - rng.random() * frame.rows * frame.high
        angles = np.sort(rng.random(int(rng.integers(3, 9)))) * 2 * np.pi
        reach = rng.uniform(0.15, 1.0, len(angles)) * max(
            frame.cols * frame.wide, frame.rows * frame.high
        )
        corners = np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], axis=1)
        stars.append(shapely.Polygon(corners).buffer(0))
    return stars[0] if len(stars) == 1 else stars[0].symmetric_difference(stars[1])


def _clear(case: Case, frames: list[Frame]) -> bool:
    """Some tile lies in the region, and none, nor any pixel, on the line."""
    ground = case.region
    if (
        ground.is_empty
        or ground.geom_type not in ("Polygon", "MultiPolygon")
        or not ground.is_valid
    ):
        return False
    tiles = 0
    for frame in frames:
        few, many = (frame.tiles(case, ground, less) for less in (_MOST, _LEAST))
        near = _BESIDE * min(frame.wide, frame.high)
        inner, outer = (frame.pixels(ground.buffer(by)) for by in (-near, near))
        if (few != many).any() or (inner != outer).any():
            return False
        tiles += int(few.sum())
    return tiles > 0


def _count(size: int, core: int, stride: int) -> int:
    return 1 + max(0, -(-(size - core) // stride))
