"""Imagery at another resolution: bilinear, the same pixels through whatever window they are read.

The kernel is that of GDAL's warper: a triangle as wide as two pixels of the source or of the
target, whichever are larger, so that coarser imagery is averaged and not thinned out. Both axes are
resampled one after the other by small matrix products, which take a fourth of the warper's time
where imagery gets coarser, and give the same whatever part of a scene is asked for (of floats all
but the last digits).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.tiles.rasters.reader import MaskedPixels

# Target pixels that are worked out by one matrix product, counted from the corner of the scene: a
# pixel then has the same neighbours in its product whatever is asked for.
_STEP = 16
# Columns of the target that are worked on at once: what they take in memory stays in the cache.
_COLUMNS = 256
# Multiplications in one product: with more of them OpenBLAS would start threads of its own.
_PRODUCT = 200_000
# Rounding up begins a little below one half: the same half computed twice may come out just below
# and just above it.
_HALF = 0.5 + 2.0**-10
# Pixels of the source: centres nearer to a border than this lie on it.
_ON_A_BORDER = 1e-6


@dataclass(frozen=True)
class Axis:
    """How one axis is resampled.

    Args:
        size: pixels of the target.
        source: pixels of the source.
        ratio: pixels of the source in one of the target.
    """

    size: int
    source: int
    ratio: float

    @property
    def radius(self) -> float:
        """Half the width of the kernel, in pixels of the source."""
        return max(1.0, self.ratio)

    def reach(self, start: int, stop: int) -> tuple[int, int]:
        """Which pixels of the source the target's pixels ``start`` to ``stop - 1`` take part of."""
        first = int(np.floor((start + 0.5) * self.ratio - self.radius))
        last = int(np.ceil((stop - 0.5) * self.ratio + self.radius))
        return max(0, min(first, self.source - 1)), min(self.source, max(last, 1))

    def weights(self, start: int, stop: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Shares of the source's pixels in the target's, dims (target, source); they sum to 1."""
        first, last = self.reach(start, stop)
        centre = (np.arange(start, stop) + 0.5)[:, None] * self.ratio
        distance = np.abs(np.arange(first, last) + 0.5 - centre) / self.radius
        share: npt.NDArray[Any] = np.maximum(0.0, 1.0 - distance)
        share /= share.sum(axis=1, keepdims=True)
        return share.astype(dtype)

    def nearest(self, start: int, stop: int) -> npt.NDArray[np.intp]:
        """The pixels of the source under the centres of the target's; of two that meet, the later.

        The ratio comes from coordinates, and a centre on a border may be computed just before it.
        """
        centres = (np.arange(start, stop) + 0.5) * self.ratio
        return np.minimum((centres + _ON_A_BORDER).astype(np.intp), self.source - 1)

    def aligned(self, start: int, stop: int) -> tuple[int, int]:
        """The steps that hold ``start`` to ``stop``."""
        return start // _STEP * _STEP, min(self.size, -(-stop // _STEP) * _STEP)


def resample(
    read: Callable[[tuple[int, int], tuple[int, int]], MaskedPixels],
    vertical: Axis,
    horizontal: Axis,
    ys: tuple[int, int],
    xs: tuple[int, int],
) -> MaskedPixels:
    """Resample a rectangle of the target.

    Pixels without data take no part in others. A pixel is valid if the source's pixel under its
    centre is; those that are not are 0.

    Args:
        read: brings rows and columns of the source.
        vertical: how rows are resampled.
        horizontal: how columns are.
        ys: (start, stop) of the target's rows.
        xs: (start, stop) of its columns.
    """
    top, bottom = vertical.aligned(*ys)
    left, right = horizontal.aligned(*xs)
    rows, cols = vertical.reach(top, bottom), horizontal.reach(left, right)
    source, valid = read(rows, cols)
    out = np.empty((len(source), bottom - top, right - left), dtype=source.dtype)
    for start in range(left, right, _COLUMNS):
        part = (start, min(start + _COLUMNS, right))
        first, last = (edge - cols[0] for edge in horizontal.reach(*part))
        held = None if valid is None else valid[:, first:last]
        values = _chunk(source[..., first:last], held, vertical, horizontal, (top, bottom), part)
        out[..., part[0] - left : part[1] - left] = _rounded(values, source.dtype)
    inner = out[:, ys[0] - top : ys[1] - top, xs[0] - left : xs[1] - left]
    if valid is None:
        return MaskedPixels(inner, None)
    kept = valid[np.ix_(vertical.nearest(*ys) - rows[0], horizontal.nearest(*xs) - cols[0])]
    if kept.all():
        return MaskedPixels(inner, None)
    inner[:, ~kept] = 0
    return MaskedPixels(inner, kept)


def _chunk(
    source: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_] | None,
    vertical: Axis,
    horizontal: Axis,
    ys: tuple[int, int],
    xs: tuple[int, int],
) -> npt.NDArray[Any]:
    """Resample some columns, in floating point; where there is no data at all, to 0."""
    exact = source.dtype.itemsize > 2 and source.dtype != np.float32
    values = source.astype(np.float64 if exact else np.float32)
    if valid is None or valid.all():
        return _across(_down(values, vertical, ys), horizontal, xs)
    values = values * valid
    share = _across(_down(valid[None].astype(values.dtype), vertical, ys), horizontal, xs)
    values = _across(_down(values, vertical, ys), horizontal, xs)
    np.divide(values, share, out=values, where=share > 0)
    return values


def _down(values: npt.NDArray[Any], axis: Axis, ys: tuple[int, int]) -> npt.NDArray[Any]:
    """Resample the rows of (band, y, x)."""
    begin = axis.reach(*ys)[0]
    out = np.empty((len(values), ys[1] - ys[0], values.shape[2]), dtype=values.dtype)
    for start, stop in _steps(*ys):
        weights = axis.weights(start, stop, values.dtype)
        first, last = (edge - begin for edge in axis.reach(start, stop))
        wide = max(_STEP, _PRODUCT // weights.size)
        for x in range(0, values.shape[2], wide):
            within = slice(x, x + wide)
            rows = out[:, start - ys[0] : stop - ys[0], within]
            np.matmul(weights, values[:, first:last, within], out=rows)
    return out


def _across(values: npt.NDArray[Any], axis: Axis, xs: tuple[int, int]) -> npt.NDArray[Any]:
    """Resample the columns of (band, y, x)."""
    begin = axis.reach(*xs)[0]
    out = np.empty((*values.shape[:2], xs[1] - xs[0]), dtype=values.dtype)
    for start, stop in _steps(*xs):
        weights = axis.weights(start, stop, values.dtype).T
        first, last = (edge - begin for edge in axis.reach(start, stop))
        high = max(_STEP, _PRODUCT // weights.size)
        for y in range(0, values.shape[1], high):
            within = slice(y, y + high)
            columns = out[:, within, start - xs[0] : stop - xs[0]]
            np.matmul(values[:, within, first:last], weights, out=columns)
    return out


def _steps(start: int, stop: int) -> Iterator[tuple[int, int]]:
    for first in range(start, stop, _STEP):
        yield first, min(first + _STEP, stop)


def _rounded(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    return values if dtype.kind == "f" else np.floor(values + values.dtype.type(_HALF))
