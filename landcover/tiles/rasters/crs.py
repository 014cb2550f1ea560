"""Coordinate reference systems: what they are called, and how long their units are on the ground."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import pyproj
from rasterio.crs import CRS

from landcover.tiles.reprojection import transformer_between

# Metres of the step by which a scale is measured: far more than the rounding of coordinates, far
# less than a scene.
_STEP = 100.0


class Stretch(NamedTuple):
    """How a CRS shows the ground around a place.

    Args:
        across: metres of the CRS for a metre on the ground, going along x.
        down: likewise along y.
        shear: degrees by which the two directions miss a right angle on the ground.
    """

    across: float
    down: float
    shear: float

    @property
    def areal(self) -> float:
        """Square metres of the CRS for a square metre on the ground."""
        return self.across * self.down / math.cos(math.radians(self.shear))


def name_of(crs: Any) -> str:
    """A CRS of rasterio as text that gives the same CRS again; "" where there is none.

    It is a code, as EPSG:26914, only where the authority's CRS is equal: what GDAL finds is a guess
    where a file describes its CRS by parameters, and would drop its shift to WGS 84 (TOWGS84).
    """
    if not crs:
        return ""
    text = str(crs.to_wkt())
    authority = crs.to_authority()
    if authority:
        known = CRS.from_authority(*authority)
        if known == crs and ("TOWGS84" in text) == ("TOWGS84" in known.to_wkt()):
            return ":".join(authority)
    if CRS.from_wkt(text) == crs:
        return text
    return str(crs.to_wkt(version="WKT2_2019"))


def unit_of(crs: Any) -> tuple[str, float | None]:
    """The unit of a CRS of rasterio, and how many metres it has; None where the CRS does not say."""
    if not crs or not crs.is_projected:
        return "degrees" if crs and crs.is_geographic else "units", None
    unit, factor = crs.linear_units_factor
    return unit, float(factor)


def stretch_at(crs: str, x: float, y: float, metres: float) -> Stretch:
    """How a projected CRS shows the ground around a place, measured by geodesics on its ellipsoid.

    Args:
        crs: as :func:`name_of` tells it.
        x: of the place.
        y: of the place.
        metres: in a unit of the CRS.

    Returns:
        no stretch for a CRS that has no place on an ellipsoid (a local one).
    """
    found = _to_geodetic(crs)
    if found is None:
        return Stretch(1.0, 1.0, 0.0)
    transformer, geod = found
    half = _STEP / metres / 2
    lons, lats = transformer.transform([x - half, x + half, x, x], [y, y, y - half, y + half])
    if not all(map(math.isfinite, (*lons, *lats))):
        return Stretch(1.0, 1.0, 0.0)
    azimuths, _, lengths = geod.inv(lons[::2], lats[::2], lons[1::2], lats[1::2])
    shear = abs((azimuths[0] - azimuths[1]) % 180 - 90)
    return Stretch(_STEP / lengths[0], _STEP / lengths[1], shear)


@lru_cache(maxsize=64)
def _to_geodetic(crs: str) -> tuple[pyproj.Transformer, pyproj.Geod] | None:
    own = pyproj.CRS.from_user_input(crs)
    geodetic, geod = own.geodetic_crs, own.get_geod()
    if geodetic is None or geod is None:
        return None
    return transformer_between(own, geodetic), geod
