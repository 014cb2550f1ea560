"""One grid for the maps of several runs, coarse enough to be looked at as a whole."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyproj

from landcover.analysis.map_blocks import grid_of, map_names, opened_map
from landcover.errors import OutputError
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import MapGrid
from landcover.tiles.reprojection import Bounds, bounds_in

LONGEST = 4096
"""Pixels that no side of a frame exceeds."""
NODES = 17
"""Places along each side of a frame whose longitude and latitude are told."""


def frame_of(runs: Sequence[RunDirectory], pixels: int) -> MapGrid:
    """The grid on which maps lie above one another: in the CRS of the first, north up.

    Args:
        runs: directories of runs that are done, with maps.
        pixels: how many the grid may have; maps with fewer keep theirs.

    Raises:
        OutputError: if a run is not done, has no map, or one that cannot be laid beside the first.
    """
    grids = [(run, grid) for run in runs for grid in map_grids(run)]
    first = grids[0][1]
    boxes = [_box(run, grid, first.crs) for run, grid in grids]
    sizes = [(box, grid) for box, (_, grid) in zip(boxes, grids, strict=True)]
    across = min((box[2] - box[0]) / grid.width for box, grid in sizes)
    down = min((box[3] - box[1]) / grid.height for box, grid in sizes)
    west, south, east, north = _on_lattice(boxes, first, across, down)
    wide, high = (east - west) / across, (north - south) / down
    step = max(1.0, math.sqrt(wide * high / pixels), max(wide, high) / LONGEST)
    width, height = max(1, round(wide / step)), max(1, round(high / step))
    placed = ((east - west) / width, 0.0, west, 0.0, (south - north) / height, north)
    return MapGrid(first.crs, placed, width, height)


def map_grids(run: RunDirectory) -> list[MapGrid]:
    """The grids of the maps that together show a run."""
    grids = []
    for name in map_names(run):
        with opened_map(run, name) as file:
            grids.append(grid_of(file))
    return grids


def places_on(frame: MapGrid) -> list[list[float]] | None:
    """Longitude and latitude of the corners of a mesh over a frame, row after row.

    Returns:
        (lon, lat) in degrees (WGS 84), 17 x 17 of them; None where the frame is not on the earth.
    """
    west, south, east, north = frame.bounds
    x, y = np.meshgrid(np.linspace(west, east, NODES), np.linspace(north, south, NODES))
    try:
        to_degrees = pyproj.Transformer.from_crs(frame.crs, "EPSG:4326", always_xy=True)
        lon, lat = to_degrees.transform(x, y, errcheck=True)
    except pyproj.exceptions.ProjError:
        return None
    return np.stack([lon.ravel(), lat.ravel()], axis=1).round(7).tolist()  # type: ignore[no-any-return]


def aspect_of(frame: MapGrid) -> float:
    """How much higher than wide a pixel of a frame is to be drawn, so that shapes are right."""
    a, _, _, _, e, _ = frame.transform
    drawn = abs(e / a)
    if pyproj.CRS.from_user_input(frame.crs).is_geographic:
        latitude = frame.position(0, frame.height / 2)[1]
        drawn /= max(0.1, math.cos(math.radians(min(abs(latitude), 90))))
    return drawn


def _box(run: RunDirectory, grid: MapGrid, crs: str) -> Bounds:
    found = bounds_in(grid.crs, crs, grid.bounds)
    if not all(map(math.isfinite, found)):
        reason = "its map has no place in the CRS of the first run: make a report of each"
        raise OutputError(run.path, reason)
    return found


def _on_lattice(boxes: Sequence[Bounds], first: MapGrid, across: float, down: float) -> Bounds:
    """What holds all boxes, in whole pixels from the upper-left corner of the first."""
    west, _, _, north = first.bounds
    slack = 1e-6  # of a pixel: what is off by rounding needs no pixel more
    return (
        west + across * math.floor(min((box[0] - west) / across for box in boxes) + slack),
        north - down * math.ceil(max((north - box[1]) / down for box in boxes) - slack),
        west + across * math.ceil(max((box[2] - west) / across for box in boxes) - slack),
        north - down * math.floor(min((north - box[3]) / down for box in boxes) + slack),
    )
