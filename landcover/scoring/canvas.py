"""The labels of a task's pixels, put in their places as the network returns them."""

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
    """What a task writes of its scene, a code a pixel; without a class where nothing is put.

    Args:
        task: of a network that labels pixels.
        scheme: the classes, in the order of the network's output.
    """

    def __init__(self, task: RasterTask, scheme: Scheme) -> None:
        self._scene = task.scene
        row0, row1, col0, col1 = task.written()
        self._row, self._col = row0, col0
        self._values = np.full((row1 - row0, col1 - col0), scheme.nodata, scheme.dtype)
        # Index -1 stands for pixels without data: it finds the nodata value at the end.
        self._codes = np.array([*scheme.codes, scheme.nodata], scheme.dtype)

    def put(self, tiles: Sequence[Tile], labels: npt.NDArray[np.integer[Any]]) -> None:
        """Put the labels of tiles in their places; what lies beyond the scene is cut off.

        Args:
            tiles: n of them.
            labels: dims (n, y, x): the index of the class of each pixel, -1 where there is no data.
        """
        grid = self._scene.grid
        for tile, pixels in zip(tiles, labels, strict=True):
            row, col = grid.corner(tile.row, tile.col)
            y, x = row - self._row, col - self._col
            target = self._values[max(0, y) : y + grid.core.rows, max(0, x) : x + grid.core.cols]
            inside = pixels[max(0, -y) :, max(0, -x) :]
            target[:] = self._codes[inside[: target.shape[0], : target.shape[1]]]

    def block(self) -> PixelBlock:
        """All of it, as the task's part holds it."""
        scene, row, col = self._scene, self._row, self._col
        place = scene.transform_at(row, col)
        return PixelBlock(scene.name, self._values, row, col, place, scene.crs)
