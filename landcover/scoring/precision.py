"""What a lower precision costs in labels: a sample of a run, scored in it and in f32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice

import numpy as np

from landcover.contracts import Source, Strip
from landcover.models.network import Network
from landcover.models.recipe import Recipe
from landcover.scoring.labels import Probabilities, Valid, defined
from landcover.scoring.model import open_models

_TILES = 32
# Where the plan begins with nothing but nodata, the search for tiles ends after so many reads.
_READS = 64
# Tiles given to a network at once: few, as nobody knows yet how much memory they take.
_BATCH = 8


@dataclass(frozen=True)
class PrecisionCheck:
    """How far a precision is from f32 on a sample.

    Args:
        precision: what was held against f32.
        tiles: in the sample: the first of the plan that hold data.
        labels: that were compared: one a tile, or one a pixel with data.
        agreement: the share of them that are the same in both, in [0, 1].
        largest_score_difference: of any class's probability, of any label, in [0, 1].
    """

    precision: str
    tiles: int
    labels: int
    agreement: float
    largest_score_difference: float

    def as_dict(self) -> dict[str, object]:
        """All of it as plain JSON values."""
        return asdict(self)


def check_precision(
    recipe: Recipe, source: Source, threads: int, crop: int = 0, most: int = _TILES
) -> PrecisionCheck | None:
    """Score the first tiles of a plan in the recipe's precision and in f32.

    Args:
        recipe: of the model, in a precision other than f32.
        source: whose tiles are read.
        threads: CPU threads that the networks may use.
        crop: pixels on each side of what a network labels that are not written.
        most: tiles in the sample.

    Returns:
        None where none of the first reads of the plan brought a tile with data.

    Raises:
        ModelError: the model cannot be opened in both.
    """
    models, exactly = open_models(), replace(recipe, precision="f32")
    tiles = labels = same = 0
    furthest = 0.0
    with models.use(recipe, threads) as lower, models.use(exactly, threads) as exact:
        for strip in _sample(source, most):
            one, other = (_run(opened.model.network, strip, crop) for opened in (lower, exact))
            agreed, counted, difference = _compared(one, other, strip.valid)
            tiles, labels, same = tiles + len(strip.tiles), labels + counted, same + agreed
            furthest = max(furthest, difference)
    models.close(exactly, threads)
    if not labels:
        return None
    return PrecisionCheck(
        recipe.precision, tiles, labels, round(same / labels, 6), round(furthest, 6)
    )


def _sample(source: Source, most: int) -> Iterator[Strip]:
    """The first tiles of a plan that hold data, a few at a time."""
    reads = (read for task in source.tasks() for read in task.reads())
    left = most
    for read in islice(reads, _READS):
        strip = read()
        count = min(len(strip.tiles), left)
        for start in range(0, count, _BATCH):
            cut = slice(start, min(start + _BATCH, count))
            valid = None if strip.valid is None else strip.valid[cut]
            yield Strip(strip.tiles[cut], strip.pixels[cut], valid)
        left -= count
        if not left:
            return


def _run(network: Network, strip: Strip, crop: int) -> Probabilities:
    found = network.run(strip.pixels)
    inner = slice(crop, -crop or None)
    return found if found.ndim == 2 else found[:, :, inner, inner]


def _compared(
    one: Probabilities, other: Probabilities, valid: Valid | None
) -> tuple[int, int, float]:
    """How many labels are the same, how many there are, and the largest difference of a score."""
    (one, lost), (other, missing) = defined(one), defined(other)
    same = one.argmax(axis=1) == other.argmax(axis=1)
    for undefined in (lost, missing):
        if undefined is not None:
            same &= ~undefined
    apart = np.abs(one.astype(np.float64) - other).max(axis=1)
    if valid is not None and one.ndim == 4:
        same, apart = same[valid], apart[valid]
    return int(same.sum()), same.size, float(apart.max(initial=0.0))
