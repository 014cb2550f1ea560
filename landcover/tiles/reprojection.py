"""From the places of one coordinate reference system to those of another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import pyproj
from rasterio import Env
from rasterio.errors import CRSError
from rasterio.warp import transform_bounds

from landcover.errors import SourceError
from landcover.tiles.gdal import FAILURES

Bounds: TypeAlias = tuple[float, float, float, float]
"""West, south, east and north, in the units of a CRS."""
DEGREES = "EPSG:4326"
"""Longitude and latitude on WGS 84."""
# Points along each side of a box: what is straight in one CRS is not in another.
_STEPS = 21
_LONGEST = 60  # characters of a CRS that are told


@lru_cache(64)
def transformer_between(own: pyproj.CRS | str, target: pyproj.CRS | str) -> pyproj.Transformer:
    """A transformer of places from one CRS to another: x before y, longitude before latitude.

    Args:
        own: that places are in, as PROJ understands it.
        target: that they are wanted in.

    Raises:
        SourceError: PROJ knows none, as none leads from the CRS of a building to the earth.
    """
    try:
        return pyproj.Transformer.from_crs(own, target, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        if own == target:  # of a building, in which PROJ knows no way either
            return pyproj.Transformer.from_pipeline("+proj=noop")
        reason = f"does not lead to {_short(target)}: give what is in it a CRS of the earth first"
        raise SourceError(f"the CRS {_short(own)}", reason) from error


def in_crs(shapes: Any, target: pyproj.CRS | str) -> Any:
    """Shapes of geopandas in another CRS.

    Raises:
        SourceError: as :func:`transformer_between` has it.
    """
    if shapes.crs != target:
        transformer_between(shapes.crs, target)  # geopandas would say it in words of PROJ
    return shapes.to_crs(target)


def bounds_in(own: Any, target: Any, bounds: Sequence[float]) -> Bounds:
    """Some bounds as they are in another CRS; infinite where they have no place there.

    Args:
        own: the CRS of the bounds, as rasterio understands it.
        target: the CRS that they are wanted in.
        bounds: west, south, east, north.
    """
    if own == target:
        west, south, east, north = bounds
    else:
        try:
            with Env():  # else GDAL tells standard error what it finds none of
                found = transform_bounds(own, target, *bounds, densify_pts=_STEPS)
            west, south, east, north = found
        except (*FAILURES, CRSError):
            return (math.inf,) * 4
    return west, south, east, north


def _short(crs: pyproj.CRS | str) -> str:
    return str(crs)[:_LONGEST]
