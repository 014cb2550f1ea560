"""The map of a finished run, block after block, each place on the ground once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window
from rasterio.windows import transform as window_transform

from landcover.classes import Scheme
from landcover.errors import OutputError
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.maps.maker import CHANGE, INDEX, MAP
from landcover.tiles.gdal import FAILURES, cause
from landcover.tiles.opening import Allowed, opened_raster
from landcover.tiles.rasters.crs import name_of
from landcover.tiles.rasters.cut_off import cut_off
from landcover.tiles.reprojection import bounds_in

Progress = Callable[[int, int], None]
"""Called with how many blocks are done, and how many there are."""
EDGE = 2048
"""Pixels along the sides of a block: a whole number of the blocks that maps are stored in."""
WARP = {"resampling": Resampling.nearest, "tolerance": 1e-6}
"""Of GDAL's warper: the nearest pixel, where GDAL's own tolerance is an eighth of one."""


class Block(NamedTuple):
    """Pixels of a map.

    Args:
        classes: dims (y, x): which class of the scheme each is, ``len(scheme)`` where there is none.
        grid: of the map.
        col: of its first pixel in the map.
        row: likewise.
    """

    classes: npt.NDArray[np.intp]
    grid: MapGrid
    col: int
    row: int

    @property
    def part(self) -> MapGrid:
        """Its pixels as a grid of their own."""
        height, width = self.classes.shape
        return self.grid.part(self.col, self.row, width, height)

    @property
    def transform(self) -> Affine:
        """Of its pixels."""
        return Affine(*self.part.transform)


def no_progress(done: int, total: int) -> None:
    """Tell nobody."""


def finished(run: RunDirectory) -> dict[str, Any]:
    """What ``run.json`` says of a run that is done.

    Raises:
        OutputError: if it is not.
    """
    said = run.manifest()
    status = said.get("status")
    if status != "done":
        reason = (
            f"is not done (its status is {status!r}): the command that began it goes on with it"
        )
        raise OutputError(run.path, reason)
    return said


def labels_pixels(run: RunDirectory) -> bool:
    """Whether a pixel of a run's map is one of its scene, and not a tile.

    Raises:
        OutputError: if the run is not done.
    """
    return bool(finished(run).get("model", {}).get("output") == "pixel")


def map_names(run: RunDirectory) -> list[str]:
    """The maps that together show a run: one of all its scenes, or one a scene where there is none.

    Returns:
        names relative to the directory; where places lie in several, the first one counts.

    Raises:
        OutputError: if the run is not done, has no map, or maps of several dates, of which none is
            named.
    """
    said = finished(run)
    files, dates = said.get("files", []), said.get("dates", {})
    if run.date or len(dates) > 1:
        if run.date not in dates:
            reason = f"has no map of {run.date!r}" if run.date else "has a map for each date"
            listed = ", ".join(dates) or "none"
            what = "say which (--date of accuracy, sample, smooth, stac, vectorize)"
            raise OutputError(run.path, f"{reason}: {what}; there are: {listed}")
        return list(dates[run.date])
    whole = [name for name in (MAP, INDEX, CHANGE) if name in files]
    names = whole[:1] or [name for name in files if name.startswith("maps/")]
    if not names:
        reason = "has no map: image files have no place on the ground"
        raise OutputError(run.path, reason)
    return names


def map_blocks(run: RunDirectory, progress: Progress = no_progress) -> Iterator[Block]:
    """All pixels of a run, block after block, in the order of rows; those of several maps follow.

    Args:
        run: the directory of a run that is done.
        progress: called after each block.

    Raises:
        OutputError: if the run is not done, has no map, or one that cannot be read.
    """
    with map_views(run) as views:
        sizes = [(view.grid.height, view.grid.width) for view in views]
        total = sum(-(-height // EDGE) * -(-width // EDGE) for height, width in sizes)
        blocks = (block for view in views for block in view.blocks(0, view.grid.height))
        for done, block in enumerate(blocks, 1):
            yield block
            progress(done, total)


@dataclass(frozen=True, eq=False)
class MapView:
    """A map of a run, without the places that a map before it shows.

    Args:
        run: whose map it is.
        names: of the maps before it and of itself, relative to the directory.
        file: the map, opened.
        above: the maps before it.
    """

    run: RunDirectory
    names: tuple[str, ...]
    file: DatasetReader
    above: Sequence[DatasetReader]

    @property
    def name(self) -> str:
        """Of the map, relative to the directory."""
        return self.names[-1]

    @cached_property
    def grid(self) -> MapGrid:
        """Its pixels."""
        return grid_of(self.file)

    def classes(self, window: Window) -> npt.NDArray[np.intp]:
        """Which class of the scheme each pixel is, ``len(scheme)`` where there is none: dims (y, x).

        Raises:
            OutputError: if they cannot be read, or hold what is no class of the run.
        """
        scheme = self.run.scheme
        codes = read(self.run.storage.where(self.name), self.file, window)
        for above in self.above:
            codes[_covered(above, self.file, window, scheme)] = scheme.nodata
        return class_index(codes, self.run, self.name)

    def blocks(self, first: int, last: int) -> Iterator[Block]:
        """Some rows of the map, block after block, from the left to the right and down.

        Raises:
            OutputError: if they cannot be read, or hold what is no class of the run.
        """
        width, last = self.grid.width, min(last, self.grid.height)
        for row in range(first, last, EDGE):
            for col in range(0, width, EDGE):
                window = Window(col, row, min(EDGE, width - col), min(EDGE, last - row))
                yield Block(self.classes(window), self.grid, col, row)


@contextmanager
def map_view(run: RunDirectory, names: tuple[str, ...]) -> Iterator[MapView]:
    """One of the maps that together show a run.

    Args:
        run: the directory.
        names: of the maps before it, as :func:`map_names` has them, and of itself.

    Raises:
        OutputError: if one cannot be read.
    """
    with ExitStack() as stack:
        *above, file = (stack.enter_context(opened_map(run, name)) for name in names)
        yield MapView(run, names, file, above)


@contextmanager
def map_views(run: RunDirectory) -> Iterator[list[MapView]]:
    """The maps that together show a run, each place once.

    Raises:
        OutputError: if the run is not done, has no map, or one that cannot be read.
    """
    names = map_names(run)
    with ExitStack() as stack:
        files = [stack.enter_context(opened_map(run, name)) for name in names]
        yield [
            MapView(run, tuple(names[: number + 1]), file, files[:number])
            for number, file in enumerate(files)
        ]


@contextmanager
def opened_map(run: RunDirectory, name: str) -> Iterator[DatasetReader]:
    """A map of a run.

    Raises:
        OutputError: if it cannot be opened, is none, or was cut off.
    """
    where = run.storage.where(name)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(
                opened_raster(where, Allowed(roots=(run.storage.where(""),)))
            )
            with run.storage.open(name) as content:
                missing = cut_off(file, content.seek(0, os.SEEK_END))
        except FAILURES as error:
            raise OutputError(where, f"cannot be read: {cause(error)}") from error
        if not file.crs or file.count != 1 or file.dtypes[0] != run.scheme.dtype:
            raise OutputError(where, "is no map that a run has written")
        if missing:
            raise OutputError(where, missing)
        yield file


def read(where: str, file: DatasetReader, window: Window) -> npt.NDArray[Any]:
    """Codes of a map: dims (y, x).

    Raises:
        OutputError: if they cannot be read.
    """
    try:
        codes: npt.NDArray[Any] = file.read(1, window=window)
    except FAILURES as error:
        raise OutputError(where, f"cannot be read: {cause(error)}") from error
    return codes


def grid_of(file: DatasetReader) -> MapGrid:
    """The pixels of a map."""
    a, b, c, d, e, f = tuple(file.transform)[:6]
    return MapGrid(name_of(file.crs), (a, b, c, d, e, f), file.width, file.height)


def _covered(
    above: DatasetReader, file: DatasetReader, window: Window, scheme: Scheme
) -> npt.NDArray[np.bool_]:
    """Where another map has a class already: dims (y, x); nowhere where the two do not meet."""
    shape = int(window.height), int(window.width)
    box = bounds_in(file.crs, above.crs, file.window_bounds(window))
    apart = (
        box[0] >= above.bounds.right
        or box[2] <= above.bounds.left
        or box[1] >= above.bounds.top
        or box[3] <= above.bounds.bottom
    )
    if apart:
        return np.zeros(shape, np.bool_)
    placed = window_transform(window, file.transform)
    to = {"crs": file.crs, "transform": placed, "height": shape[0], "width": shape[1]}
    with WarpedVRT(above, **to, **WARP) as warped:
        covered: npt.NDArray[np.bool_] = warped.read(1) != scheme.nodata
    return covered


def class_index(codes: npt.NDArray[Any], run: RunDirectory, name: str) -> npt.NDArray[np.intp]:
    """Which class each pixel is.

    Raises:
        OutputError: if one is none of the run's.
    """
    scheme = run.scheme
    table: npt.NDArray[np.intp] = np.full(np.iinfo(scheme.dtype).max + 1, -1, np.intp)
    table[scheme.nodata] = len(scheme)
    table[list(scheme.codes)] = range(len(scheme))
    index: npt.NDArray[np.intp] = table[codes]
    if (index < 0).any():
        strange = int(codes[index < 0][0])
        reason = f"holds {strange}, which is no class of the run: it is not the map that it wrote"
        raise OutputError(run.storage.where(name), reason)
    return index
