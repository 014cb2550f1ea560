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
from landcover.tiles.grid import Transform


@dataclass(frozen=True, eq=False)
class PixelBlock:
    """A rectangle of a scene's pixels.

    Args:
        source: the scene, as its tiles name it.
        values: dims (y, x), codes of classes; the scheme's nodata where there is none.
        row: where in the scene, at the resolution of the grid, the block's first row lies.
        col: where its first column lies.
        transform: of the block's first pixel; not rotated.
        crs: the scene's.
    """

    source: str
    values: npt.NDArray[np.unsignedinteger[Any]]
    row: int
    col: int
    transform: Transform
    crs: str


def encode_pixels(block: PixelBlock, scheme: Scheme) -> bytes:
    """The block as a GeoTIFF in the scheme's dtype, which also says where in the scene it lies."""
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
            file.update_tags(SOURCE=block.source, ROW=block.row, COL=block.col)
        return bytes(memory.getbuffer())


def read_pixels(run: RunDirectory, index: int) -> PixelBlock:
    """Read back the block that a task wrote.

    Raises:
        OutputError: if it cannot be read.
    """
    name = run.part("pixels", index)
    try:
        with _opened(run.storage.read(name)) as file:
            tags, (a, b, c, d, e, f) = file.tags(), tuple(file.transform)[:6]
            placed = int(tags["ROW"]), int(tags["COL"]), (a, b, c, d, e, f)
            crs = file.crs.to_wkt() if file.crs else ""
            return PixelBlock(tags["SOURCE"], file.read(1), *placed, crs)
    except (OSError, RasterioError, KeyError) as error:
        raise OutputError(run.storage.where(name), f"cannot be read: {error}") from error


@contextmanager
def _opened(content: bytes) -> Iterator[DatasetReader]:
    with warnings.catch_warnings(), MemoryFile(content) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open() as file:
            yield file
