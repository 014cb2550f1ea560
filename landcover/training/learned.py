"""What any method of training comes to: a network, how it came about, and logits to judge it by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Step:
    """How far a training has come.

    Args:
        done: of what is counted.
        total: how many there are at most.
        unit: what is counted, as "epochs".
        told: what came out so far, in words; may be empty.
    """

    done: int
    total: int
    unit: str
    told: str = ""


Progress = Callable[[Step], None]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Normalized tiles that something is learned from, and those that measure it.

    Args:
        pixels: float32, dims (tile, y, x, band), of about mean 0 and deviation 1.
        labels: dims (tile,), or (tile, y, x) where each pixel has a class: indices of classes, less
            than 0 where none is known.
        apart: pixels of other tiles, or None.
        apart_labels: their labels, or None.
        classes: how many there are.
    """

    pixels: Floats
    labels: npt.NDArray[np.integer[Any]]
    apart: Floats | None
    apart_labels: npt.NDArray[np.integer[Any]] | None
    classes: int

    @property
    def unit(self) -> str:
        """What has a class: "tiles" or "pixels"."""
        return "tiles" if self.labels.ndim == 1 else "pixels"


@dataclass(frozen=True, eq=False)
class Learned:
    """A trained network.

    Args:
        network: a Keras model from normalized pixels to logits, whose last layer has them as weighted sums.
        method: what was done, in a sentence.
        history: a row an epoch, or nothing where there are none.
        curve: a row a training with fewer labels, or nothing where none was asked for.
        chosen: what was chosen on the way, by name.
        halo: of a network that labels pixels: how far from the edge of a window that edge is felt.
        apart: dims (tile, class), logits of tiles (or pixels) that nothing was learned from.
        truth: dims (tile,), their labels.
        judged: which these are, in words.
    """

    network: Any
    method: str
    apart: Floats
    truth: npt.NDArray[np.integer[Any]]
    judged: str
    history: tuple[dict[str, float], ...] = ()
    curve: tuple[dict[str, float], ...] = ()
    chosen: dict[str, Any] = field(default_factory=dict)
    halo: int = 0
