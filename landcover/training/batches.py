"""Batches of tiles in a new order each epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]


class Batch(NamedTuple):
    """Tiles that are shown at once.

    Args:
        pixels: float32, dims (tile, y, x, band).
        truth: float32, dims (tile, class) or (tile, y, x, class), 1 at the class of each tile or
            pixel, else 0.
        weights: float32, dims (tile,) or (tile, y, x), how much each counts; about 1 in the mean, 0
            where the class is not known.
    """

    pixels: Floats
    truth: Floats
    weights: Floats


@dataclass(frozen=True, eq=False)
class Batches:
    """Normalized tiles that are shown again and again, in another order each time.

    Args:
        pixels: float32, dims (tile, y, x, band), of about mean 0 and deviation 1.
        labels: dims (tile,) or (tile, y, x), indices of classes; less than 0 where none is known.
        weights: dims (class,), how much what is of each class counts.
        size: tiles a batch.
        generator: chance.
    """

    pixels: Floats
    labels: npt.NDArray[np.integer]
    weights: Floats
    size: int
    generator: np.random.Generator

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.size)

    def __iter__(self) -> Iterator[Batch]:
        order = self.generator.permutation(len(self.labels))
        truth = np.eye(len(self.weights), dtype=np.float32)
        # Of one size, for which TensorFlow makes one graph; a few tiles are shown twice for that.
        size = math.ceil(len(order) / len(self))
        for part in np.resize(order, (len(self), size)):
            known = self.labels[part] >= 0
            labels = np.where(known, self.labels[part], 0)
            yield Batch(self.pixels[part], truth[labels], self.weights[labels] * known)


def class_weights(labels: npt.NDArray[np.integer], classes: int) -> Floats:
    """Return the weight of what is of each class, dims (class,): rare classes count more.

    Weights go by the square root of rarity, which helps rare classes without letting a handful of
    tiles rule; they are 1 in the mean of all tiles or pixels.

    Args:
        labels: of any dims, indices of classes; less than 0 where none is known.
        classes: how many there are.
    """
    known = labels[labels >= 0]
    counts = np.maximum(np.bincount(known, minlength=classes), 1)
    weights: Floats = (1 / np.sqrt(counts)).astype(np.float32)
    return weights * np.float32(len(known)) / np.float32((weights * counts).sum())


def normalization(pixels: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Mean and inverse deviation of each band, dims (band,), rounded to what a sidecar shows.

    Args:
        pixels: dims (tile, band, y, x).
    """
    mean = pixels.mean((0, 2, 3), dtype=np.float64)
    deviation = pixels.std((0, 2, 3), dtype=np.float64)
    return mean.round(2), (1 / np.maximum(deviation, 1e-6)).round(6)
