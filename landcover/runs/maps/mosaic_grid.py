"""Where the maps of scenes lie on the grid of the first one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyproj
from rasterio.crs import CRS
from rasterio.warp import transform

from landcover.errors import SourceError
from landcover.runs.map_format.area import Area
from landcover.runs.map_format.grid import MapGrid
from landcover.tiles.reprojection import bounds_in

# Beyond this the mosaic of scenes would be nearly all gap.
MOST_GAPS = 20
# Of a pixel: rounding must not add a row, nor take pixels that lie on pixels for others.
_SLACK = 1e-6
# Steps along the edge of a map; and how much longer than most of them one is that goes round the
# world.
_STEPS, _JUMP = 21, 10


@dataclass(frozen=True)
class Place:
    """A map on the grid of a mosaic.

    Args:
        grid: the map's own, moved by whole turns of the earth to where the mosaic has it.
        area: the pixels of the mosaic that it lies in.
    """

    grid: MapGrid
    area: Area


def placed(
    grids: Sequence[MapGrid], names: Sequence[str], mosaic: str
) -> tuple[list[Place], MapGrid]:
    """Where each map lies on the grid of the first, begun anew at the corner of the whole.

    Args:
        grids: of the maps.
        names: of their scenes, for messages.
        mosaic: the name of the mosaic, likewise.

    Raises:
        SourceError: if one map of them all makes no sense.
    """
    first = grids[0]
    found = [_place(grid, first, name) for grid, name in zip(grids, names, strict=True)]
    whole = found[0].area
    for place in found[1:]:
        whole = whole.hull(place.area)
    height, width = whole.shape
    own = sum(math.prod(place.area.shape) for place in found)
    if width * height > MOST_GAPS * own:
        times = width * height / own
        reason = f"the scenes lie far apart: one map of all has {times:,.0f} times their own area"
        raise SourceError(mosaic, reason)
    moved = [replace(place, area=place.area.moved(-whole.row0, -whole.col0)) for place in found]
    return moved, first.part(whole.col0, whole.row0, width, height)


def aligned(grid: MapGrid, whole: MapGrid, area: Area) -> bool:
    """Whether the pixels of a map are pixels of the mosaic, in the given area."""
    if CRS.from_user_input(grid.crs) != CRS.from_user_input(whole.crs):
        return False
    corners = zip(
        *(whole.pixel(*grid.position(*at)) for at in ((0, 0), (grid.width, grid.height))),
        strict=True,
    )
    (left, right), (top, bottom) = corners
    wanted = (area.row0, area.row1, area.col0, area.col1)
    pairs = zip((top, bottom, left, right), wanted, strict=True)
    return area.shape == (grid.height, grid.width) and all(abs(a - b) < _SLACK for a, b in pairs)


def _place(grid: MapGrid, first: MapGrid, name: str) -> Place:
    """Where a map lies, in whole pixels of the first one's grid."""
    source, target = CRS.from_user_input(grid.crs), CRS.from_user_input(first.crs)
    same, turn = source == target, _turn(first.crs)
    left, low, right, high = grid.bounds if same else _bounds(grid, source, target, name)
    if turn:
        if right < left:  # PROJ's way to say that a box lies across the antimeridian
            right += turn
        x0, _, x1, _ = first.bounds
        turns = turn * round(((x0 + x1) - (left + right)) / 2 / turn)
        left, right = left + turns, right + turns
        if same and turns:
            a, b, c, d, e, f = grid.transform
            grid = replace(grid, transform=(a, b, c + turns, d, e, f))
    xs, ys = zip(first.pixel(left, low), first.pixel(right, high), strict=True)
    col0, row0 = math.floor(min(xs) + _SLACK), math.floor(min(ys) + _SLACK)
    area = Area(row0, math.ceil(max(ys) - _SLACK), col0, math.ceil(max(xs) - _SLACK))
    return Place(grid, area)


def _bounds(grid: MapGrid, source: CRS, target: CRS, name: str) -> tuple[float, ...]:
    """The bounds of a map in another CRS.

    Raises:
        SourceError: if it has none there, or lies on both ends of the other CRS.
    """
    box = bounds_in(source, target, grid.bounds)
    if not np.isfinite(box).all():
        reason = "cannot be placed in the CRS of the first scene, so there is no mosaic"
        raise SourceError(name, reason)
    if not target.is_geographic and _jumps(grid, source, target):
        reason = "lies on both ends of the CRS of the first scene, so there is no mosaic: list a scene first whose CRS is whole here"
        raise SourceError(name, reason)
    return box


def _jumps(grid: MapGrid, source: CRS, target: CRS) -> bool:
    """Whether the edges of a map, seen in another CRS, leap from one end of the world to the other."""
    steps = np.linspace(0, 1, _STEPS + 1)
    for at in (0.0, 1.0):
        for cols, rows in ((steps, np.full_like(steps, at)), (np.full_like(steps, at), steps)):
            pairs = zip(cols * grid.width, rows * grid.height, strict=True)
            x, y = zip(*(grid.position(*pair) for pair in pairs), strict=True)
            points = np.array(transform(source, target, x, y))
            lengths = np.hypot(*np.diff(points, axis=1))
            if lengths.max() > _JUMP * np.median(lengths):
                return True
    return False


def _turn(crs: str) -> float:
    """Once round the earth in the units of a geographic CRS; 0 for others."""
    found = pyproj.CRS.from_user_input(crs)
    if not found.is_geographic:
        return 0.0
    return 2 * math.pi / float(found.axis_info[0].unit_conversion_factor)
