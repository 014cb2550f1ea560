"""Windows of scenes: one handle a thread, resampled where asked, with what is valid in them."""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from landcover.tiles.gdal import FAILURES, address, cause, gdal_settings
from landcover.tiles.grid import reflected
from landcover.tiles.rasters.neighbours import Neighbour, Rectangle
from landcover.tiles.rasters.reader import MaskedPixels, SceneReader, open_scene
from landcover.tiles.rasters.resampling import Axis, resample
from landcover.tiles.rasters.scene import Scene

T = TypeVar("T", bound=np.generic)

_KEPT = 8  # open scenes a thread; a task reads one, a run's tasks move on through the scenes


def read_window(
    scene: Scene,
    ys: tuple[int, int],
    xs: tuple[int, int],
    *,
    outside: bool = True,
    neighbours: Sequence[Neighbour] = (),
) -> MaskedPixels:
    """Read a rectangle of a scene, which may reach beyond it.

    There its neighbours are read, and where none has data, the scene is mirrored.

    Pixels come as they are in the file, but for those without data in signed and float imagery:
    these become 0, since their fill values (-9999, NaN) are no brightness. Resampled, pixels
    without data are 0 in any dtype.

    Args:
        scene: what to read.
        ys: (start, stop) of the rows, in pixels of the scene's grid.
        xs: (start, stop) of the columns.
        outside: count what lies beyond the scene as not valid; otherwise its mirror image counts.
        neighbours: the first of them that has data somewhere serves.

    Returns:
        pixels, dims (band, y, x), in the scene's dtype; and which of them hold data inside the
        scene, dims (y, x), or None where all do.

    Raises:
        OSError: (rasterio's, too) if the file cannot be read.
    """
    height, width = scene.grid.height, scene.grid.width
    if ys[0] >= 0 and xs[0] >= 0 and ys[1] <= height and xs[1] <= width:
        return _read(scene, ys, xs)
    rows, cols = reflected(*ys, height), reflected(*xs, width)
    y0, y1 = int(rows.min()), int(rows.max()) + 1
    x0, x1 = int(cols.min()), int(cols.max()) + 1
    pixels, valid = _read(scene, (y0, y1), (x0, x1))
    within_y, within_x = _within(ys, height), _within(xs, width)
    pixels = _spread(pixels, rows - y0, cols - x0, within_x)
    _fill(pixels, Rectangle(*ys, *xs), scene, neighbours)
    if valid is not None:
        valid = _spread(valid, rows - y0, cols - x0, within_x)
    if outside:
        inside = within_y[:, None] & within_x[None, :]
        valid = inside if valid is None else inside & valid
    return MaskedPixels(pixels, valid)


def _fill(
    pixels: npt.NDArray[Any], span: Rectangle, scene: Scene, neighbours: Sequence[Neighbour]
) -> None:
    """Put the pixels of neighbours where a span lies beyond the scene; dims (band, y, x)."""
    for neighbour in reversed(neighbours):  # those listed first are put over the others
        for part in span.outside(scene.grid):
            shared = part.common(neighbour.extent)
            if shared is None:
                continue
            row0, row1, col0, col1 = shared
            found, valid = _beside(neighbour, shared)
            place = pixels[
                :, row0 - span.row0 : row1 - span.row0, col0 - span.col0 : col1 - span.col0
            ]
            np.copyto(place, found, where=True if valid is None else valid)


def _beside(neighbour: Neighbour, shared: Rectangle) -> MaskedPixels:
    """Read pixels of a neighbour, told in the grid of the scene that it lies beside."""
    row0, row1, col0, col1 = shared
    ys = row0 - neighbour.row, row1 - neighbour.row
    xs = col0 - neighbour.col, col1 - neighbour.col
    try:
        return _read(neighbour.scene, ys, xs)
    except FAILURES as error:
        _handles.forget(neighbour.scene)
        reason = f"{neighbour.scene.files[0]}, which lies beside it: {cause(error)}"
    raise OSError(reason)  # without what caused it, or that alone would be told


def reopen(scene: Scene) -> None:
    """Open a scene anew in this thread, after a failure.

    Raises:
        OSError: (one of FAILURES) if that fails, too.
    """
    with gdal_settings(address(scene.files[0])):
        _handles.forget(scene)
        _handles.get(scene)


def _within(span: tuple[int, int], size: int) -> npt.NDArray[np.bool_]:
    index = np.arange(*span)
    return (index >= 0) & (index < size)


def _spread(
    array: npt.NDArray[T],
    rows: npt.NDArray[np.intp],
    cols: npt.NDArray[np.intp],
    within: npt.NDArray[np.bool_],
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


def _read(scene: Scene, ys: tuple[int, int], xs: tuple[int, int]) -> MaskedPixels:
    """Read a rectangle inside a scene, resampled where that is asked."""
    with gdal_settings(address(scene.files[0])):
        return _read_opened(_handles.get(scene), ys, xs)


def _read_opened(opened: SceneReader, ys: tuple[int, int], xs: tuple[int, int]) -> MaskedPixels:
    scene = opened.scene
    if scene.native:
        return opened.read(ys, xs)
    height, width = opened.size
    own = opened.datasets[0].transform
    vertical = Axis(scene.grid.height, height, scene.transform[4] / own.e)
    horizontal = Axis(scene.grid.width, width, scene.transform[0] / own.a)
    return resample(opened.read, vertical, horizontal, ys, xs)


class _Handles(threading.local):
    """The scenes that this thread has open, the one used last at the end."""

    def __init__(self) -> None:
        self.process, self.kept = os.getpid(), OrderedDict[Scene, SceneReader]()

    def get(self, scene: Scene) -> SceneReader:
        if self.process != os.getpid():  # a fork must not share file positions with its parent
            self.process, self.kept = os.getpid(), OrderedDict()
        if scene not in self.kept:
            self.kept[scene] = open_scene(scene)
            if len(self.kept) > _KEPT:
                self.kept.popitem(last=False)[1].close()
        self.kept.move_to_end(scene)
        return self.kept[scene]

    def forget(self, scene: Scene) -> None:
        opened = self.kept.pop(scene, None)
        if opened is not None:
            opened.close()

    def close(self) -> None:
        while self.kept:
            self.kept.popitem()[1].close()


_handles = _Handles()
# Files that are read through Python must be closed while Python can still do that.
atexit.register(_handles.close)
