"""What came of a task: tiles with labels, and the part that is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from landcover.contracts import Failure, Task, Tile
from landcover.models.recipe import Recipe
from landcover.runs.tables import Part
from landcover.scoring.canvas import Canvas, pixel_block
from landcover.scoring.labels import Labels
from landcover.scoring.pipeline import Tally
from landcover.tiles.rasters import RasterTask

Found: TypeAlias = list[tuple[Sequence[Tile], Labels]]


class Scored(NamedTuple):
    """What came of a task.

    Args:
        found: tiles with their labels, by batches.
        tally: what the reads brought beside them.
        refused: tiles that the network refused.
        canvas: the labels of pixels, where there are any.
    """

    found: Found
    tally: Tally
    refused: list[Failure]
    canvas: Canvas | None


def kept(
    tiles: Sequence[Tile], labels: Labels, refused: list[Failure]
) -> tuple[Sequence[Tile], Labels]:
    """The tiles of a batch that the network labelled; the others are added to ``refused``."""
    if not labels.refused:
        return tiles, labels
    refused += [Failure(tiles[place], reason, False) for place, reason in labels.refused.items()]
    places, left = labels.kept()
    return [tiles[place] for place in places], left


def part_of(task: Task, done: Scored, recipe: Recipe, classes: int, probabilities: bool) -> Part:
    """The part that a task writes.

    Args:
        task: which.
        done: what came of it.
        recipe: of the network.
        classes: how many it tells apart.
        probabilities: whether the table gets those of all classes.
    """
    labels = [of_batch for _, of_batch in done.found]
    every = _stacked([one.probabilities for one in labels], classes)
    return Part(
        index=task.index,
        planned=task.tiles,
        tiles=[tile for tiles, _ in done.found for tile in tiles],
        labels=_stacked([one.labels for one in labels], dtype=np.intp),
        scores=_stacked([one.scores for one in labels]),
        probabilities=every if probabilities else None,
        crs=task.scene.crs if isinstance(task, RasterTask) else None,
        date=task.scene.date if isinstance(task, RasterTask) else "",
        failures=done.tally.failures,
        skipped=done.tally.skipped,
        pixels=None if done.canvas is None else pixel_block(done.canvas),
        undefined=_undefined(labels) if recipe.output == "pixel" else None,
        digest=task.digest,
    )


def _undefined(labels: Sequence[Labels]) -> npt.NDArray[np.intp]:
    counts = [one.undefined for one in labels if one.undefined is not None]
    return _stacked(counts, dtype=np.intp)


def _stacked(
    parts: Sequence[npt.NDArray[Any]], *shape: int, dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any]:
    """The parts one after another; of no parts, an empty array of this shape after the first dim."""
    return np.concatenate(parts) if parts else np.empty((0, *shape), dtype)
