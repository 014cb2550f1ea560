"""Maps as cloud-optimized GeoTIFFs: a header that GDAL makes, and blocks that are there already."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio.io import MemoryFile

from landcover.classes import Scheme
from landcover.runs.map_format.area import level_sizes
from landcover.runs.map_format.blocks import STORED
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.map_format.vrt import category_names, virtual_map

Counts = npt.NDArray[np.uint64]
FRAME = 8
"""Bytes around each block of a map."""
_OFFSETS, _COUNTS = 324, 325  # TIFF 6.0: TileOffsets, TileByteCounts
_TYPES = {3: "u2", 4: "u4", 16: "u8"}  # TIFF 6.0 and BigTIFF: SHORT, LONG, LONG8


def framed(block: bytes) -> bytes:
    """A block as it lies in a cloud-optimized GeoTIFF: after its length, before its last bytes.

    See https://gdal.org/en/stable/drivers/raster/cog.html, "Header ghost area".
    """
    return struct.pack("<I", len(block)) + block + block[-4:]


def header(grid: MapGrid, scheme: Scheme, lengths: Sequence[Counts]) -> bytes:
    """All of a map's file that comes before its blocks.

    The blocks follow framed, those of the smallest overview first, row after row.

    Args:
        grid: the map's pixels.
        scheme: its classes.
        lengths: of the compressed blocks in bytes, dims (row, column), of the map itself and of
            each of its overviews.
    """
    content = bytearray(_empty(grid, scheme))
    ends = list(
        accumulate(
            (int((level + FRAME).sum()) for level in reversed(lengths)), initial=len(content)
        )
    )
    for level, start, arrays in zip(lengths, reversed(ends[:-1]), _arrays(content), strict=True):
        sizes = level.ravel()
        starts = start + np.concatenate([[0], np.cumsum(sizes + FRAME)[:-1]]).astype(np.uint64)
        arrays[_OFFSETS].put(content, starts + 4)
        arrays[_COUNTS].put(content, sizes)
    return bytes(content)


def auxiliary(scheme: Scheme) -> bytes:
    """The file beside a map that names its categories.

    GeoTIFF has no place for category names of its own: GDAL, QGIS and ArcGIS look for them in a
    file ``.aux.xml`` beside the map. The tag CLASSES inside the map says the same as JSON.
    """
    whole = Element("PAMDataset")
    SubElement(whole, "PAMRasterBand", band="1").append(category_names(scheme))
    ElementTree.indent(whole)
    text = ElementTree.tostring(whole, encoding="unicode", short_empty_elements=False)
    return text.encode() + b"\n"


def _empty(grid: MapGrid, scheme: Scheme) -> bytes:
    """A map without any block, as GDAL writes it: nothing but a header."""
    sizes = level_sizes(grid.height, grid.width)
    source = virtual_map(grid, scheme, overviews=sizes[1:])
    stored = {"compress": STORED["compress"], "bigtiff": "if_safer", "sparse_ok": True}
    with MemoryFile(ext=".tif") as memory, rasterio.Env(GDAL_PAM_ENABLED=False):
        rasterio.shutil.copy(
            source, memory.name, driver="COG", overview_resampling="mode", **stored
        )
        return bytes(memory.getbuffer())


@dataclass(frozen=True)
class _Array:
    """Numbers of a TIFF: where they lie, their type, how many there are."""

    start: int
    type: str
    count: int

    def put(self, content: bytearray, values: Counts) -> None:
        """Write them.

        Raises:
            OverflowError: if one is too large for its type.
        """
        if values.size != self.count or int(values.max()) > np.iinfo(self.type).max:
            raise OverflowError(f"{values.size} numbers up to {values.max()} for {self}")
        encoded = values.astype("<" + self.type).tobytes()
        content[self.start : self.start + len(encoded)] = encoded


def _arrays(content: bytes | bytearray) -> Iterator[dict[int, _Array]]:
    """Where each image of a TIFF says where its blocks lie, by tag; the map itself comes first."""
    big = content[2] == 43
    number, pointer = ("<Q", "<Q") if big else ("<H", "<I")
    entry = "<HHQ" if big else "<HHI"
    (at,) = struct.unpack_from(pointer, content, 8 if big else 4)
    while at:
        (count,) = struct.unpack_from(number, content, at)
        at += struct.calcsize(number)
        found = {}
        for _ in range(count):
            tag, kind, many = struct.unpack_from(entry, content, at)
            value = at + struct.calcsize(entry)
            if tag in (_OFFSETS, _COUNTS):
                found[tag] = _placed(content, value, pointer, _TYPES[kind], many)
            at = value + struct.calcsize(pointer)
        yield found
        (at,) = struct.unpack_from(pointer, content, at)


def _placed(content: bytes | bytearray, value: int, pointer: str, kind: str, many: int) -> _Array:
    """Few numbers stand in the entry itself, many where it points to."""
    if np.dtype(kind).itemsize * many > struct.calcsize(pointer):
        (value,) = struct.unpack_from(pointer, content, value)
    return _Array(value, kind, many)
