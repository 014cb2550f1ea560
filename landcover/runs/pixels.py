"""Labels of pixels, as one task writes them: a small GeoTIFF of class codes.

Its blocks lie as those of the scene's map do: what a block of the map needs is copied from here as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.io import DatasetReader, MemoryFile
from rasterio.transform import Affine

from landcover.classes import Scheme
from landcover.errors import OutputError
from landcover.runs.counts import counts_of
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import BLOCK, Area, Codes, block_area
from landcover.runs.map_format.blocks import STORED, expanded, place_of
from landcover.tiles.gdal import FAILURES, unplaced_allowed
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
    """The block as a GeoTIFF in the scheme's dtype, which also says where in the scene it lies.

    It begins where a block of the scene's map does, with nodata up to the first row and column.
    """
    above, beside = block.row % BLOCK, block.col % BLOCK
    codes = np.pad(
        block.values.astype(scheme.dtype, copy=False),
        ((above, 0), (beside, 0)),
        constant_values=scheme.nodata,
    )
    a, b, c, d, e, f = block.transform
    profile = {
        "driver": "GTiff",
        "dtype": scheme.dtype,
        "count": 1,
        "height": codes.shape[0],
        "width": codes.shape[1],
        "crs": block.crs,
        "transform": Affine(a, b, c - a * beside, d, e, f - e * above),
        "nodata": scheme.nodata,
        **STORED,
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(codes, 1)
            file.update_tags(SOURCE=block.source, ROW=block.row, COL=block.col)
        return bytes(memory.getbuffer())


@dataclass(frozen=True, eq=False)
class PixelPart:
    """The labels of pixels of one task, still compressed.

    Args:
        source: the scene, as its tiles name it.
        area: the pixels of the scene that it labels.
        content: the file.
        dtype: of the codes.
        places: where in the file each block lies, and its length in bytes; by the block's row and
            column in the map.
        where: its file, for errors.
    """

    source: str
    area: Area
    content: bytes
    dtype: str
    places: dict[tuple[int, int], tuple[int, int]]
    where: str

    def block(self, row: int, col: int) -> bytes:
        """A block as it is compressed."""
        start, size = self.places[row, col]
        return self.content[start : start + size]

    def paint(self, codes: Codes, have: Area) -> None:
        """Put its labels in their places in an array that holds ``have``.

        Raises:
            OutputError: if a block is damaged.
        """
        for row, col in self.area.overlap(have).blocks().cells():
            whole = block_area(row, col)
            part = whole.overlap(self.area).overlap(have)
            try:
                block = expanded(self.block(row, col), self.dtype)
            except ValueError as error:
                raise OutputError(self.where, f"cannot be read: {error}") from None
            codes[part.within(have)] = block[part.within(whole)]

    @cached_property
    def values(self) -> Codes:
        """All its labels, dims (y, x)."""
        values: Codes = np.empty(self.area.shape, self.dtype)
        self.paint(values, self.area)
        return values


def read_pixels(run: RunDirectory, index: int) -> PixelPart | None:
    """Read back the labels that a task wrote; None where it wrote none.

    Raises:
        OutputError: if they cannot be read.
    """
    counts = counts_of(run, index)
    if counts is None:
        return None
    name = run.part("pixels", index, counts.mark)
    try:
        content = run.storage.read(name)
    except FileNotFoundError:
        return None
    where = run.storage.where(name)
    try:
        return _part(content, run.scheme, where)
    except (*FAILURES, KeyError, ValueError) as error:
        raise OutputError(where, f"cannot be read: {error}") from error


def _part(content: bytes, scheme: Scheme, where: str) -> PixelPart:
    with MemoryFile(content) as memory:
        with unplaced_allowed():
            file = memory.open(driver="GTiff")
        with file:
            _check_stored(file, scheme)
            tags = file.tags()
            row, col = int(tags["ROW"]), int(tags["COL"])
            top, left = row // BLOCK, col // BLOCK
            area = Area(row, top * BLOCK + file.height, col, left * BLOCK + file.width)
            blocks = area.blocks().cells()
            places = {(y, x): place_of(file, y - top, x - left) for y, x in blocks}
            return PixelPart(tags["SOURCE"], area, content, scheme.dtype, places, where)


def _check_stored(file: DatasetReader, scheme: Scheme) -> None:
    """Look whether the blocks of a part are stored as those of the map are, which are copied from it."""
    found = (file.dtypes, file.profile.get("compress"), file.block_shapes)
    meant = ((scheme.dtype,), STORED["compress"], [(BLOCK, BLOCK)])
    if found != meant:
        raise ValueError(f"it is stored as {found}, and not as {meant}")
