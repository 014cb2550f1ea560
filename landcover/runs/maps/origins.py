"""Where the pixels of a level of a map come from: parts of the run, other maps, the level before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from rasterio.windows import Window

from landcover.errors import OutputError
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import BLOCK, Area, Codes, Size, block_area
from landcover.runs.map_format.blocks import expanded
from landcover.runs.maps.layout import PIECE, Layout
from landcover.runs.maps.piece_files import open_piece
from landcover.runs.parts import read_part
from landcover.runs.pixels import read_pixels
from landcover.tiles.gdal import FAILURES, cause
from landcover.tiles.opening import Allowed, opened_raster


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a level.

    Args:
        codes: dims (y, x).
        area: the pixels of the level that ``codes`` holds.
        ready: blocks of the level that are compressed already, by row and column.
    """

    codes: Codes
    area: Area
    ready: dict[tuple[int, int], bytes] = field(default_factory=dict)


class Origin(Protocol):
    """Where the pixels of a level come from, in a few hundred bytes that pickle."""

    def read(self, run: RunDirectory, size: Size, area: Area) -> Known:
        """Read some pixels.

        Args:
            run: the directory.
            size: of the level.
            area: the pixels that are asked for.

        Raises:
            OutputError: if they cannot be read.
        """
        ...


@dataclass(frozen=True)
class PartPlace:
    """The part of a task, and the area of its scene's map that it fills.

    Args:
        source: the scene, as its tiles name it.
        index: of the task.
        area: in pixels of the map.
    """

    source: str
    index: int
    area: Area


@dataclass(frozen=True)
class PixelParts:
    """Labels of pixels, as tasks have written them.

    Args:
        indices: of the tasks.
    """

    indices: tuple[int, ...]

    def read(self, run: RunDirectory, size: Size, area: Area) -> Known:
        """Read some pixels; a block that lies in one part as a whole is ready."""
        known = Known(_blank(run, area), area)
        for index in self.indices:
            part = read_pixels(run, index)
            if part is None:  # its tiles are all in quarantine
                continue
            part.paint(known.codes, area)
            for row, col in part.area.blocks().cells():
                whole = block_area(row, col)
                if whole.overlap(part.area) == whole.overlap(size.area):
                    known.ready[row, col] = part.block(row, col)
        return known


@dataclass(frozen=True)
class TileParts:
    """Labels of tiles, as tasks have written them: one pixel each.

    Args:
        indices: of the tasks.
    """

    indices: tuple[int, ...]

    def read(self, run: RunDirectory, size: Size, area: Area) -> Known:
        """Read some pixels."""
        codes = _blank(run, area)
        for index in self.indices:
            table = read_part(run, index, columns=["row", "col", "code"])
            row, col, code = (table[name].to_numpy() for name in ("row", "col", "code"))
            inside = (row >= area.row0) & (row < area.row1) & (col >= area.col0) & (col < area.col1)
            codes[row[inside] - area.row0, col[inside] - area.col0] = code[inside]
        return Known(codes, area)


@dataclass(frozen=True)
class Pieces:
    """Pieces of the same map, which are there already.

    Args:
        layout: of the map.
        level: the level in question.
    """

    layout: Layout
    level: int

    def read(self, run: RunDirectory, size: Size, area: Area) -> Known:
        """Read some pixels."""
        codes, base = _blank(run, area), self.layout.base_of(self.level)
        # So many rows and columns of blocks of this level has a piece of the level it is made from.
        edge = max(1, PIECE // BLOCK >> (self.level - base))
        blocks = area.blocks()
        of_pieces = Area(
            blocks.row0 // edge,
            -(-blocks.row1 // edge),
            blocks.col0 // edge,
            -(-blocks.col1 // edge),
        )
        for place in of_pieces.cells():
            with open_piece(run.storage, self.layout.file(base, *place)) as (file, levels):
                stored = levels[self.level]
                for row in range(stored.blocks.row0, stored.blocks.row1):
                    start, length = stored.row(row)
                    file.seek(start)
                    for at, block in stored.split(row, file.read(length)):
                        _paint(codes, area, at, expanded(block, codes.dtype))
        return Known(codes, area)


@dataclass(frozen=True)
class Mosaic:
    """Other maps, as an index shows them.

    Args:
        name: of the index, relative to the run directory.
    """

    name: str

    def read(self, run: RunDirectory, size: Size, area: Area) -> Known:
        """Read some pixels."""
        where = run.storage.where(self.name)
        height, width = area.shape
        window = Window(area.col0, area.row0, width, height)
        try:
            with opened_raster(where, Allowed(roots=(run.storage.where(""),))) as file:
                return Known(file.read(1, window=window), area)
        except FAILURES as error:
            raise OutputError(where, f"cannot be read: {cause(error)}") from error


def _blank(run: RunDirectory, area: Area) -> Codes:
    codes: Codes = np.full(area.shape, run.scheme.nodata, run.scheme.dtype)
    return codes


def _paint(codes: Codes, have: Area, place: tuple[int, int], block: Codes) -> None:
    """Put a block in its place in an array that holds ``have``."""
    whole = block_area(*place)
    part = whole.overlap(have)
    codes[part.within(have)] = block[part.within(whole)]
