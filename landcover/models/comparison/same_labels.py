"""How sure it is that labels are the same: the lower end of an interval, of a sample of tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

# Labels of pixels of fewer tiles say too little of other tiles: the normal law that the interval
# stands on needs about so many (the rule of thumb of 30).
FEWEST_TILES = 30


@dataclass(frozen=True)
class SameLabels:
    """Labels of a sample, tile by tile.

    Args:
        same: of each tile, how many labels are those of the reference.
        counted: of each tile, how many labels there are; 1 for a network that labels tiles.
    """

    same: Sequence[int]
    counted: Sequence[int]

    @property
    def labels(self) -> int:
        """How many labels there are."""
        return sum(self.counted)

    @property
    def share(self) -> float:
        """Of the labels, those that are the same, in [0, 1]."""
        return sum(self.same) / self.labels if self.labels else 0.0

    def lower_bound(self, error: float = 0.05) -> float:
        """The lower end of Wilson's interval (1927) of the share.

        Pixels of one tile are alike: their labels count for as many independent ones as would have
        the variance of the share between tiles (the effective size of a sample of clusters; Korn and
        Graubard 1998), and for none where there are fewer tiles than :data:`FEWEST_TILES`.

        Args:
            error: how often the whole interval may miss the share, both ends together.
        """
        return wilson(self.share, self._independent(), error)[0]

    def _independent(self) -> float:
        """How many independent labels would say as much."""
        if all(count == 1 for count in self.counted):
            return float(self.labels)
        tiles, total, share = len(self.counted), self.labels, self.share
        if tiles < FEWEST_TILES:
            return 0.0
        apart = zip(self.same, self.counted, strict=True)
        squares = sum((same - share * count) ** 2 for same, count in apart)
        if not squares:
            return float(total)
        variance = tiles / (tiles - 1) * squares / total**2
        return min(float(total), share * (1 - share) / variance)


def wilson(share: float, number: float, error: float = 0.05) -> tuple[float, float]:
    """Wilson's interval (1927) of a share.

    Args:
        share: in [0, 1].
        number: of independent observations; of none, the interval is [0, 1].
        error: how often the interval may miss the share of all.
    """
    if number <= 0:
        return 0.0, 1.0
    quantile = NormalDist().inv_cdf(1 - error / 2)
    square = quantile**2 / number
    middle = (share + square / 2) / (1 + square)
    half = quantile / (1 + square) * math.sqrt(share * (1 - share) / number + square / 4 / number)
    return max(0.0, middle - half), min(1.0, middle + half)


def fewest_labels(at_least: float, error: float = 0.05) -> int:
    """How many labels, all of them the same, have a lower bound of a share.

    Args:
        at_least: the share, in (0, 1).
        error: as for :func:`wilson`.
    """
    quantile = NormalDist().inv_cdf(1 - error / 2)
    return math.ceil(quantile**2 * at_least / (1 - at_least))
