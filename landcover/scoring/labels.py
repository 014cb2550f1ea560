"""From class probabilities to labels: one a tile, and for pixel-level networks one a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float32]
Valid = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Labels:
    """What a network says of n tiles.

    Args:
        labels: dims (n,): the index of the class of each tile.
        scores: dims (n,), in [0, 1]: how probable that label is.
        probabilities: dims (n, class), in [0, 1].
        pixels: dims (n, y, x): the index of the class of each pixel, -1 where there is no data;
            None for a network that labels tiles.
    """

    labels: npt.NDArray[np.intp]
    scores: npt.NDArray[np.float32]
    probabilities: Probabilities
    pixels: npt.NDArray[np.int16] | None = None


def label_tiles(probabilities: Probabilities) -> Labels:
    """Label each tile with its most probable class.

    Args:
        probabilities: dims (n, class).
    """
    labels = probabilities.argmax(axis=1)
    scores = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    return Labels(labels, scores, probabilities)


def label_pixels(probabilities: Probabilities, valid: Valid | None) -> Labels:
    """Label each pixel with its most probable class, and each tile with its most frequent one.

    A tile's score is the mean score of those of its pixels that have its label; its probabilities
    are the means over its pixels. Pixels without data count for nothing.

    Args:
        probabilities: dims (n, class, y, x).
        valid: dims (n, y, x); None: all pixels hold data. At least one pixel of a tile must.
    """
    count, classes = probabilities.shape[:2]
    best = probabilities.argmax(axis=1)
    top = np.take_along_axis(probabilities, best[:, None], axis=1)[:, 0]
    pixels = best.astype(np.int16)
    if valid is not None:
        pixels[~valid] = -1
    # One histogram for all tiles: class c of tile i is bin i * (classes + 1) + c + 1, and the
    # first bin of each tile takes its pixels without data.
    bins = (pixels + (1 + (classes + 1) * np.arange(count))[:, None, None]).ravel()
    size = count * (classes + 1)
    frequency = np.bincount(bins, minlength=size).reshape(count, -1)[:, 1:]
    weight = np.bincount(bins, top.ravel(), minlength=size).reshape(count, -1)[:, 1:]
    labels = frequency.argmax(axis=1)
    at = (np.arange(count), labels)
    scores = (weight[at] / np.maximum(frequency[at], 1)).astype(np.float32)
    return Labels(labels, scores, _mean(probabilities, valid), pixels)


def _mean(probabilities: Probabilities, valid: Valid | None) -> Probabilities:
    if valid is None:
        return np.asarray(probabilities.mean(axis=(2, 3), dtype=np.float32))
    seen: npt.NDArray[Any] = np.maximum(valid.sum(axis=(1, 2)), 1)
    total = np.einsum("ncyx,nyx->nc", probabilities, valid)
    return np.asarray(total / seen[:, None], np.float32)
