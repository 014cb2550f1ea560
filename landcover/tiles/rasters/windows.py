"""Windows of scenes, which may reach beyond their edges: into scenes beside them, or mirrored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from landcover.tiles.gdal import FAILURES, cause
from landcover.tiles.grid import Rectangle, reflected, with_mirrored
from landcover.tiles.rasters.handles import forget, read_inside
from landcover.tiles.rasters.neighbours import Neighbour
from landcover.tiles.rasters.reader import MaskedPixels
from landcover.tiles.rasters.scene import Scene

T = TypeVar("T", bound=np.generic)
Indices = npt.NDArray[np.intp]


def read_window(
    scene: Scene, window: Rectangle, neighbours: Sequence[Neighbour] = ()
) -> MaskedPixels:
    """Read a rectangle of a scene, which may reach beyond it.

    There its neighbours are read: the first of them that has data somewhere serves. Where none has,
    pixels are mirrored at the edges of the scene; where the mirror shows a neighbour, its pixels
    are, so that a scene cut into files is continued as the whole one is.

    Pixels come as they are in the file, but for those without data in signed and float imagery:
    these become 0, since their fill values (-9999, NaN) are no brightness. Resampled, pixels
    without data are 0 in any dtype.

    Args:
        scene: what to read.
        window: in pixels of the scene's grid.
        neighbours: scenes beside it.

    Returns:
        pixels, dims (band, y, x), in the scene's dtype; and which of them hold data inside the
        scene, dims (y, x), or None where all do.

    Raises:
        OSError: (rasterio's, too) if the file cannot be read.
    """
    inside = scene.grid.scene
    if window.common(inside) == window:
        return read_inside(scene, window)
    rows = reflected(window.row0, window.row1, inside.row1)
    cols = reflected(window.col0, window.col1, inside.col1)
    needed = Rectangle(int(rows.min()), int(rows.max()) + 1, int(cols.min()), int(cols.max()) + 1)
    pixels, valid = read_inside(scene, needed)
    within_y = _within(window.row0, window.row1, inside.row1)
    within_x = _within(window.col0, window.col1, inside.col1)
    held = within_y[:, None] & within_x[None, :]
    if valid is not None:
        held &= _spread(valid, rows - needed.row0, cols - needed.col0, within_x)
    if neighbours:
        joined = _Joined(scene, window)
        joined.put_neighbours(neighbours)
        joined.put(needed, MaskedPixels(pixels, None))
        return MaskedPixels(joined.mirrored(rows, cols), held)
    return MaskedPixels(_spread(pixels, rows - needed.row0, cols - needed.col0, within_x), held)


class _Joined:
    """Pixels of a scene and of those beside it, on a window and all that is mirrored into it.

    Args:
        scene: which one.
        window: that is asked for.
    """

    def __init__(self, scene: Scene, window: Rectangle) -> None:
        self._scene, self._window = scene, window
        self._extent = with_mirrored(window, scene.grid.scene)
        row0, row1, col0, col1 = self._extent
        shape = row1 - row0, col1 - col0
        self._pixels = np.zeros((len(scene.bands.read), *shape), scene.bands.dtype)
        self._held = np.zeros(shape, bool)

    def put_neighbours(self, neighbours: Sequence[Neighbour]) -> None:
        """Read what lies beyond the scene; neighbours listed first are put over the others."""
        for neighbour in reversed(neighbours):
            for part in self._extent.outside(self._scene.grid.scene):
                shared = part.common(neighbour.extent)
                if shared is not None:
                    self.put(shared, _beside(neighbour, shared))

    def put(self, place: Rectangle, found: MaskedPixels) -> None:
        """Put pixels where they lie, those that hold data."""
        within = (
            slice(place.row0 - self._extent.row0, place.row1 - self._extent.row0),
            slice(place.col0 - self._extent.col0, place.col1 - self._extent.col0),
        )
        held = True if found.valid is None else found.valid
        np.copyto(self._pixels[(slice(None), *within)], found.pixels, where=held)
        self._held[within] |= held

    def mirrored(self, rows: Indices, cols: Indices) -> npt.NDArray[Any]:
        """The pixels of the window, dims (band, y, x).

        Those that no scene holds are mirrored upwards or downwards, where that finds none, sideways,
        and else both ways: that finds the scene itself.

        Args:
            rows: which of the scene stand for those of the window.
            cols: which columns do.
        """
        row0, row1, col0, col1 = self._window
        ys = np.arange(row0, row1) - self._extent.row0
        xs = np.arange(col0, col1) - self._extent.col0
        mirrored_ys, mirrored_xs = rows - self._extent.row0, cols - self._extent.col0
        pixels, held = self._at(ys, xs)
        for places in ((mirrored_ys, xs), (ys, mirrored_xs), (mirrored_ys, mirrored_xs)):
            if held.all():
                break
            found, there = self._at(*places)
            np.copyto(pixels, found, where=there & ~held)
            held |= there
        return pixels

    def _at(self, ys: Indices, xs: Indices) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Copies of the pixels in some rows and columns, and which of them a scene holds."""
        return self._pixels[:, ys[:, None], xs], self._held[ys[:, None], xs]


def _beside(neighbour: Neighbour, shared: Rectangle) -> MaskedPixels:
    """Read pixels of a neighbour, told in the grid of the scene that it lies beside."""
    row0, row1, col0, col1 = shared
    row, col = neighbour.row, neighbour.col
    try:
        return read_inside(
            neighbour.scene, Rectangle(row0 - row, row1 - row, col0 - col, col1 - col)
        )
    except FAILURES as error:
        forget(neighbour.scene)
        reason = f"{neighbour.scene.files[0]}, which lies beside it: {cause(error)}"
    raise OSError(reason)  # without what caused it, or that alone would be told


def _within(start: int, stop: int, size: int) -> npt.NDArray[np.bool_]:
    index = np.arange(start, stop)
    return (index >= 0) & (index < size)


def _spread(
    array: npt.NDArray[T], rows: Indices, cols: Indices, within: npt.NDArray[np.bool_]
) -> npt.NDArray[T]:
    """Put rows and columns, the last two axes, where they are wanted, some of them repeatedly.

    Columns ``within`` the scene follow one another: they are copied as a whole, since picking
    pixels one by one takes longer than reading them.
    """
    if len(rows) != array.shape[-2] or (np.diff(rows) != 1).any():
        array = np.take(array, rows, axis=-2)
    if within.all():
        return array
    first = int(within.argmax())
    stop = first + int(within.sum())
    spread = np.empty((*array.shape[:-1], len(cols)), dtype=array.dtype)
    spread[..., first:stop] = array[..., cols[first] : cols[stop - 1] + 1]
    spread[..., ~within] = np.take(array, cols[~within], axis=-1)
    return spread
