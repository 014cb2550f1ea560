"""Rasters that tests write for themselves, each with the one trap that it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import Affine, from_origin

RGBN = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined)
RGBA = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)


def imagery(
    bands: int, height: int, width: int, dtype: str = "uint8", seed: int = 0
) -> npt.NDArray[Any]:
    """Noise in 1 to 199: no pixel is 0, and none is as bright as a mask."""
    return np.random.default_rng(seed).integers(1, 200, (bands, height, width)).astype(dtype)


def write(
    path: Path,
    pixels: npt.NDArray[Any],
    *,
    crs: str | None = "EPSG:26914",
    resolution: float = 1.0,
    transform: Affine | None = None,
    mask: npt.NDArray[np.bool_] | None = None,
    colours: tuple[ColorInterp, ...] | None = None,
    names: tuple[str, ...] = (),
    **options: Any,
) -> str:
    """Write a GeoTIFF whose upper-left corner is at (500000, 4000000) and return its path."""
    bands, height, width = pixels.shape
    where = transform or from_origin(500000.0, 4000000.0, resolution, resolution)
    shape = {"count": bands, "height": height, "width": width, "dtype": str(pixels.dtype)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver="GTiff", crs=crs, transform=where, **shape, **options) as d,
    ):
        d.write(pixels)
        if colours or bands == 4:
            d.colorinterp = colours or RGBN
        for band, name in enumerate(names, 1):
            d.set_band_description(band, name)
        if mask is not None:
            d.write_mask(mask)
    return str(path)
