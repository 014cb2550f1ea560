"""Maps of scenes that overlap, each without the ground whose nearest centre is another scene's.

What is left of them lies beside one another, so that whoever shows or counts them, as one map or one by
one, finds the ground once. Distances are those in the scenes' CRS where all have the same projected
one, else straight lines through the earth (geocentric coordinates), which are right across zones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
from numpy.lib.stride_tricks import sliding_window_view
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from landcover.errors import OutputError
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Area, Codes, Size
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.maps.origins import Known, Origin
from landcover.tiles.gdal import FAILURES, cause
from landcover.tiles.opening import Allowed, opened_raster
from landcover.tiles.reprojection import transformer_between

_GEOCENTRIC = "EPSG:4978"
_ROWS = 512  # of a map that are looked at at once
_WARP = {"resampling": Resampling.nearest, "tolerance": 1e-6}
# Of a pixel: places as near to two centres as rounding can tell are as near to both.
_ROUNDING = 1e-3

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Centred:
    """A map and the middle of it.

    Args:
        name: of its file, relative to the run directory.
        place: among the maps, in the order of the scenes: of two that are as near the first counts.
        centre: x and y in the CRS of all, or geocentric x, y and z, in metres.
        pixel: half the diagonal of a pixel, in the same unit.
        radius: half the diagonal of the map, likewise.
    """

    name: str
    place: int
    centre: tuple[float, ...]
    pixel: float
    radius: float


@dataclass(frozen=True)
class Nearest:
    """Pixels of a map, without those that a map with a nearer centre has a class for.

    Args:
        own: the map.
        grid: its pixels.
        rivals: the maps that it may overlap, and whether their pixels are pixels of its own grid.
        step: the square of what rounding may do to a distance.
    """

    own: Centred
    grid: MapGrid
    rivals: tuple[tuple[Centred, bool], ...]
    step: float

    def read(self, run: RunDirectory, size: Size, area: Area) -> Known:
        """Read some pixels.

        Raises:
            OutputError: if a map cannot be read.
        """
        height, width = area.shape
        window = Window(area.col0, area.row0, width, height)
        codes = _read(run, self.own.name, lambda file: file.read(1, window=window))
        for rival, same in self.rivals:
            for row in range(area.row0, area.row1, _ROWS):
                strip = Area(row, min(row + _ROWS, area.row1), area.col0, area.col1)
                part = codes[strip.within(area)]
                lost = self._lost(run, rival, same, strip, part != run.scheme.nodata)
                part[lost] = run.scheme.nodata
        return Known(codes, area)

    def _lost(
        self,
        run: RunDirectory,
        rival: Centred,
        same: bool,
        area: Area,
        shown: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.bool_]:
        """Which pixels are the rival's: dims (y, x)."""
        # Where pixels do not lie on pixels, a map gives up only what the other shows for sure, and
        # what both show is the first one's: no ground is lost between them.
        slack = 0.0 if same else self.own.pixel + rival.pixel
        margin = math.ceil(slack / self.own.pixel) + 1 if slack else 0
        lost = shown & self._covered(run, rival, area, margin)
        rows, cols = np.nonzero(lost)
        places = position(self.grid, rows + area.row0, cols + area.col0, len(rival.centre))
        theirs, ours = (squares(places, one.centre) for one in (rival, self.own))
        if slack:
            nearer = np.sqrt(theirs) + slack < np.sqrt(ours)
        else:
            near, far = (np.floor(one / self.step + 0.37) for one in (theirs, ours))
            nearer = (near < far) | ((near == far) & (rival.place < self.own.place))
        lost[rows, cols] = nearer
        return lost

    def _covered(
        self, run: RunDirectory, rival: Centred, area: Area, margin: int
    ) -> npt.NDArray[np.bool_]:
        """Where another map has a class, also so many pixels around: dims (y, x)."""

        def seen(file: DatasetReader) -> Codes:
            if not margin:
                return _laid(file, self.grid, area, run.scheme.nodata)
            height, width = (edge + 2 * margin for edge in area.shape)
            part = self.grid.part(area.col0 - margin, area.row0 - margin, width, height)
            to = {"crs": part.crs, "transform": Affine(*part.transform), "width": width}
            with WarpedVRT(file, height=height, **to, **_WARP) as warped:
                codes: Codes = warped.read(1)
                return codes

        covered: npt.NDArray[np.bool_] = _read(run, rival.name, seen) != run.scheme.nodata
        for axis in (0, 1) if margin else ():
            covered = np.asarray(sliding_window_view(covered, 2 * margin + 1, axis).all(axis=-1))
        return covered


def nearest(
    names: Sequence[str], grids: Sequence[MapGrid], groups: Sequence[str]
) -> list[Callable[[Area], Origin]]:
    """Of each map, where its pixels come from once it has given up what is nearer to others.

    Args:
        names: of the maps of whole scenes, relative to the run directory.
        grids: their pixels.
        groups: maps of different ones have nothing to do with one another.
    """
    crs = {grid.crs for grid in grids}
    planar = len(crs) == 1 and pyproj.CRS.from_user_input(grids[0].crs).is_projected
    centred = [
        _centred(name, place, grid, 2 if planar else 3)
        for place, (name, grid) in enumerate(zip(names, grids, strict=True))
    ]
    step = _ROUNDING * centred[0].pixel ** 2
    middles = np.array([one.centre for one in centred])
    reach = np.array([one.radius for one in centred])
    found: list[Callable[[Area], Origin]] = []
    for own, grid in zip(centred, grids, strict=True):
        apart = np.sqrt(squares(middles, own.centre))
        near = np.flatnonzero(apart <= (reach + own.radius) * 1.01)
        rivals = tuple(
            (centred[other], _same_pixels(grids[other], grid))
            for other in near.tolist()
            if other != own.place and groups[other] == groups[own.place]
        )
        found.append(partial(_of_all, Nearest(own, grid, rivals, step)))
    return found


def _of_all(origin: Origin, area: Area) -> Origin:
    """What all areas of a map come from."""
    return origin


def _centred(name: str, place: int, grid: MapGrid, dims: int) -> Centred:
    col, row = (grid.width - 1) / 2, (grid.height - 1) / 2
    steps = np.array([0.0, 0.5, -0.5]), np.array([0.0, 0.5, -0.5])
    middle, *pixel = position(grid, row + steps[0], col + steps[1], dims)
    edge = np.array([-0.5, grid.height - 0.5]), np.array([-0.5, grid.width - 0.5])
    corners = position(grid, *edge, dims)
    reach = float(np.sqrt(squares(corners, tuple(middle))).max())
    across = float(np.sqrt(squares(np.array(pixel), tuple(middle))).max())
    return Centred(name, place, tuple(map(float, middle)), across, reach)


def position(
    grid: MapGrid, rows: npt.NDArray[Any], cols: npt.NDArray[Any], dims: int = 3
) -> Floats:
    """Where the middles of pixels lie, in metres.

    Args:
        grid: the pixels.
        rows: of those that are meant, dims (pixel,).
        cols: likewise.
        dims: 2 for the CRS of the grid, 3 for geocentric coordinates.

    Returns:
        dims (pixel, 2 or 3).
    """
    a, _, c, _, e, f = grid.transform
    x, y = c + a * (cols + 0.5), f + e * (rows + 0.5)
    if dims == 2:
        return np.stack([x, y], axis=-1)
    to_earth = transformer_between(grid.crs, _GEOCENTRIC)
    return np.stack(to_earth.transform(x, y, np.zeros_like(x)), axis=-1)


def squares(places: Floats, centre: Sequence[float] | Floats) -> Floats:
    """The squares of the distances of places from one: dims (pixel,)."""
    return np.asarray(((places - np.array(centre)) ** 2).sum(axis=-1))


def _same_pixels(one: MapGrid, other: MapGrid) -> bool:
    """Whether the pixels of two maps lie on one another, or would if the maps went on."""
    if one.crs != other.crs:
        return False
    first = np.array(other.pixel(*one.position(0, 0)))
    last = np.array(other.pixel(*one.position(one.width, one.height)))
    apart = (
        np.abs(first - np.round(first)).max(),
        np.abs(last - first - (one.width, one.height)).max(),
    )
    return bool(max(apart) < _ROUNDING)


def _laid(file: DatasetReader, grid: MapGrid, area: Area, nodata: int) -> Codes:
    """Pixels of a map whose grid is another's gone on with, where some pixels of that one lie."""
    codes: Codes = np.full(area.shape, nodata, file.dtypes[0])
    col, row = (round(place) for place in grid.pixel(file.transform.c, file.transform.f))
    there = Area(row, row + file.height, col, col + file.width)
    both = there.overlap(area)
    if not both.empty:
        height, width = both.shape
        window = Window(both.col0 - col, both.row0 - row, width, height)
        codes[both.within(area)] = file.read(1, window=window)
    return codes


def _read(run: RunDirectory, name: str, read: Callable[[DatasetReader], Codes]) -> Codes:
    where = run.storage.where(name)
    try:
        with opened_raster(where, Allowed(roots=(run.storage.where(""),))) as file:
            return read(file)
    except FAILURES as error:
        raise OutputError(where, f"cannot be read: {cause(error)}") from error
