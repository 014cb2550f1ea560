"""What a reference says of places in tiles; the places are taken to it, and no pixel is warped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from rasterio.io import DatasetReader

from landcover.analysis.reference_raster import ReferenceRaster, places_across
from landcover.labelling.rules import Asked, Labels, Legend, Places, label
from landcover.runs.map_format.grid import MapGrid
from landcover.tiles.grid import Block, Size
from landcover.tiles.rasters.scene import Scene

Coordinates = npt.NDArray[np.float64]

# Places that are looked at in one go.
_PLACES = 2**21
# Along the side of a tile, where its share of a class is asked for: of large pixels of a reference, parts
# lie in it.
_FEWEST = 16


class Opened(Protocol):
    """A reference that is open."""

    def labels(self, scene: Scene, block: Block) -> Labels:
        """The labels of the tiles of a block of a scene: dims (row, column).

        Raises:
            SourceError: if the reference cannot be read, or has classes that are none of its scheme.
        """
        ...

    def codes(self, scene: Scene, row: int, col: int) -> Places:
        """The class of every pixel of a tile: dims (y, x), as :class:`Legend` counts them.

        Raises:
            SourceError: likewise.
        """
        ...


class Reference(Protocol):
    """What is held to be true; a few bytes that pickle."""

    def opened(self) -> AbstractContextManager[Opened]:
        """The reference, within a ``with`` block.

        Raises:
            SourceError: if it cannot be read.
        """
        ...


@dataclass(frozen=True)
class RasterReference:
    """A raster of class codes, in any CRS and resolution.

    Args:
        raster: which.
        legend: which classes of tiles its codes stand for.
        asked: at which places it is looked at.
    """

    raster: ReferenceRaster
    legend: Legend
    asked: Asked

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """The raster, within a ``with`` block."""
        with self.raster.opened() as file:
            yield _OpenRaster(self, file)


@dataclass(frozen=True)
class _OpenRaster:
    reference: RasterReference
    file: DatasetReader

    def labels(self, scene: Scene, block: Block) -> Labels:
        asked = self.reference.asked
        # By the scene as a whole: a label does not depend on the block in which a tile is looked at.
        steps = asked.steps or max(_FEWEST, places_across(self.file, _tile_grid(scene)))
        found = np.empty((block.row1 - block.row0, block.col1 - block.col0), np.int16)
        for part in _parts(block, max(1, _PLACES // steps**2)):
            within = (
                slice(part.row0 - block.row0, part.row1 - block.row0),
                slice(part.col0 - block.col0, part.col1 - block.col0),
            )
            classes = self._classes(scene, *places_of(scene, part, Size(steps, steps)))
            labels = label(classes, len(self.reference.legend.scheme), asked)
            found[within] = labels.reshape(found[within].shape)
        return found

    def codes(self, scene: Scene, row: int, col: int) -> Places:
        block, tile = Block(row, row + 1, col, col + 1), scene.grid.tile
        return self._classes(scene, *places_of(scene, block, tile)).reshape(tile)

    def _classes(self, scene: Scene, x: Coordinates, y: Coordinates) -> Places:
        found = self.reference.raster.classes_at(self.file, x, y, scene.crs)
        return self.reference.legend.of(found)


def places_of(scene: Scene, block: Block, steps: Size) -> tuple[Coordinates, Coordinates]:
    """Places in the tiles of a block, at the centres of equal parts of each.

    Args:
        scene: whose tiles they are.
        block: of its grid.
        steps: parts along the sides of a tile.

    Returns:
        x and y in the scene's CRS, dims (tile, place), row after row.
    """
    grid, (a, _, c, _, e, f) = scene.grid, scene.transform
    rows = np.arange(block.row0, block.row1) * grid.stride.rows - grid.before.rows
    cols = np.arange(block.col0, block.col1) * grid.stride.cols - grid.before.cols
    down = (np.arange(steps.rows) + 0.5) * (grid.tile.rows / steps.rows)
    across = (np.arange(steps.cols) + 0.5) * (grid.tile.cols / steps.cols)
    row, col, y, x = np.broadcast_arrays(
        rows[:, None, None, None], cols[:, None, None], down[:, None], across
    )
    shape = block.tiles, steps.rows * steps.cols
    return (c + a * (col + x)).reshape(shape), (f + e * (row + y)).reshape(shape)


def _tile_grid(scene: Scene) -> MapGrid:
    """Pixels as large as tiles, as many as lie in the scene."""
    grid, (a, b, c, d, e, f) = scene.grid, scene.transform
    placed = (a * grid.tile.cols, b, c, d, e * grid.tile.rows, f)
    cols, rows = grid.width / grid.tile.cols, grid.height / grid.tile.rows
    return MapGrid(scene.crs, placed, max(1, round(cols)), max(1, round(rows)))


def _parts(block: Block, most: int) -> Iterator[Block]:
    """Parts of a block, of at most so many tiles."""
    cols = min(most, block.col1 - block.col0)
    rows = max(1, most // cols)
    for row in range(block.row0, block.row1, rows):
        for col in range(block.col0, block.col1, cols):
            yield Block(row, min(row + rows, block.row1), col, min(col + cols, block.col1))
