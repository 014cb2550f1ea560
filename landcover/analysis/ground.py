"""How large the pixels of a map are on the ground."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyproj
from rasterio.crs import CRS

from landcover.runs.map_format.grid import MapGrid
from landcover.tiles.rasters.crs import name_of, stretch_at, unit_of
from landcover.tiles.reprojection import transformer_between

Floats = npt.NDArray[np.float64]
# Web Mercator stretches areas by 0.7 % even on the equator; UTM, within its zone, by 0.2 % at most.
_STRETCH = 0.005
# Columns that share one measurement, and how far they reach in metres: an area changes less along a
# row than from row to row (in degrees and Mercator's projections not at all).
_COLUMNS, _REACH = 64, 8000.0


@dataclass(frozen=True)
class Ground:
    """The areas of a grid's pixels on the ground.

    Where the CRS is projected and shows areas within 0.5 % of what they are, at the grid's middle,
    corners and edges, a pixel is as large as its sides say, as in any GIS. Elsewhere (geographic
    CRSs, Web Mercator, conic maps of a continent), its corners are taken to the equal-area
    cylindrical projection on the ellipsoid of the CRS; what they enclose there is its area.

    Args:
        grid: the pixels.
    """

    grid: MapGrid

    @cached_property
    def planar(self) -> float | None:
        """Square metres of every pixel; None where they differ."""
        crs = CRS.from_user_input(self.grid.crs)
        if crs.is_geographic:
            return None
        metres = unit_of(crs)[1] or 1.0
        name, steps = name_of(crs), (0.0, 0.5, 1.0)
        places = [
            self.grid.position(across * self.grid.width, down * self.grid.height)
            for across in steps
            for down in steps
        ]
        areal = (stretch_at(name, *place, metres).areal for place in places)
        if max(abs(one - 1) for one in areal) > _STRETCH:
            return None
        a, _, _, _, e, _ = self.grid.transform
        return abs(a * e) * metres**2

    def pixels(self, col: int, row: int, width: int, height: int) -> Floats:
        """Square metres of some pixels: dims (row, column), or what broadcasts to them.

        NaN where the grid reaches beyond what its CRS can show.
        """
        if self.planar is not None:
            return np.full((1, 1), self.planar)
        step = self._columns
        first = col // step  # the same pixels share one measurement whoever asks
        edges = np.arange(first, -(-(col + width) // step) + 1) * step
        a, _, c, _, e, f = self.grid.transform
        cols, rows = np.meshgrid(edges, np.arange(row, row + height + 1))
        x, y = np.asarray(c + a * cols, np.float64), np.asarray(f + e * rows, np.float64)
        east, north = self._equal_area(x, y)
        # Half the cross product of the diagonals of what four corners enclose.
        down = east[1:, 1:] - east[:-1, :-1], north[1:, 1:] - north[:-1, :-1]
        up = east[1:, :-1] - east[:-1, 1:], north[1:, :-1] - north[:-1, 1:]
        areas = abs(down[0] * up[1] - down[1] * up[0]) / 2
        begin = col - first * step
        shared: Floats = np.repeat(areas / step, step, axis=1)[:, begin : begin + width]
        return shared

    @cached_property
    def _columns(self) -> int:
        metres = unit_of(CRS.from_user_input(self.grid.crs))[1]
        if metres is None:
            return _COLUMNS
        return max(1, min(_COLUMNS, int(_REACH / abs(self.grid.transform[0] * metres))))

    def _equal_area(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Places on the equal-area cylindrical projection, in metres."""
        own = pyproj.CRS.from_user_input(self.grid.crs)
        geodetic, geod = own.geodetic_crs, own.get_geod()
        assert (
            geodetic is not None and geod is not None
        )  # only the CRS of a camera or a building has none
        lon, lat = transformer_between(own, geodetic).transform(x, y)
        unit = np.degrees(geodetic.axis_info[0].unit_conversion_factor)
        lon = np.unwrap(np.unwrap(lon * unit, period=360, axis=1), period=360, axis=0)
        lat = np.clip(lat * unit, -90, 90)
        equal_area = pyproj.Proj(proj="cea", a=geod.a, b=geod.b)
        north = np.asarray(equal_area(np.zeros_like(lat), lat)[1])
        known = np.isfinite(north) & np.isfinite(lon)
        return np.where(known, geod.a * np.radians(lon), np.nan), np.where(known, north, np.nan)
