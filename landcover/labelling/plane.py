"""A plane in metres that all scenes are seen in, true to length around the middle of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from landcover.tiles.grid import Block
from landcover.tiles.rasters.scene import Scene
from landcover.tiles.reprojection import DEGREES, transformer_between

Outlines = npt.NDArray[np.float64]
"""Corners of tiles in metres of the plane: dims (tile, corner, xy)."""


def plane_of(scenes: Iterable[Scene]) -> str:
    """A CRS in metres that is true to length around the middle of scenes, as text."""
    middles = []
    for scene in scenes:
        x, y = _centre(scene)
        lon, lat = np.radians(transformer_between(scene.crs, DEGREES).transform(x, y))
        middles.append((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))
    x, y, z = np.mean(middles, axis=0)
    lon, lat = np.degrees([np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))])
    return f"+proj=aeqd +lat_0={lat:.4f} +lon_0={lon:.4f} +datum=WGS84 +units=m +no_defs"


def outlines_of(scene: Scene, block: Block, plane: str) -> Outlines:
    """The corners of the tiles of a block in the plane, row after row, counterclockwise."""
    grid = scene.grid
    rows, cols = np.mgrid[block.row0 : block.row1, block.col0 : block.col1]
    top = rows.ravel() * grid.stride.rows - grid.before.rows - grid.halo
    left = cols.ravel() * grid.stride.cols - grid.before.cols - grid.halo
    bottom, right = top + grid.tile.rows, left + grid.tile.cols
    y, x = (
        np.stack([top, bottom, bottom, top], axis=1),
        np.stack([left, left, right, right], axis=1),
    )
    return placed(scene, x, y, plane)


def scene_outline(scene: Scene, plane: str) -> Any:
    """The ground of a scene in the plane, as a polygon with points along its sides."""
    steps = np.linspace(0, 1, 33)[:-1]
    zeros, ones = np.zeros_like(steps), np.ones_like(steps)
    x = np.concatenate([steps, ones, 1 - steps, zeros]) * scene.grid.width
    y = np.concatenate([zeros, steps, ones, 1 - steps]) * scene.grid.height
    return shapely.Polygon(placed(scene, x, y, plane))


def placed(
    scene: Scene, x: npt.NDArray[Any], y: npt.NDArray[Any], crs: str
) -> npt.NDArray[np.float64]:
    """Places in pixels of a scene's grid, taken to another CRS: dims (..., xy)."""
    a, _, c, _, e, f = scene.transform
    return np.stack(transformer_between(scene.crs, crs).transform(c + a * x, f + e * y), axis=-1)


def _centre(scene: Scene) -> tuple[float, float]:
    a, _, c, _, e, f = scene.transform
    return c + a * scene.grid.width / 2, f + e * scene.grid.height / 2
