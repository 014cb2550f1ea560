"""Arrays as scenes: what is taken for one, and how it lies on the ground."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rioxarray  # noqa: F401  (gives arrays their .rio accessor)
import xarray as xr
from rasterio.transform import Affine

from landcover.errors import SourceError

_DIMS = ("band", "y", "x")
# Coordinates may be off by this share of a pixel: they are kept as sums, or in single precision.
_UNEVEN = 0.01


@dataclass(frozen=True, eq=False)
class ArrayInput:
    """An array as a scene: rows go south, columns go east.

    Args:
        array: dims (band, y, x); with coordinates and a transform where its place is known.
        reversed: of the dims y and x, those that ran the other way in what was given.
    """

    array: xr.DataArray
    reversed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.array.name or "the array")

    @property
    def transform(self) -> Affine | None:
        """Of its pixels; None where its place is not known."""
        return self.array.rio.transform() if "x" in self.array.coords else None

    def as_given(self, found: xr.Dataset) -> xr.Dataset:
        """A result, dims (y, x), in the order of rows and columns of what was given."""
        return found.isel({dim: slice(None, None, -1) for dim in self.reversed})


def array_input(given: Any) -> ArrayInput:
    """Take an array for a scene.

    Coordinates say where its pixels lie, or, without any, the transform that rioxarray has written.
    Where the one row (or column) of an array leaves the height (or width) of pixels open and there
    is no transform, pixels are square.

    Args:
        given: a DataArray or NumPy array of dims (band, y, x), or (y, x) for one band; or a Dataset
            with one such variable, or with a variable (y, x) a band.

    Raises:
        SourceError: it is none of these, or cannot be placed.
    """
    array = _bands(given)
    name = str(array.name or "the array")
    if array.dims != _DIMS:
        raise SourceError(name, f"has dims {array.dims}, not {_DIMS}: transpose or rename them")
    if 0 in array.shape:
        raise SourceError(name, f"has no pixels: its shape is {array.shape}")
    if array.dtype.kind not in "iuf":
        raise SourceError(name, f"holds {array.dtype} pixels; the network reads real numbers")
    return _placed(array, name)


def _bands(given: Any) -> xr.DataArray:
    """The one array that is meant."""
    if isinstance(given, xr.Dataset):
        return _of_dataset(given)
    if isinstance(given, (str, Path)):
        raise SourceError(
            str(given),
            "is a path, not an array: score it with landcover.score(rasters=...), or open it first "
            "with rioxarray.open_rasterio",
        )
    if isinstance(given, xr.DataArray):
        return given.expand_dims("band") if given.dims == _DIMS[1:] else given
    if not all(hasattr(given, name) for name in ("ndim", "shape", "dtype")):
        raise SourceError("the scene", f"is a {type(given).__qualname__}, not an array")
    if given.ndim not in (2, 3):
        raise SourceError("the array", f"has {given.ndim} dims, not (band, y, x)")
    return _bands(xr.DataArray(given, dims=_DIMS[-given.ndim :]))


def _of_dataset(given: xr.Dataset) -> xr.DataArray:
    """The one variable of a Dataset that has bands, or its variables as bands."""
    dims = {str(name): one.dims for name, one in given.data_vars.items()}
    if len(dims) == 1:
        [name] = dims
        return _bands(given[name])
    if dims and all(found == _DIMS[1:] for found in dims.values()):
        array = given.to_array("band").rename("the Dataset")
        fills = {one.rio.nodata for one in given.data_vars.values()}
        if len({repr(fill) for fill in fills}) > 1:
            raise SourceError("the Dataset", f"has bands of different nodata values: {fills}")
        told: xr.DataArray = array.rio.write_nodata(fills.pop())
        return told
    raise SourceError(
        "the Dataset",
        f"holds {dims or 'nothing'}: give the variable that is meant, with dims {_DIMS}",
    )


def _placed(array: xr.DataArray, name: str) -> ArrayInput:
    """Turn it so that rows go south and columns east, and give it coordinates."""
    told = _transform_told(array, name)
    ys, xs = _line(array, "y", name), _line(array, "x", name)
    if told is None and ys is None and xs is None:
        return ArrayInput(array)
    if told is None and (ys is None or xs is None):
        missing = "y" if ys is None else "x"
        raise SourceError(name, f"has no coordinates {missing}, and no transform that would do")
    if told is not None:
        ys = ys or (told.f + told.e / 2, None)
        xs = xs or (told.c + told.a / 2, None)
    assert ys is not None and xs is not None
    high = ys[1] or (told.e if told else None)
    wide = xs[1] or (told.a if told else None)
    if high is None and wide is None:
        raise SourceError(name, "has one pixel and no transform: array.rio.write_transform(...)")
    high = high if high is not None else -abs(wide or 0.0)
    wide = wide if wide is not None else abs(high)
    return _turned(array, (ys[0], high), (xs[0], wide))


def _turned(array: xr.DataArray, ys: tuple[float, float], xs: tuple[float, float]) -> ArrayInput:
    """The array north-up, from the first coordinate and the step of each axis."""
    lines = {"y": ys, "x": xs}
    for dim, (first, step) in lines.items():
        if dim not in array.coords:
            array = array.assign_coords({dim: first + step * np.arange(array.sizes[dim])})
    backwards = tuple(
        dim for dim, forwards in (("y", -1), ("x", 1)) if lines[dim][1] * forwards < 0
    )
    turned = array.isel({dim: slice(None, None, -1) for dim in backwards})
    high, wide = -abs(ys[1]), abs(xs[1])
    top, left = float(turned.y[0]) - high / 2, float(turned.x[0]) - wide / 2
    return ArrayInput(turned.rio.write_transform(Affine(wide, 0, left, 0, high, top)), backwards)


def _transform_told(array: xr.DataArray, name: str) -> Affine | None:
    """The transform that is written beside the array; None where there is none."""
    grid_mapping = array.coords.get(array.rio.grid_mapping)
    text = None if grid_mapping is None else grid_mapping.attrs.get("GeoTransform")
    if text is None:
        return None
    told = Affine.from_gdal(*(float(number) for number in str(text).split()))
    if told.b or told.d:
        raise SourceError(name, f"is rotated (transform {tuple(told)[:6]}): reproject it first")
    return told


def _line(array: xr.DataArray, dim: str, name: str) -> tuple[float, float | None] | None:
    """The first coordinate along a dim, and the step between pixels; None where there is none."""
    if dim not in array.coords:
        return None
    values: npt.NDArray[Any] = np.asarray(array[dim].values, np.float64)
    if len(values) == 1:
        return float(values[0]), None
    step = float(values[-1] - values[0]) / (len(values) - 1)
    even = values[0] + step * np.arange(len(values))
    if not step or not np.isfinite(step) or np.abs(values - even).max() > _UNEVEN * abs(step):
        raise SourceError(name, f"has coordinates {dim} that are not evenly spaced: resample it")
    return float(values[0]), step
