"""Labels of pixels, as one task writes them: a small GeoTIFF of class codes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.transform import Affine

from landcover.classes import Scheme
from landcover.errors import OutputError
from landcover.runs.directory import RunDirectory


@dataclass(frozen=True, eq=False)
class PixelBlock:
    """A rectangle of a scene's pixels.

    Args:
        values: dims (y, x), codes of classes; the scheme's nodata where there is none.
        transform: of the block's first pixel: the six numbers of an affine transform from pixels
            to the CRS, in the order of ``affine``. The block lies on the scene's grid of pixels.
        crs: the scene's.
        source: the scene, as its tiles name it.
    """

    values: npt.NDArray[np.unsignedinteger[Any]]
    transform: tuple[float, float, float, float, float, float]
    crs: str
    source: str


def encode_pixels(block: PixelBlock, scheme: Scheme) -> bytes:
    """The block as a GeoTIFF in the scheme's dtype, which also names the scene."""
    height, width = block.values.shape
    profile = {
        "driver": "GTiff",
        "dtype": scheme.dtype,
        "count": 1,
        "height": height,
        "width": width,
        "crs": block.crs,
        "transform": Affine(*block.transform),
        "nodata": scheme.nodata,
        "compress": "deflate",
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(block.values.astype(scheme.dtype, copy=False), 1)
            file.update_tags(SOURCE=block.source)
        return bytes(memory.getbuffer())


def read_pixels(run: RunDirectory, index: int) -> PixelBlock:
    """Read back the block that a task wrote.

    Raises:
        OutputError: if it cannot be read.
    """
    name = run.part("pixels", index)
    try:
        with _opened(run.storage.read(name)) as file:
            transform = file.transform
            placed = (transform.a, transform.b, transform.c, transform.d, transform.e, transform.f)
            crs = file.crs.to_wkt() if file.crs else ""
            return PixelBlock(file.read(1), placed, crs, file.tags()["SOURCE"])
    except (OSError, RasterioError, KeyError) as error:
        raise OutputError(run.storage.where(name), f"cannot be read: {error}") from error


@contextmanager
def _opened(content: bytes) -> Iterator[DatasetReader]:
    with warnings.catch_warnings(), MemoryFile(content) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open() as file:
            yield file
