"""The imagery that a run has scored, in natural colours, for people to look at."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT

from landcover.errors import OutputError, SourceError
from landcover.runs.directory import MANIFEST, RunDirectory
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.maps.nearest import position, squares
from landcover.runs.parts import read_parts
from landcover.stores.urls import is_remote
from landcover.tiles.gdal import FAILURES, cause
from landcover.tiles.opening import opened_raster
from landcover.tiles.rasters.naming import named_scenes
from landcover.tiles.reprojection import bounds_in

Pixels = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Scenes:
    """The scenes in the tables of a run.

    Args:
        files: each with its file, in the order in which the map shows them where they overlap.
        nearest: whether ground that several show is that of the one with the nearest centre.
    """

    files: dict[str, str | None]
    nearest: bool


def scenes_of(run: RunDirectory) -> Scenes:
    """The scenes in the tables of a run, each with its file, as the run's configuration says where it is.

    Tables say nothing of files: what no entry of the configuration names has none. A smoothed run has
    the scenes of the run that it was made of, a comparison those of its last date.

    Raises:
        OutputError: if a part of the run cannot be read, or it was made of a run behind a URL.
    """
    run = _scored(run)
    said = run.manifest()
    entries = said.get("config", {}).get("source", {}).get("rasters", [])
    try:
        found = named_scenes([tuple(one) if isinstance(one, list) else one for one in entries])
    except SourceError:  # it is gone, or elsewhere: whoever opens a scene says so
        files = {}
    else:
        files = {name: paths[0] for name, paths in found.scenes}
    overlap = said.get("config", {}).get("output", {}).get("overlap")
    names = _newest_first(run) if overlap == "newest" else _as_listed(run)
    return Scenes({name: files.get(name) for name in names}, overlap == "centre")


def _scored(run: RunDirectory) -> RunDirectory:
    """The run that scored tiles, of which another was made, perhaps by way of others."""
    before = {run.path}
    while made := (said := run.manifest()).get("smoothed") or said.get("compared"):
        if isinstance(made, list):
            path, date = made[-1], "".join(said.get("compared_dates", [])[-1:])
        else:
            path, date = made["from"], made.get("date", "")
        if is_remote(path) and not is_remote(run.path):
            reason = "was made of a run behind a URL: take that one, by its name"
            raise OutputError(run.path, reason)
        if path in before:
            raise OutputError(run.path, f"was made of itself, as its {MANIFEST} has it")
        before.add(path)
        run = replace(RunDirectory.open(path), date=date)
    return run


def _as_listed(run: RunDirectory) -> Iterator[str]:
    for table in read_parts(run, columns=["source"]):
        yield from table.column("source").unique().to_pylist()


def _newest_first(run: RunDirectory) -> list[str]:
    dates: dict[str, str] = {}
    for table in read_parts(run, columns=["source", "date"]):
        pairs = table.group_by(["source", "date"]).aggregate([]).to_pylist()
        dates.update({pair["source"]: pair["date"] for pair in pairs})
    return sorted(dates, key=dates.__getitem__, reverse=True)


def opened_scene(name: str, path: str | None, stack: ExitStack, advice: str = "") -> DatasetReader:
    """A scene, opened until a stack is closed.

    Args:
        name: what the tables call it.
        path: its file; None: nobody knows.
        stack: closes it.
        advice: how to go without it, in parentheses.

    Raises:
        SourceError: if it cannot be opened.
    """
    reason = f"cannot be read for pictures{advice}"
    if path is None:
        raise SourceError(name, f"{reason}: it is not where the run's configuration says")
    try:
        file: DatasetReader = stack.enter_context(opened_raster(path))
    except FAILURES as error:
        raise SourceError(name, f"{reason}: {cause(error)}") from error
    return file


def read_natural(
    name: str, file: DatasetReader, grid: MapGrid, resampling: Resampling
) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """The pixels of a scene on a grid.

    Args:
        name: of its file.
        file: the scene; the first three bands are red, green and blue, of fewer the first is grey.
        grid: where its pixels are wanted.
        resampling: how they get there.

    Returns:
        pixels, dims (band, y, x), and where there are any, dims (y, x).

    Raises:
        SourceError: if they cannot be read.
    """
    where = {"crs": grid.crs, "transform": Affine(*grid.transform)}
    size = {"width": grid.width, "height": grid.height}
    bands = (1, 2, 3) if file.count >= 3 else (1, 1, 1)
    try:
        with WarpedVRT(file, resampling=resampling, add_alpha=True, **where, **size) as warped:
            pixels = warped.read(bands).astype(np.float32)
            known: npt.NDArray[np.bool_] = warped.dataset_mask() > 0
    except FAILURES as error:
        raise SourceError(name, f"cannot be read for pictures: {cause(error)}") from error
    return pixels, known


def natural(pixels: Pixels, known: npt.NDArray[np.bool_], stretched: bool) -> Picture:
    """Pixels as a picture: dims (y, x, rgb), white where there are none.

    Args:
        pixels: dims (band, y, x).
        known: where there are any.
        stretched: whether what is darkest and lightest of them becomes black and white: anything but
            bytes.
    """
    if stretched and known.any():
        low, high = np.percentile(pixels[:, known], (2, 98))
        pixels = (pixels - low) * (255 / max(high - low, 1e-9))
    shown = np.where(known, pixels, 255)
    picture: Picture = np.moveaxis(np.clip(shown, 0, 255), 0, -1).astype(np.uint8)
    return picture


def imagery_on(run: RunDirectory, grid: MapGrid) -> Picture:
    """The imagery of a run on a grid to be looked at: where scenes overlap, the one that its map shows.

    Args:
        run: the directory.
        grid: the pixels, no more of them than a screen has; what lies in each is averaged.

    Returns:
        dims (y, x, rgb), white where no scene has data.

    Raises:
        SourceError: if a scene cannot be read.
        OutputError: if a part of the run cannot be read.
    """
    found = np.zeros((3, grid.height, grid.width), np.float32)
    # How far what is shown stands behind: the place of its scene, or how far its centre is.
    behind = np.full((grid.height, grid.width), np.inf)
    stretched = False
    scenes = scenes_of(run)
    for number, (name, path) in enumerate(scenes.files.items()):
        with ExitStack() as stack:
            file = opened_scene(name, path, stack)
            place = _place(file, grid)
            if place is None:
                continue
            part = grid.part(*place)
            pixels, there = read_natural(name, file, part, Resampling.average)
            stretched |= file.dtypes[0] != "uint8"
            rank = distances(file, part) if scenes.nearest else np.full(there.shape, float(number))
        col, row, width, height = place
        window = slice(row, row + height), slice(col, col + width)
        new = there & (rank < behind[window])
        found[:, *window][:, new] = pixels[:, new]
        behind[window][new] = rank[new]
    return natural(found, np.isfinite(behind), stretched)


def distances(file: DatasetReader, grid: MapGrid) -> npt.NDArray[np.float64]:
    """The squares of how far the middles of pixels are from that of a scene: dims (y, x), in m²."""
    own = MapGrid(file.crs.to_wkt(), tuple(file.transform)[:6], file.width, file.height)
    middle = position(own, np.array([(own.height - 1) / 2]), np.array([(own.width - 1) / 2]))[0]
    rows, cols = np.indices((grid.height, grid.width)).reshape(2, -1)
    return squares(position(grid, rows, cols), middle).reshape(grid.height, grid.width)


def _place(file: DatasetReader, grid: MapGrid) -> tuple[int, int, int, int] | None:
    """Column, row, width and height of what a scene covers of a grid; None where it is nothing."""
    west, south, east, north = bounds_in(file.crs, grid.crs, file.bounds)
    if not all(map(math.isfinite, (west, south, east, north))):
        return None
    corners = [grid.pixel(x, y) for x in (west, east) for y in (south, north)]
    cols, rows = zip(*corners, strict=True)
    left, right = max(0, math.floor(min(cols))), min(grid.width, math.ceil(max(cols)))
    top, low = max(0, math.floor(min(rows))), min(grid.height, math.ceil(max(rows)))
    return (left, top, right - left, low - top) if left < right and top < low else None
