"""What a lower precision costs in labels: a sample of a run, scored in it and in f32."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from landcover.contracts import Source, Strip
from landcover.models.comparison.same_labels import SameLabels
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
        tiles: in the sample: the first of the plan that hold data; of a precision with a promise,
            tiles from all over the plan.
        labels: that were compared: one a tile, or one a pixel with data.
        agreement: the share of them that are the same in both, in [0, 1].
        largest_score_difference: of any class's probability, of any label, in [0, 1].
        lower_bound: of a precision with a promise: the lower end of the interval of ``agreement``.
        at_least: what was asked of it.
        layers: of a quantized network: how many have weights.
        kept: how many of these were kept in f32.
    """

    precision: str
    tiles: int
    labels: int
    agreement: float
    largest_score_difference: float
    lower_bound: float | None = None
    at_least: float | None = None
    layers: int | None = None
    kept: int | None = None

    def as_dict(self) -> dict[str, object]:
        """All of it that is known, as plain JSON values."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass
class Difference:
    """How far the labels of a network are from those in f32, tile by tile.

    Args:
        same: of each tile, how many labels are the same.
        counted: of each tile, how many labels there are.
        furthest: the largest difference of a score.
    """

    same: list[int] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    furthest: float = 0.0

    def add(self, one: Probabilities, other: Probabilities, valid: Valid | None) -> None:
        """Add what both say of some tiles; see :func:`_compared`."""
        same, counted, apart = _compared(one, other, valid)
        self.same += same
        self.counted += counted
        self.furthest = max(self.furthest, apart)

    @property
    def labels(self) -> SameLabels:
        """The labels; tiles without any count for nothing."""
        pairs = [pair for pair in zip(self.same, self.counted, strict=True) if pair[1]]
        return SameLabels([same for same, _ in pairs], [count for _, count in pairs])

    def check(self, precision: str) -> PrecisionCheck:
        """What is told of it; there is at least one label."""
        labels = self.labels
        agreement, furthest = round(labels.share, 6), round(self.furthest, 6)
        return PrecisionCheck(precision, len(self.same), labels.labels, agreement, furthest)


def check_precision(
    recipe: Recipe, source: Source, threads: int, most: int = _TILES
) -> PrecisionCheck | None:
    """Score the first tiles of a plan in the recipe's precision and in f32.

    Args:
        recipe: of the model, in a precision other than f32.
        source: whose tiles are read.
        threads: CPU threads that the networks may use.
        most: tiles in the sample.

    Returns:
        None where none of the first reads of the plan brought a tile with data.

    Raises:
        ModelError: the model cannot be opened in both.
    """
    models, exactly = open_models(), replace(recipe, precision="f32")
    with models.use(recipe, threads) as lower, models.use(exactly, threads) as exact:
        networks = (lower.model.network, exact.model.network)
        found = difference(*networks, _first(source, most))
    models.close(exactly, threads)
    return found.check(recipe.precision) if found.labels.labels else None


def difference(lower: Network, exact: Network, strips: Iterable[Strip]) -> Difference:
    """How far the labels of a network are from those of the same in f32.

    Args:
        lower: the network.
        exact: the same in f32.
        strips: the tiles, a few at a time.
    """
    found = Difference()
    for strip in strips:
        found.add(lower.run(strip.pixels), exact.run(strip.pixels), strip.valid)
    return found


def checked(
    lower: Network,
    exact: Network,
    strips: Iterable[Strip],
    precision: str,
    at_least: float,
    error: float = 0.05,
) -> PrecisionCheck:
    """Hold a network against the same in f32, with the lower end of the interval of its agreement.

    Args:
        lower: the network.
        exact: the same in f32.
        strips: the tiles, a few at a time; at least one has a label.
        precision: of the network.
        at_least: the share of labels that is asked of it.
        error: how often the interval may miss.
    """
    found = difference(lower, exact, strips)
    bound = round(found.labels.lower_bound(error), 6)
    return replace(found.check(precision), lower_bound=bound, at_least=at_least)


def _first(source: Source, most: int) -> Iterator[Strip]:
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


def _compared(
    one: Probabilities, other: Probabilities, valid: Valid | None
) -> tuple[list[int], list[int], float]:
    """Of each tile, how many labels are the same and how many there are; the largest difference."""
    (one, lost), (other, missing) = defined(one), defined(other)
    same = one.argmax(axis=1) == other.argmax(axis=1)
    for undefined in (lost, missing):
        if undefined is not None:
            same &= ~undefined
    apart = np.abs(one.astype(np.float64) - other).max(axis=1)
    counts: npt.NDArray[np.bool_] = np.ones(same.shape, bool)
    if valid is not None and one.ndim == 4:
        counts = np.broadcast_to(valid, same.shape)
    tile = tuple(range(1, same.ndim))
    furthest = float(apart[counts].max(initial=0.0))
    return (same & counts).sum(axis=tile).tolist(), counts.sum(axis=tile).tolist(), furthest
