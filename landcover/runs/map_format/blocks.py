"""Blocks of maps, compressed as GDAL compresses them: 512 x 512 codes each."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.io import DatasetReader, MemoryFile

from landcover.runs.map_format.area import BLOCK, Area, Codes, block_area
from landcover.tiles.gdal import unplaced_allowed

# As GDAL's driver for cloud-optimized GeoTIFFs writes them.
STORED: dict[str, Any] = {
    "compress": "deflate",
    "tiled": True,
    "blockxsize": BLOCK,
    "blockysize": BLOCK,
}


def compressed(blocks: Sequence[Codes]) -> list[bytes]:
    """Compress blocks.

    Args:
        blocks: each with dims (y, x), 512 x 512; what lies beyond the edge of a map is 0.
    """
    if not blocks:
        return []
    shape = {"width": BLOCK, "height": BLOCK * len(blocks), "count": 1, "dtype": blocks[0].dtype}
    with MemoryFile() as memory:
        with unplaced_allowed():
            file = memory.open(driver="GTiff", **shape, **STORED)
        with file:
            file.write(np.concatenate(blocks), 1)
        content = bytes(memory.getbuffer())
        with unplaced_allowed():
            file = memory.open(driver="GTiff")
        with file:
            places = [place_of(file, number, 0) for number in range(len(blocks))]
    return [content[start : start + size] for start, size in places]


def expanded(block: bytes, dtype: npt.DTypeLike) -> Codes:
    """The codes of a compressed block: dims (y, x), 512 x 512.

    Raises:
        ValueError: if that is not what it holds.
    """
    size = BLOCK * BLOCK * np.dtype(dtype).itemsize
    try:
        # No more than that: a few bytes may stand for gigabytes.
        content = zlib.decompressobj().decompress(block, size + 1)
    except zlib.error as error:
        raise ValueError(f"a block is damaged: {error}") from None
    if len(content) != size:
        raise ValueError(f"a block is damaged: it has not the {size:,} bytes of one")
    return np.frombuffer(content, dtype).reshape(BLOCK, BLOCK)


def place_of(file: DatasetReader, row: int, col: int) -> tuple[int, int]:
    """Where in a GeoTIFF a block of its first band lies, and how long it is, in bytes.

    Raises:
        ValueError: if the file does not hold it.
    """
    found = [
        file.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", 1) for what in ("OFFSET", "SIZE")
    ]
    if None in found:
        raise ValueError(f"there is no block in row {row}, column {col}")
    start, size = (int(value) for value in found)
    return start, size


def cut(codes: Codes, have: Area, area: Area, row: int, col: int) -> Codes:
    """A block of a level, 512 x 512; 0 beyond the level's edge, as GDAL leaves it.

    Args:
        codes: dims (y, x).
        have: the pixels of the level that ``codes`` holds.
        area: all pixels of the level.
        row: of the block.
        col: likewise.
    """
    whole = block_area(row, col)
    inside = whole.overlap(area)
    if inside == whole:
        return codes[whole.within(have)]
    block = np.zeros((BLOCK, BLOCK), codes.dtype)
    block[inside.within(whole)] = codes[inside.within(have)]
    return block
