"""Batches of tiles in a new order each epoch, turned, mirrored and varied in brightness."""

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
        truth: float32, dims (tile, class), 1 at each tile's class, else 0.
        weights: float32, dims (tile,), how much each tile counts; about 1 in the mean.
    """

    pixels: Floats
    truth: Floats
    weights: Floats


@dataclass(frozen=True, eq=False)
class Batches:
    """Normalized tiles that are shown again and again, never quite the same.

    Args:
        pixels: float32, dims (tile, y, x, band), of about mean 0 and deviation 1.
        labels: dims (tile,), indices of classes.
        weights: dims (class,), how much a tile of each class counts.
        size: tiles a batch.
        variation: how much brightness, contrast and colours vary, in deviations of the imagery.
        generator: chance.
    """

    pixels: Floats
    labels: npt.NDArray[np.integer]
    weights: Floats
    size: int
    variation: float
    generator: np.random.Generator

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.size)

    def __iter__(self) -> Iterator[Batch]:
        order = self.generator.permutation(len(self.labels))
        truth = np.eye(len(self.weights), dtype=np.float32)
        for part in np.array_split(order, len(self)):
            labels = self.labels[part]
            pixels = varied(self.pixels[part], self.variation, self.generator)
            yield Batch(pixels, truth[labels], self.weights[labels])


def varied(pixels: Floats, variation: float, chance: np.random.Generator) -> Floats:
    """Tiles turned, mirrored, and in other light, each in its own way.

    Args:
        pixels: float32, dims (tile, y, x, band), y equal to x, of about mean 0 and deviation 1.
        variation: how much brightness, contrast and colours vary, in deviations of the imagery.
        chance: what decides.
    """
    count = len(pixels)
    flip, mirror, transpose = chance.random((3, count)) < 0.5
    pixels = np.where(flip[:, None, None, None], pixels[:, ::-1], pixels)
    pixels = np.where(mirror[:, None, None, None], pixels[:, :, ::-1], pixels)
    pixels = np.where(transpose[:, None, None, None], pixels.transpose(0, 2, 1, 3), pixels)
    contrast = chance.lognormal(0, variation, (count, 1, 1, 1))
    brightness = chance.normal(0, variation, (count, 1, 1, 1))
    tint = chance.normal(0, variation / 2, (count, 1, 1, pixels.shape[-1]))
    return (pixels * contrast + brightness + tint).astype(np.float32)


def class_weights(labels: npt.NDArray[np.integer], classes: int) -> Floats:
    """Return the weight of a tile of each class, dims (class,): rare classes count more.

    Weights go by the square root of rarity, which helps rare classes without letting a handful of
    tiles rule; they are 1 in the mean of all tiles.
    """
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    weights: Floats = (1 / np.sqrt(counts)).astype(np.float32)
    return weights * np.float32(len(labels)) / np.float32((weights * counts).sum())


def held_out(
    labels: npt.NDArray[np.integer], share: float, generator: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Draw a share of each class, at least one tile: dims (tile,), True where it is held out."""
    drawn = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        own = generator.permutation(np.flatnonzero(labels == label))
        drawn[own[: max(1, round(share * len(own)))]] = True
    return drawn


def normalization(pixels: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Mean and inverse deviation of each band, dims (band,), rounded to what a sidecar shows.

    Args:
        pixels: dims (tile, band, y, x).
    """
    mean = pixels.mean((0, 2, 3), dtype=np.float64)
    deviation = pixels.std((0, 2, 3), dtype=np.float64)
    return mean.round(2), (1 / np.maximum(deviation, 1e-6)).round(6)
