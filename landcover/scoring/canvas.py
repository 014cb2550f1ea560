"""What is known of a task's pixels, put in its place as the network returns it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.classes import Scheme
from landcover.contracts import Tile
from landcover.runs.pixels import PixelBlock
from landcover.tiles.rasters import RasterTask


class Canvas:
    """What a task writes of its scene, a value a pixel.

    Args:
        task: of a network that labels pixels.
        empty: the value where nothing is put.
        dtype: of the values.
    """

    def __init__(self, task: RasterTask, empty: float, dtype: npt.DTypeLike) -> None:
        self.task = task
        self._place = row0, row1, col0, col1 = task.written()
        self.values: npt.NDArray[Any] = np.full((row1 - row0, col1 - col0), empty, dtype)

    def put(self, tiles: Sequence[Tile], values: npt.NDArray[Any]) -> None:
        """Put the values of tiles in their places; what lies beyond the scene is cut off.

        Args:
            tiles: n of them.
            values: dims (n, y, x), a value for each pixel that they write.
        """
        grid = self.task.scene.grid
        for tile, pixels in zip(tiles, values, strict=True):
            row, col = grid.corner(tile.row, tile.col)
            y, x = row - self._place.row0, col - self._place.col0
            target = self.values[max(0, y) : y + grid.core.rows, max(0, x) : x + grid.core.cols]
            inside = pixels[max(0, -y) :, max(0, -x) :]
            target[:] = inside[: target.shape[0], : target.shape[1]]


def codes_of(labels: npt.NDArray[np.integer[Any]], scheme: Scheme) -> npt.NDArray[Any]:
    """The codes of classes by their indices; the scheme's nodata where the index is -1."""
    codes = np.array([*scheme.codes, scheme.nodata], scheme.dtype)
    return np.asarray(codes[labels])


def pixel_block(canvas: Canvas) -> PixelBlock:
    """A canvas of codes, as the task's part holds it."""
    scene, (row, _, col, _) = canvas.task.scene, canvas.task.written()
    place = scene.transform_at(row, col)
    return PixelBlock(scene.name, canvas.values, row, col, place, scene.crs)
