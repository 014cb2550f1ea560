"""Blocks of an array are scored as the tasks of a run are: the same reads, batches and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.classes import Scheme
from landcover.contracts import Tile
from landcover.models.recipe import Recipe
from landcover.scoring.canvas import Canvas, codes_of
from landcover.scoring.inference import Labelling
from landcover.scoring.labels import Labels
from landcover.scoring.model import open_models
from landcover.scoring.pipeline import Tally
from landcover.tiles.grid import Block, Grid, Rectangle
from landcover.tiles.rasters import RasterTask
from landcover.tiles.rasters.arrays import ArrayScene
from landcover.tiles.rasters.bands import BandPlan

# Edge of what is computed in one go of an array of Dask, in pixels of the scene, about.
_EDGE = 2048


@dataclass(frozen=True)
class BlockScorer:
    """Scores blocks of tiles of an array.

    Args:
        recipe: of the model.
        scheme: its classes.
        grid: how tiles cover the array.
        nodata: what pixels hold in all bands where there is no data; None: nothing says so.
    """

    recipe: Recipe
    scheme: Scheme
    grid: Grid
    nodata: float | None

    def __call__(self, pixels: npt.NDArray[Any], place: Rectangle, block: Block) -> Any:
        """Return code and score of each label, dims (2, y, x): of pixels, or of tiles.

        Args:
            pixels: dims (band, y, x), all that the block needs.
            place: which of the array's they are.
            block: of the grid.
        """
        task = self._task(pixels, place, block)
        plane = self._pixel_plane if self.recipe.output == "pixel" else self._tile_plane
        return plane(task, self._labelled(task))

    def _task(self, pixels: npt.NDArray[Any], place: Rectangle, block: Block) -> RasterTask:
        bands = tuple(range(1, len(pixels) + 1))
        scene = ArrayScene(
            name="array",
            files=(),
            drivers=(),
            grid=self.grid,
            transform=(1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
            crs="",
            bands=BandPlan(bands, (), str(pixels.dtype), "value", 0),
            native=True,
            finer=1.0,
            block=(place.row1 - place.row0, place.col1 - place.col0),
            state="",
            bare=True,
            date="",
            pixels=pixels,
            place=place,
            nodata=self.nodata,
        )
        return RasterTask(0, scene, block, self.recipe.output == "pixel")

    def _labelled(self, task: RasterTask) -> Iterator[tuple[tuple[Tile, ...], Labels]]:
        """The tiles of a task that hold data, with what the network says of them."""
        with open_models().use(self.recipe, 0) as opened:
            labelling = Labelling(opened, self.recipe.batch)
            for batch, labels in opened.pipeline.score(task.reads(), labelling, Tally()):
                yield tuple(batch.tiles), labels

    def _pixel_plane(self, task: RasterTask, found: Any) -> npt.NDArray[np.float32]:
        codes = Canvas(task, self.scheme.nodata, np.float32)
        scores = Canvas(task, np.nan, np.float32)
        for tiles, labels in found:
            codes.put(tiles, codes_of(labels.pixels, self.scheme))
            scores.put(tiles, np.where(labels.pixels < 0, np.nan, labels.pixel_scores))
        return np.stack([codes.values, scores.values])

    def _tile_plane(self, task: RasterTask, found: Any) -> npt.NDArray[np.float32]:
        row0, row1, col0, col1 = task.block
        plane = np.empty((2, row1 - row0, col1 - col0), np.float32)
        plane[0], plane[1] = self.scheme.nodata, np.nan
        for tiles, labels in found:
            places, kept = labels.kept()
            rows = [tiles[place].row - row0 for place in places]
            cols = [tiles[place].col - col0 for place in places]
            plane[0, rows, cols] = codes_of(kept.labels, self.scheme)
            plane[1, rows, cols] = kept.scores
        return plane


def score_eagerly(scorer: BlockScorer, pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Score an array in memory, dims (band, y, x)."""
    grid = scorer.grid
    return np.asarray(scorer(pixels, grid.scene, Block(0, grid.rows, 0, grid.cols)))


def score_lazily(scorer: BlockScorer, pixels: Any) -> Any:
    """Score an array of Dask block by block, each some tiles wide and high, as it is computed."""
    import dask.array as da

    grid = scorer.grid
    rows = _parts(grid.rows, grid.core.rows, grid.halo)
    cols = _parts(grid.cols, grid.core.cols, grid.halo)
    blocks = [[Block(*down, *right) for right in cols] for down in rows]
    written = [[grid.written(block) for block in row] for row in blocks]
    high = tuple(row[0].row1 - row[0].row0 for row in written)
    wide = tuple(one.col1 - one.col0 for one in written[0])
    # A block that is the only one of its row or column has all of the array already.
    halo = {0: 0, 1: grid.halo * (len(rows) > 1), 2: grid.halo * (len(cols) > 1)}
    around = da.overlap.overlap(  # type: ignore[no-untyped-call]
        pixels.rechunk((len(pixels), high, wide)), halo, "none"
    )

    def scored(part: npt.NDArray[Any], block_id: tuple[int, ...]) -> Any:
        _, down, right = block_id
        place = _around(written[down][right], grid)
        return scorer(part, place, blocks[down][right])

    if scorer.recipe.output == "tile":
        high, wide = (tuple(stop - first for first, stop in parts) for parts in (rows, cols))
    return da.map_blocks(  # type: ignore[no-untyped-call]
        scored, around, chunks=((2,), high, wide), dtype=np.float32, meta=np.empty((0, 0, 0), "f4")
    )


def _parts(count: int, core: int, halo: int) -> list[tuple[int, int]]:
    """Cut a row or column of tiles into parts: (first, stop).

    None is so short that what it mirrors at an edge of the array, or its halo, lies beyond it.
    """
    least = 2 + halo // core
    each = max(least, _EDGE // core)
    firsts = list(range(0, count, each))
    if len(firsts) > 1 and count - firsts[-1] < least:
        firsts.pop()
    return list(zip(firsts, [*firsts[1:], count], strict=True))


def _around(written: Rectangle, grid: Grid) -> Rectangle:
    """What a block gets of the array: what it writes, with its halo."""
    row0, row1, col0, col1 = written
    halo = grid.halo
    return Rectangle(
        *(max(0, row0 - halo), min(grid.height, row1 + halo)),
        *(max(0, col0 - halo), min(grid.width, col1 + halo)),
    )
