"""The grids of maps: one pixel a tile, or one a pixel of the scene."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Literal

from landcover.tiles.grid import Grid, Transform

Output = Literal["tile", "pixel"]


@dataclass(frozen=True)
class SceneGrid:
    """A scene and the grid of tiles that covers it.

    Args:
        name: the scene, as its tiles name it in ``source``.
        crs: what rasterio and pyproj understand.
        transform: of the scene's first pixel at the resolution of the grid; not rotated.
        grid: its tiles.
        date: when it was taken; "" where scenes have none.
    """

    name: str
    crs: str
    transform: Transform
    grid: Grid
    date: str = ""

    def map_grid(self, output: Output) -> MapGrid:
        """The grid of the scene's map.

        Args:
            output: "pixel" for one pixel a pixel of the scene; "tile" for one a tile: as large as
                the stride and, where tiles overlap, centred on its tile.
        """
        grid = self.grid
        whole = MapGrid(self.crs, self.transform, grid.width, grid.height)
        if output == "pixel":
            return whole
        across = (grid.core.cols - grid.stride.cols) / 2 - grid.before.cols
        down = (grid.core.rows - grid.stride.rows) / 2 - grid.before.rows
        a, b, _, d, e, _ = self.transform
        x, y = whole.position(across, down)
        placed = (a * grid.stride.cols, b, x, d, e * grid.stride.rows, y)
        return MapGrid(self.crs, placed, grid.cols, grid.rows)


@dataclass(frozen=True)
class MapGrid:
    """Pixels of a map: a CRS, the transform of the first pixel (not rotated), how many there are."""

    crs: str
    transform: Transform
    width: int
    height: int

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """xmin, ymin, xmax, ymax of the whole grid, in its CRS."""
        (x0, y0), (x1, y1) = self.position(0, 0), self.position(self.width, self.height)
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)

    def position(self, col: float, row: float) -> tuple[float, float]:
        """Where the upper-left corner of a pixel lies in the CRS: x, y."""
        a, _, c, _, e, f = self.transform
        return c + a * col, f + e * row

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """The pixel in which a place of the CRS lies, with fractions: column, row."""
        a, _, c, _, e, f = self.transform
        return (x - c) / a, (y - f) / e

    def part(self, col: int, row: int, width: int, height: int) -> MapGrid:
        """The same grid begun at another of its pixels, which may lie outside."""
        a, b, _, d, e, _ = self.transform
        x, y = self.position(col, row)
        return MapGrid(self.crs, (a, b, x, d, e, y), width, height)


def file_names(scenes: Sequence[str], taken: Iterable[str] = ()) -> list[str]:
    """A short name for the map of each scene: the last part of its name, numbered if taken.

    Args:
        scenes: their names.
        taken: names that maps of something else have.
    """
    names = {name.casefold(): "" for name in taken}
    for scene in scenes:
        last = re.sub(r"\.tiff?$", "", PurePosixPath(scene).name, flags=re.IGNORECASE)
        stem = re.sub(r"[^\w.-]+", "_", last) or "scene"
        numbered = (f"{stem}-{number}" for number in count(2))
        # Some file systems take names that differ in case for the same.
        name = next(n for n in chain((stem,), numbered) if n.casefold() not in names)
        names[name.casefold()] = name
    return [name for name in names.values() if name]
