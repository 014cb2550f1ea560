"""A run's map seen on the grid of another one: the nearest pixel at the centre of each of its pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
from rasterio.windows import Window

from landcover.analysis.map_blocks import class_index, grid_of, opened_map, read
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Area
from landcover.runs.map_format.grid import MapGrid
from landcover.tiles.reprojection import transformer_between

Labels = npt.NDArray[np.uint16]
Floats = npt.NDArray[np.float64]
MOST = 2**22
"""Pixels of another map that are held at once."""
# Of a pixel: a centre on the border of two is of the later one, whatever rounding says.
_SLACK = 1e-6


@dataclass(frozen=True)
class Dated:
    """The map of one date.

    Args:
        run: its directory, opened with the scheme that all dates are counted in.
        names: of its maps; where places lie in several, the first one that has a class counts.
    """

    run: RunDirectory
    names: tuple[str, ...]

    def labels(self, grid: MapGrid) -> Labels:
        """Which class of the scheme each pixel of a grid is, ``len(scheme)`` where there is none.

        Returns:
            dims (y, x).

        Raises:
            OutputError: if a map cannot be read.
        """
        nothing = np.array(len(self.run.scheme), np.uint16)
        found = np.full((grid.height, grid.width), nothing, np.uint16)
        for name in self.names:
            missing = found == nothing
            if not missing.any():
                break
            found[missing] = self._labels_of(name, grid, nothing)[missing]
        return found

    def _labels_of(self, name: str, grid: MapGrid, nothing: Labels) -> Labels:
        with opened_map(self.run, name) as file:

            def labels_of(area: Area) -> Labels:
                height, width = area.shape
                window = Window(area.col0, area.row0, width, height)
                codes = read(self.run.storage.where(name), file, window)
                return class_index(codes, self.run, name).astype(np.uint16)

            return sampled(grid, grid_of(file), labels_of, nothing)


def sampled(
    grid: MapGrid,
    target: MapGrid,
    values: Callable[[Area], npt.NDArray[Any]],
    blank: npt.NDArray[Any],
    most: int = MOST,
) -> npt.NDArray[Any]:
    """What another grid holds at the centres of a grid's pixels.

    Args:
        grid: the pixels that are asked for.
        target: those that have values.
        values: reads some of these: dims (y, x, ...).
        blank: what there is where ``target`` ends: dims (...).
        most: how many pixels of ``target`` are read at once; those of a single pixel at least.

    Returns:
        dims (y, x, ...) of ``grid``.
    """
    rows, cols = _pixels(grid, target)
    below, beside = (rows >= 0) & (rows < target.height), (cols >= 0) & (cols < target.width)
    found = np.empty((grid.height, grid.width, *blank.shape), blank.dtype)
    if not (below & beside).any():
        found[...] = blank
        return found
    if rows.shape == cols.shape:
        inside = below & beside
        below, beside = inside, inside
    area = Area(*_span(rows[below]), *_span(cols[beside]))
    height, width = area.shape
    if height * width > most and grid.height * grid.width > 1:
        return np.concatenate(
            [sampled(part, target, values, blank, most) for part in _halves(grid)],
            axis=0 if grid.height >= grid.width else 1,
        )
    found[...] = blank
    held = values(area)
    if rows.shape == cols.shape:
        at = rows[inside].astype(np.intp) - area.row0, cols[inside].astype(np.intp) - area.col0
        found[inside] = held[at]
    else:
        down, across = np.flatnonzero(below), np.flatnonzero(beside)
        at = (
            rows[down].astype(np.intp) - area.row0,
            cols[:, across].astype(np.intp) - area.col0,
        )
        found[down[0] : down[-1] + 1, across[0] : across[-1] + 1] = held[at]
    return found


def _pixels(grid: MapGrid, target: MapGrid) -> tuple[Floats, Floats]:
    """The row and column of ``target`` in which each centre of ``grid`` lies.

    Returns:
        dims (y, 1) and (1, x) where both have one CRS, else (y, x) both; not finite where the
        other CRS ends.
    """
    a, _, c, _, e, f = grid.transform
    x: Floats = np.asarray(c + a * (np.arange(grid.width)[None, :] + 0.5), np.float64)
    y: Floats = np.asarray(f + e * (np.arange(grid.height)[:, None] + 0.5), np.float64)
    between = _between(grid.crs, target.crs)
    if between is not None:
        everywhere = np.broadcast_arrays(x, y)
        x, y = between.transform(everywhere[0], everywhere[1])
    a, _, c, _, e, f = target.transform
    return np.floor((y - f) / e + _SLACK), np.floor((x - c) / a + _SLACK)


@lru_cache(64)
def _between(one: str, other: str) -> pyproj.Transformer | None:
    """The way from one CRS to another; None where they are the same."""
    if one == other or pyproj.CRS.from_user_input(one) == pyproj.CRS.from_user_input(other):
        return None
    return transformer_between(one, other)


def _span(places: Floats) -> tuple[int, int]:
    return int(places.min()), int(places.max()) + 1


def _halves(grid: MapGrid) -> tuple[MapGrid, MapGrid]:
    width, height = grid.width, grid.height
    if height >= width:
        half = height // 2
        return grid.part(0, 0, width, half), grid.part(0, half, width, height - half)
    half = width // 2
    return grid.part(0, 0, half, height), grid.part(half, 0, width - half, height)
