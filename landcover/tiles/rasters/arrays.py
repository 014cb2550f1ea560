"""An array as a scene: read like the files of others, but that its pixels are there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from landcover.tiles.grid import Rectangle
from landcover.tiles.rasters.reader import MaskedPixels, differs, masked
from landcover.tiles.rasters.scene import Scene


@dataclass(frozen=True, eq=False)
class ArrayScene(Scene):
    """Pixels of a scene, or as many of them as some of its tiles need.

    Args:
        pixels: dims (band, y, x).
        place: which pixels of the scene they are.
        nodata: what all bands hold where there is no data; None: nothing says so.
    """

    pixels: npt.NDArray[Any]
    place: Rectangle
    nodata: float | None

    def read(self, window: Rectangle) -> MaskedPixels:
        """Cut out a rectangle, which lies inside ``place``."""
        row0, col0 = self.place.row0, self.place.col0
        rows = slice(window.row0 - row0, window.row1 - row0)
        cols = slice(window.col0 - col0, window.col1 - col0)
        pixels = self.pixels[:, rows, cols].copy()
        valid = None if self.nodata is None else differs(pixels, [self.nodata] * len(pixels))
        return masked(pixels, valid)
