"""Polygons in another CRS: edges that are straight in one are curves in the other."""

from __future__ import annotations

from math import isfinite, sqrt
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from landcover.errors import SourceError
from landcover.tiles.reprojection import DEGREES, transformer_between

Bounds: TypeAlias = tuple[float, float, float, float]
"""(xmin, ymin, xmax, ymax)"""

Points = npt.NDArray[np.float64]

# What is cut out of a region reaches beyond what is asked for by this share: the edges of the cut
# must not come into sight when they are bent.
_MARGIN = 0.05
# Wherever a region may lie, in metres or degrees.
_ANYWHERE = shapely.box(-1e12, -1e12, 1e12, 1e12)
# Points along each side of bounds that are seen in another CRS.
_STEPS = 41
# Edges begin as this many steps along the diagonal, and are halved at least; no more than so often.
_FIRST_STEPS, _ROUNDS = 4, 16


def boxes_of(target: pyproj.CRS, bounds: Bounds, own: pyproj.CRS) -> list[shapely.Polygon]:
    """What of the earth some bounds may show, as boxes in the CRS of a region.

    Args:
        target: the CRS of the bounds.
        bounds: in that CRS.
        own: the CRS of the region.

    Returns:
        one box, or several where the bounds lie across the edge of the region's CRS.
    """
    turns = (-360.0, 0.0, 360.0) if target.is_geographic else (0.0,)
    if own.equals(target, ignore_axis_order=True):
        west, south, east, north = _widened(bounds)
        return [shapely.box(west + turn, south, east + turn, north) for turn in turns]
    to_own = transformer_between(target, own)
    found = to_own.transform_bounds(*bounds, densify_pts=_STEPS)
    # What lies around a pole may lie beyond all that its edges show, as it does on Mercator's maps.
    if not all(map(isfinite, found)) or (not own.is_geographic and _hold_a_pole(target, bounds)):
        return [_ANYWHERE]
    west, south, east, north = found
    if not own.is_geographic:
        return [shapely.box(*_widened((west, south, east, north)))]
    if west > east:  # PROJ's way to say that bounds lie across the antimeridian
        east += 360.0
    west, south, east, north = _widened((west, south, east, north))
    turned = [(west + turn, east + turn) for turn in (-360.0, 0.0, 360.0)]
    return [
        shapely.box(left, south, right, north)
        for left, right in turned
        if left < 360.0 and right > -360.0
    ]


def _hold_a_pole(crs: pyproj.CRS, bounds: Bounds) -> bool:
    west, south, east, north = bounds
    poles = transformer_between(DEGREES, crs).transform([0.0, 0.0], [90.0, -90.0])
    return any(west < x < east and south < y < north for x, y in zip(*poles, strict=True))


def in_degrees(crs: pyproj.CRS | str, bounds: Bounds) -> str:
    """Bounds as people read them: west, south, east and north in degrees."""
    return " ".join(
        f"{side:.3f}" for side in transformer_between(crs, DEGREES).transform_bounds(*bounds)
    )


def place(
    ground: shapely.Geometry, own: pyproj.CRS, target: pyproj.CRS, tolerance: float, source: str
) -> shapely.Geometry:
    """An area in another CRS, with as many vertices as its edges need there.

    Args:
        ground: in the CRS ``own``.
        own: that it is in.
        target: that it is wanted in.
        tolerance: how far edges may be off, in the unit of ``target``.
        source: the file it comes from, for messages.

    Raises:
        SourceError: if it has no place there.
    """
    if ground.is_empty:
        return ground
    transformer = transformer_between(own, target)

    def moved_points(points: Points) -> Points:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    west, south, east, north = shapely.bounds(ground)
    step = sqrt((east - west) ** 2 + (north - south) ** 2) / _FIRST_STEPS
    for _ in range(_ROUNDS):
        dense = shapely.segmentize(ground, step)
        off = _sagitta(dense, moved_points)
        if off <= tolerance:
            break
        step *= min(0.5, 0.9 * sqrt(tolerance / off))  # a chord half as long is off by a fourth
    placed = shapely.transform(dense, moved_points)
    if not np.isfinite(shapely.get_coordinates(placed)).all():
        reason = f"cannot be placed in the CRS of the imagery ({target.name}): cut it to that place"
        raise SourceError(source, reason)
    return placed if placed.is_valid else _areas(shapely.make_valid(placed))


def moved(placed: shapely.Geometry, bounds: Bounds) -> shapely.Geometry:
    """An area in degrees, moved by whole turns of the earth to where some bounds have it."""
    frame = shapely.box(*_widened(bounds))
    turned = [
        shapely.transform(placed, lambda p, t=turn: p + np.array([t, 0])) for turn in (-360, 0, 360)
    ]
    return shapely.union_all([one for one in turned if one.intersects(frame)])


def _sagitta(dense: shapely.Geometry, moved_points: object) -> float:
    """How far the middles of edges are, once moved, from the straight lines between their ends."""
    rings = shapely.get_rings(shapely.get_parts(dense))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    if not len(points):
        return 0.0
    same = ring[1:] == ring[:-1]
    begin, end = points[:-1][same], points[1:][same]
    first, last, middle = (moved_points(at) for at in (begin, end, (begin + end) / 2))  # type: ignore[operator]
    along, across = last - first, middle - first
    length = np.hypot(along[:, 0], along[:, 1])
    area = np.abs(along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0])
    off = np.divide(area, length, out=np.zeros_like(area), where=length > 0)
    return float(np.max(off[np.isfinite(off)], initial=0.0))


def _areas(found: shapely.Geometry) -> shapely.Geometry:
    """What has an area of a mended geometry, which may hold lines and points too."""
    parts = shapely.get_parts(shapely.get_parts(found))
    return shapely.union_all([part for part in parts if part.area > 0])


def _widened(bounds: Bounds) -> Bounds:
    west, south, east, north = bounds
    x, y = _MARGIN * (east - west), _MARGIN * (north - south)
    return west - x, south - y, east + x, north + y
