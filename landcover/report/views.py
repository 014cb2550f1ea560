"""Classes and scores of a run on a grid to be looked at: of large maps by their overviews."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
from rasterio.io import DatasetReader
from rasterio.transform import Affine
from rasterio.warp import reproject

from landcover.analysis.map_blocks import (
    WARP,
    Progress,
    class_index,
    grid_of,
    map_names,
    no_progress,
    opened_map,
)
from landcover.errors import OutputError
from landcover.runs.directory import RunDirectory
from landcover.runs.geoparquet import crs_of
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.parts import all_parts, read_part
from landcover.tiles.gdal import FAILURES, cause
from landcover.tiles.reprojection import bounds_in, transformer_between

Classes = npt.NDArray[np.intp]
Scores = npt.NDArray[np.float32]
_PLACED = ("source", "xmin", "ymin", "xmax", "ymax", "score")


def classes_on(run: RunDirectory, frame: MapGrid) -> Classes:
    """The class of a run at each pixel of a frame, as the nearest pixel of the map has it.

    Args:
        run: the directory of a run that is done, with a map.
        frame: of which :func:`landcover.report.frame.frame_of` says how fine it may be.

    Returns:
        dims (y, x): the index of the class in the scheme, ``len(scheme)`` where there is none.

    Raises:
        OutputError: if the map cannot be read.
    """
    found = np.full((frame.height, frame.width), len(run.scheme), np.intp)
    for name in reversed(map_names(run)):  # where places lie in several, the first one counts
        with opened_map(run, name) as file:
            own = _reduced(file, frame)
            try:
                codes = file.read(1, out_shape=(own.height, own.width))
            except FAILURES as error:
                where = run.storage.where(name)
                raise OutputError(where, f"cannot be read: {cause(error)}") from error
        index = class_index(_laid(codes, own, frame, run.scheme.nodata), run, name)
        known = index < len(run.scheme)
        found[known] = index[known]
    return found


def scores_on(run: RunDirectory, frame: MapGrid, progress: Progress = no_progress) -> Scores | None:
    """The score of a run that labels tiles at each pixel of a frame.

    Where a pixel stands for several tiles it is their mean; where several scenes show a place it is
    that of the first, as on the map.

    Args:
        run: the directory of a run that is done, with a map.
        frame: the pixels.
        progress: called after each part of the table.

    Returns:
        dims (y, x), in [0, 1], NaN where there is none; None where a run has no map of all scenes.

    Raises:
        OutputError: if the map or a part of the table cannot be read.
    """
    names = map_names(run)
    if len(names) > 1:
        return None
    with opened_map(run, names[0]) as file:
        own = _reduced(file, frame)
    table = _Means(own)
    parts = all_parts(run)
    for done, index in enumerate(parts, 1):
        table.add(read_part(run, index, _PLACED))
        progress(done, len(parts))
    found: Scores = _laid(table.means, own, frame, np.nan)
    return found


class _Means:
    """Mean scores of the tiles in each pixel of a grid; those of the first scene there alone."""

    def __init__(self, grid: MapGrid) -> None:
        self._grid = grid
        self._sums = np.zeros(grid.height * grid.width)
        self._counts = np.zeros(grid.height * grid.width, np.int32)
        self._owners = np.full(grid.height * grid.width, -1, np.int32)
        self._sources: dict[str, int] = {}

    def add(self, table: pa.Table) -> None:
        """Add a part of the table of tiles."""
        for source, tiles in _by_source(table):
            owner = self._sources.setdefault(source, len(self._sources))
            cells, scores = self._cells(tiles, crs_of(table.schema.metadata))
            free = np.isin(self._owners[cells], (-1, owner))
            cells, scores = cells[free], scores[free]
            self._owners[cells] = owner
            np.add.at(self._sums, cells, scores)
            np.add.at(self._counts, cells, 1)

    @property
    def means(self) -> Scores:
        """Dims (y, x); NaN where no tile has its middle."""
        nothing = np.full(len(self._sums), np.nan, np.float32)
        means = np.divide(self._sums, self._counts, out=nothing, where=self._counts > 0)
        return means.reshape(self._grid.height, self._grid.width)

    def _cells(
        self, tiles: dict[str, npt.NDArray[Any]], crs: pyproj.CRS | None
    ) -> tuple[npt.NDArray[np.intp], Scores]:
        """In which pixels tiles have their middles, and their scores; those outside are left out."""
        x, y = (tiles["xmin"] + tiles["xmax"]) / 2, (tiles["ymin"] + tiles["ymax"]) / 2
        if crs is not None and crs != pyproj.CRS(self._grid.crs):
            x, y = transformer_between(crs, self._grid.crs).transform(x, y)
        a, _, c, _, e, f = self._grid.transform
        col, row = np.floor((x - c) / a), np.floor((y - f) / e)
        inside = (col >= 0) & (col < self._grid.width) & (row >= 0) & (row < self._grid.height)
        cells = (row * self._grid.width + col)[inside].astype(np.intp)
        return cells, tiles["score"][inside].astype(np.float32)


def _by_source(table: pa.Table) -> Iterator[tuple[str, dict[str, npt.NDArray[Any]]]]:
    """The columns of each scene's tiles, in the order in which scenes first occur."""
    columns = {name: table[name].to_numpy() for name in _PLACED}
    sources = columns.pop("source")
    for source in dict.fromkeys(sources.tolist()):
        of_it = sources == source
        yield str(source), {name: values[of_it] for name, values in columns.items()}


def _reduced(file: DatasetReader, frame: MapGrid) -> MapGrid:
    """The grid of a map, made coarser until its pixels are about as large as those of a frame."""
    whole = grid_of(file)
    west, south, east, north = bounds_in(whole.crs, frame.crs, whole.bounds)
    a, _, _, _, e, _ = frame.transform
    width = min(whole.width, max(1, round((east - west) / abs(a))))
    height = min(whole.height, max(1, round((north - south) / abs(e))))
    a, b, c, d, e, f = whole.transform
    placed = (a * whole.width / width, b, c, d, e * whole.height / height, f)
    return MapGrid(whole.crs, placed, width, height)


def _laid(values: npt.NDArray[Any], own: MapGrid, frame: MapGrid, nodata: float) -> Any:
    """Values of one grid at the pixels of another, the nearest each: dims (y, x)."""
    same = np.allclose(own.transform, frame.transform, rtol=1e-9, atol=1e-9)
    if same and own.crs == frame.crs and values.shape == (frame.height, frame.width):
        return values
    placed = np.full((frame.height, frame.width), nodata, values.dtype)
    reproject(
        values,
        placed,
        src_transform=Affine(*own.transform),
        src_crs=own.crs,
        src_nodata=nodata,
        dst_transform=Affine(*frame.transform),
        dst_crs=frame.crs,
        dst_nodata=nodata,
        **WARP,
    )
    return placed
