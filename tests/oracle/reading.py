"""Whole scenes, read, masked and resampled by the words of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, MaskFlags

Floats: TypeAlias = npt.NDArray[np.float64]
Valid: TypeAlias = npt.NDArray[np.bool_]

# "Scenes that differ from the resolution asked for by more than 1 % are resampled."
_TAKEN_AS_IT_IS = 0.01
# Centres and halves that would lie on a line but for the rounding of doubles lie on it.
_ON_THE_LINE = 1e-9


@dataclass(frozen=True, eq=False)
class Read:
    """A scene at the resolution of the run.

    Args:
        pixels: dims (band, y, x), in the order of the network; pixels without data are as the
            network gets them.
        valid: dims (y, x).
        left: x of the upper-left corner, in the CRS.
        top: y of it.
        wide: width of a pixel in units of the CRS.
        high: height of a pixel.
        crs: as rasterio has it.
        dtype: of the file.
    """

    pixels: Floats
    valid: Valid
    left: float
    top: float
    wide: float
    high: float
    crs: Any
    dtype: str

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.valid.shape[0], self.valid.shape[1]


def read(
    paths: Sequence[Path],
    bands: Sequence[int],
    resolution: float | None,
    *,
    chosen_tell: bool = False,
) -> Read:
    """Read a scene.

    Args:
        paths: a GeoTIFF, or one for each band.
        bands: from 1, in the order of the network.
        resolution: metres a pixel; None: its own.
        chosen_tell: only the bands that are read tell pixels without data, as in an array that has
            no other bands.
    """
    chosen = [band - 1 for band in bands]
    with rasterio.open(paths[0]) as file:
        every, where, crs = file.read(), file.transform, file.crs
        if len(paths) > 1:
            every = np.concatenate([_whole(path) for path in paths])
        valid = _valid(file, every, chosen if chosen_tell else list(range(len(every))))
    pixels = every[chosen]
    if pixels.dtype.kind == "f":
        valid &= np.isfinite(pixels).all(axis=0)
    metres = float(crs.linear_units_factor[1]) if resolution is not None else 1.0
    scaled, edge = axes(where.a, -where.e, pixels.shape[1:], metres, resolution)
    kept = np.where(valid, pixels, pixels.dtype.type(0)).astype(np.float64)
    if edge is None:
        fills = pixels.dtype.kind != "u"  # a fill value such as -9999 is no brightness
        values = kept if fills else pixels.astype(np.float64)
        return Read(values, valid, where.c, where.f, where.a, -where.e, crs, str(pixels.dtype))
    values = rounded(resampled(kept, valid, *scaled), pixels.dtype)
    held = valid[np.ix_(*(axis.under for axis in scaled))]
    values = np.where(held, values, 0.0)
    return Read(values, held, where.c, where.f, edge, edge, crs, str(pixels.dtype))


def _whole(path: Path) -> npt.NDArray[Any]:
    with rasterio.open(path) as file:
        return np.asarray(file.read())


def _valid(file: Any, every: npt.NDArray[Any], telling: list[int]) -> Valid:
    """Which pixels hold data, as an alpha band, a mask or declared values tell."""
    flags = file.mask_flag_enums[0]
    if ColorInterp.alpha in file.colorinterp:
        alpha: Valid = every[file.colorinterp.index(ColorInterp.alpha)] > 0
        return alpha
    if MaskFlags.per_dataset in flags:
        return np.asarray(file.read_masks(1) > 0)
    if file.nodata is None:
        return np.ones(every.shape[1:], bool)
    looked = every[telling]
    empty = np.isnan(looked) if np.isnan(file.nodata) else looked == looked.dtype.type(file.nodata)
    return np.asarray(~empty.all(axis=0))


@dataclass(frozen=True)
class Axis:
    """One axis of a scene that is resampled: pixels of the file, and of what comes out."""

    source: int
    target: int
    ratio: float

    @property
    def weights(self) -> Floats:
        """Shares of the file's pixels in those that come out, dims (target, source).

        Bilinear: a triangle about each centre, as wide as two pixels of the coarser of the two.
        """
        reach = max(1.0, self.ratio)
        centres = (np.arange(self.target) + 0.5) * self.ratio
        away = np.abs(np.arange(self.source) + 0.5 - centres[:, None])
        shares = np.maximum(0.0, 1.0 - away / reach)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    @property
    def under(self) -> npt.NDArray[np.intp]:
        """The file's pixel under each centre; of two that meet there, the later one."""
        centres = (np.arange(self.target) + 0.5) * self.ratio
        return np.minimum((centres + _ON_THE_LINE).astype(np.intp), self.source - 1)


def axes(
    wide: float, high: float, shape: tuple[int, ...], metres: float, resolution: float | None
) -> tuple[tuple[Axis, Axis], float | None]:
    """Rows and columns, and the edge of a pixel that comes out; None where pixels stay.

    Args:
        wide: width of the file's pixels in units of the CRS.
        high: height of them.
        shape: rows and columns of the file.
        metres: in one unit of the CRS.
        resolution: metres a pixel that are asked for; None: the file's own.
    """
    same = (Axis(shape[0], shape[0], 1.0), Axis(shape[1], shape[1], 1.0))
    if resolution is None:
        return same, None
    edge = resolution / metres
    ratios = edge / high, edge / wide
    if all(abs(1 / ratio - 1) <= _TAKEN_AS_IT_IS for ratio in ratios):
        return same, None
    # The pixels whose centres lie inside the scene.
    sizes = [
        max(1, int(n / ratio + 0.5 + _ON_THE_LINE)) for n, ratio in zip(shape, ratios, strict=True)
    ]
    rows, cols = (Axis(*axis) for axis in zip(shape, sizes, ratios, strict=True))
    return (rows, cols), edge


def resampled(pixels: Floats, valid: Valid, rows: Axis, cols: Axis) -> Floats:
    """Weighted means of the pixels with data; 0 where there is none near."""
    share = rows.weights @ valid.astype(np.float64) @ cols.weights.T
    total = rows.weights @ (pixels * valid) @ cols.weights.T
    return np.asarray(np.divide(total, share, out=np.zeros_like(total), where=share > 1e-12))


def rounded(values: Floats, dtype: np.dtype[Any]) -> Floats:
    """To the nearest number of an integer dtype, halves up."""
    if dtype.kind == "f":
        return values
    return np.asarray(np.floor(values + 0.5 + _ON_THE_LINE))


def near_half(values: Floats, dtype: np.dtype[Any]) -> Valid:
    """Where single precision may round another way: no case is built on such pixels."""
    if dtype.kind == "f":
        return np.zeros(values.shape, bool)
    error = 4e-7 * float(np.abs(values).max(initial=1)) if dtype.itemsize <= 2 else 1e-6
    beside = values - np.floor(values) - 0.5
    exact = (np.abs(beside) < _ON_THE_LINE) & (error < 2.0**-11)
    return np.asarray((beside > -(2.0**-10) - error) & (beside < error) & ~exact)
