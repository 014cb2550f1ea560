"""Tiles as image files: PNG where that holds them, GeoTIFF with their place on the ground elsewhere."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image
from rasterio.io import MemoryFile

from landcover.tiles.grid import Transform

# Of zlib: twice as quick as Pillow's own 6, for files that are a few percent larger.
_LEVEL = 4


def suffix_of(bands: int, dtype: str) -> str:
    """How the files of tiles end: ".png" for one or three bands of bytes, ".tif" for all else."""
    return ".png" if bands in (1, 3) and dtype == "uint8" else ".tif"


def png(pixels: npt.NDArray[Any]) -> bytes:
    """Pixels with dims (band, y, x), of one band or three, as a PNG file: the same bytes for the same."""
    content = io.BytesIO()
    shown = pixels[0] if len(pixels) == 1 else np.ascontiguousarray(np.moveaxis(pixels, 0, -1))
    Image.fromarray(shown).save(content, "PNG", compress_level=_LEVEL)
    return content.getvalue()


def geotiff(
    pixels: npt.NDArray[Any], crs: str, transform: Transform, names: Sequence[str] = ()
) -> bytes:
    """Pixels with dims (band, y, x) as a GeoTIFF file.

    Args:
        pixels: of any dtype that GDAL knows.
        crs: of the tile.
        transform: of its pixels.
        names: of the bands; none: they have none.
    """
    bands, height, width = pixels.shape
    shape = {"count": bands, "height": height, "width": width, "dtype": str(pixels.dtype)}
    where = {"crs": crs, "transform": rasterio.Affine(*transform)}
    # Else the last of four bands would be declared the opacity of the others.
    colors = {"alpha": "no", "photometric": "rgb" if bands in (3, 4) else "minisblack"}
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", compress="deflate", interleave="pixel", **shape, **where, **colors
        ) as file:
            file.write(pixels)
            for number, name in enumerate(names, 1):
                file.set_band_description(number, name)
        return bytes(memory.read())
