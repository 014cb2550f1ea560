"""From the places of one coordinate reference system to those of another."""

from __future__ import annotations

from functools import lru_cache

import pyproj

from landcover.errors import SourceError

DEGREES = "EPSG:4326"
"""Longitude and latitude on WGS 84."""
_LONGEST = 60  # characters of a CRS that are told


@lru_cache(64)
def way(own: pyproj.CRS | str, target: pyproj.CRS | str) -> pyproj.Transformer:
    """The way from one CRS to another: x before y, longitude before latitude.

    Args:
        own: that places are in, as PROJ understands it.
        target: that they are wanted in.

    Raises:
        SourceError: PROJ knows no way, as none leads from the CRS of a building to the earth.
    """
    try:
        return pyproj.Transformer.from_crs(own, target, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        reason = f"does not lead to {_short(target)}: give what is in it a CRS of the earth first"
        raise SourceError(f"the CRS {_short(own)}", reason) from error


def _short(crs: pyproj.CRS | str) -> str:
    return str(crs)[:_LONGEST]
