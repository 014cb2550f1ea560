"""Windows of scenes: one handle a thread, resampled where asked, with what is valid in them."""

from __future__ import annotations

import math
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.windows import Window

from landcover.tiles.grid import reflected
from landcover.tiles.headers import holdable
from landcover.tiles.opening import OpenScene, open_scene
from landcover.tiles.scenes import Scene
from landcover.tiles.storage import address, gdal_settings

T = TypeVar("T", bound=np.generic)

_KEPT = 8  # open scenes a thread; a task reads one, a run's tasks move on through the scenes

_ALPHA_FULL = 255  # what GDAL's resampling writes into the alpha band that it adds, in any dtype

FAILURES = (RasterioError, CPLE_BaseError, OSError)
"""What rasterio raises where pixels cannot be read."""


def read_span(
    scene: Scene, ys: tuple[int, int], xs: tuple[int, int], *, outside: bool = True
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Read a rectangle of a scene, which may reach beyond it: there the scene is mirrored.

    Pixels come as they are in the file, but for those without data in signed and float imagery:
    these become 0, since their fill values (-9999, NaN) are no brightness. Resampled, pixels
    without data are 0 in any dtype.

    Args:
        scene: what to read.
        ys: (start, stop) of the rows, in pixels of the scene's grid.
        xs: (start, stop) of the columns.
        outside: count what lies beyond the scene as not valid; otherwise its mirror image counts.

    Returns:
        pixels, dims (band, y, x), in the scene's dtype; and which of them hold data inside the
        scene, dims (y, x), or None where all do.

    Raises:
        OSError: (rasterio's, too) if the file cannot be read.
    """
    rows, cols = reflected(*ys, scene.grid.height), reflected(*xs, scene.grid.width)
    y0, y1 = int(rows.min()), int(rows.max()) + 1
    x0, x1 = int(cols.min()), int(cols.max()) + 1
    with gdal_settings(address(scene.files[0])):
        pixels, valid = _read(scene, _handles.get(scene), y0, y1, x0, x1)
    within_y, within_x = _within(ys, scene.grid.height), _within(xs, scene.grid.width)
    if within_y.all() and within_x.all():
        return pixels, valid
    pixels = _spread(pixels, rows - y0, cols - x0, within_x)
    if valid is not None:
        valid = _spread(valid, rows - y0, cols - x0, within_x)
    if outside:
        inside = within_y[:, None] & within_x[None, :]
        valid = inside if valid is None else inside & valid
    return pixels, valid


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


def _read(
    scene: Scene, opened: OpenScene, y0: int, y1: int, x0: int, x1: int
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Read a rectangle inside a scene; which pixels are valid, or None where all are."""
    window = Window(x0, y0, x1 - x0, y1 - y0)
    bands = (*opened.indexes, opened.alpha) if opened.alpha else opened.indexes
    if scene.native:
        pixels = opened.dataset.read(bands, window=window)
    else:
        pixels = _read_by_blocks(opened.dataset, bands, y0, y1, x0, x1)
    valid = _valid(scene, opened, pixels, window)
    if opened.alpha:
        pixels = pixels[:-1]
    if pixels.dtype.kind == "f":
        defined = ~np.isnan(pixels).any(axis=0)
        valid = defined if valid is None else valid & defined
    if valid is None or valid.all():
        return pixels, None
    if pixels.dtype.kind != "u":
        pixels[:, ~valid] = 0
    return pixels, valid


def _valid(
    scene: Scene, opened: OpenScene, pixels: npt.NDArray[Any], window: Window
) -> npt.NDArray[np.bool_] | None:
    """Which pixels hold data as far as the file says so, dims (y, x); None where all do."""
    if opened.alpha:
        # Resampled, alpha is the share of a pixel's neighbourhood that holds data.
        return pixels[-1] > (0 if scene.native else _ALPHA_FULL // 2)  # type: ignore[no-any-return]
    if not scene.native or scene.bands.validity == "all":
        return None
    if scene.bands.validity == "mask":
        return opened.dataset.read_masks(1, window=window) > 0  # type: ignore[no-any-return]
    # A pixel holds data if one of all bands differs from the value that is declared for it.
    declared = opened.dataset.nodatavals
    valid = _differs(pixels, [declared[band - 1] for band in opened.indexes])
    if opened.others and not valid.all():
        rest = opened.dataset.read(opened.others, window=window)
        valid |= _differs(rest, [declared[band - 1] for band in opened.others])
    return valid


class _Handles(threading.local):
    """The scenes that this thread has open, the one used last at the end."""

    def __init__(self) -> None:
        self.process, self.kept = os.getpid(), OrderedDict[Scene, OpenScene]()

    def get(self, scene: Scene) -> OpenScene:
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


_handles = _Handles()


def _read_by_blocks(
    dataset: Any, bands: tuple[int, ...], y0: int, y1: int, x0: int, x1: int
) -> npt.NDArray[Any]:
    """Read a resampled window by the blocks of its grid, each always whole.

    A pixel then never depends on the window through which it is read: resampled in chunks of
    another shape, the odd pixel rounds the other way.
    """
    out = np.empty((len(bands), y1 - y0, x1 - x0), dtype=dataset.dtypes[0])
    height, width = dataset.block_shapes[0]
    for top in _multiples(y0, y1, height):
        for left in _multiples(x0, x1, width):
            window = Window(
                left, top, min(width, dataset.width - left), min(height, dataset.height - top)
            )
            block = dataset.read(bands, window=window)
            ys, xs = slice(max(0, top - y0), None), slice(max(0, left - x0), None)
            part = block[:, max(0, y0 - top) : y1 - top, max(0, x0 - left) : x1 - left]
            out[:, ys, xs][:, : part.shape[1], : part.shape[2]] = part
    return out


def _multiples(start: int, stop: int, step: int) -> Iterator[int]:
    yield from range(start // step * step, stop, step)


def _differs(pixels: npt.NDArray[Any], declared: list[float | None]) -> npt.NDArray[np.bool_]:
    """Where at least one band is not its declared value; dims (y, x)."""
    differs = np.zeros(pixels.shape[1:], dtype=bool)
    for band, given in zip(pixels, declared, strict=True):
        value = holdable(given, str(band.dtype))
        if value is None:
            return np.ones_like(differs)
        differs |= ~np.isnan(band) if math.isnan(value) else band != band.dtype.type(value)
    return differs
