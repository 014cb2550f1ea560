"""From class probabilities to labels: one a tile, and for pixel-level networks one a pixel.

Every number that leaves a network is looked at before it becomes a label: one that is no
probability makes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float32]
Valid = npt.NDArray[np.bool_]
Undefined = npt.NDArray[np.bool_]

# How far rounding may take a probability out of [0, 1]: bf16 has 8 bits of a fraction.
_ROUNDING = 2.0**-8


@dataclass(frozen=True, eq=False)
class Labels:
    """What a network says of n tiles.

    Args:
        labels: dims (n,): the index of the class of each tile.
        scores: dims (n,), in [0, 1]: how probable that label is.
        probabilities: dims (n, class), in [0, 1].
        pixels: dims (n, y, x): the index of the class of each pixel, -1 where there is none; None
            for a network that labels tiles.
        undefined: dims (n,): pixels with data for which the network returned no probabilities;
            None for a network that labels tiles.
        pixel_scores: dims (n, y, x), in [0, 1]: how probable the labels of pixels are; where there
            is none it means nothing.
        refused: of tiles without a label, by their place: what the network returned instead of
            probabilities, in a sentence. What the fields above say of them means nothing.
    """

    labels: npt.NDArray[np.intp]
    scores: npt.NDArray[np.float32]
    probabilities: Probabilities
    pixels: npt.NDArray[np.int16] | None = None
    undefined: npt.NDArray[np.intp] | None = None
    pixel_scores: npt.NDArray[np.float32] | None = None
    refused: Mapping[int, str] = field(default_factory=dict)

    def kept(self) -> tuple[list[int], Labels]:
        """The places of the tiles that have a label, and the labels of these alone."""
        places = [place for place in range(len(self.labels)) if place not in self.refused]
        fields = ("labels", "scores", "probabilities", "pixels", "undefined", "pixel_scores")
        values = {name: getattr(self, name) for name in fields}
        cut: dict[str, Any] = {
            name: None if one is None else one[places] for name, one in values.items()
        }
        return places, replace(self, **cut, refused={})


def defined(found: Probabilities) -> tuple[Probabilities, Undefined | None]:
    """Tell probabilities from what is none: not finite, or outside of [0, 1] by more than rounding.

    Args:
        found: what a network returned, dims (n, class, ...).

    Returns:
        the same, with 0 for all classes where one of them has no probability; and where that is,
        dims (n, ...), or None where all is well.
    """
    low, high = found.min(initial=0.0), found.max(initial=0.0)  # NaN, if anything is
    if low >= 0 and high <= 1:
        return found, None
    inside = (found >= -_ROUNDING) & (found <= 1 + _ROUNDING)
    undefined: Undefined = np.logical_not(inside.all(axis=1))
    cleaned = np.where(undefined[:, None], np.float32(0), found)
    return np.clip(cleaned, 0, 1), undefined if undefined.any() else None


def label_tiles(found: Probabilities, numbers: bool = False) -> Labels:
    """Label each tile with its most probable class.

    Args:
        found: what the network returned, dims (n, class).
        numbers: it returned the numbers of classes, and NaN is for one that is no class's.
    """
    probabilities, undefined = defined(found)
    labels = probabilities.argmax(axis=1)
    scores = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    refused = {} if undefined is None else _sentences(found, undefined, numbers)
    return Labels(labels, scores, probabilities, refused=refused)


def label_pixels(found: Probabilities, valid: Valid | None, numbers: bool = False) -> Labels:
    """Label each pixel with its most probable class, and each tile with its most frequent one.

    A tile's score is the mean score of those of its pixels that have its label; its probabilities
    are the means over its pixels. Pixels without data count for nothing, and so do those without
    probabilities.

    Args:
        found: what the network returned, dims (n, class, y, x).
        valid: dims (n, y, x); None: all pixels hold data. At least one pixel of a tile must.
        numbers: it returned the numbers of classes, and NaN is for one that is no class's.
    """
    probabilities, undefined = defined(found)
    if undefined is None:
        return _label_pixels(probabilities, valid)
    held: Valid = np.ones_like(undefined) if valid is None else valid
    missing: Undefined = held & undefined
    left: Valid = held & ~undefined
    labels = _label_pixels(probabilities, left)
    empty = missing.any(axis=(1, 2), keepdims=True) & ~left.any(axis=(1, 2), keepdims=True)
    told = _sentences(found, missing & empty, numbers)
    return replace(labels, undefined=missing.sum(axis=(1, 2)), refused=told)


def _sentences(found: Probabilities, where: Undefined, numbers: bool) -> dict[int, str]:
    """What was found instead of probabilities, of each tile that has any such place."""
    if numbers:
        reason = (
            f"the network returned a number that is none of its {found.shape[1]} classes: name as "
            "many in 'classes' as it tells apart, or look at these pixels"
        )
        return dict.fromkeys(map(int, np.flatnonzero(_any(where))), reason)
    told = {}
    for tile in np.flatnonzero(_any(where)):
        values = np.moveaxis(found[tile], 0, -1)[where[tile]].ravel()
        wrong = values[~((values >= -_ROUNDING) & (values <= 1 + _ROUNDING))]
        value = "NaN" if np.isnan(wrong[0]) else f"{wrong[0]:.4g}"
        told[int(tile)] = (
            f"the network returned {value}, which is no probability: look at these pixels, and at "
            "mean, scale, activation and precision of the model"
        )
    return told


def _any(where: Undefined) -> Undefined:
    """Dims (n,): whether a tile has any such place."""
    return np.asarray(where.reshape(len(where), -1).any(axis=1))


def _label_pixels(probabilities: Probabilities, valid: Valid | None) -> Labels:
    count, classes = probabilities.shape[:2]
    pixels, top = _most_probable(probabilities)
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
    undefined = np.zeros(count, np.intp)
    return Labels(labels, scores, _mean(probabilities, valid), pixels, undefined, top)


def _most_probable(
    probabilities: Probabilities,
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]:
    """The most probable class of each pixel and its probability, both of dims (n, y, x); of equal ones, the first.

    Class by class over whole images, which lie one after another in memory: argmax would go from
    image to image at each pixel, and take three times as long.
    """
    top = probabilities[:, 0].copy()
    best = np.zeros(top.shape, np.int16)
    for number in range(1, probabilities.shape[1]):
        of_class = probabilities[:, number]
        np.copyto(best, np.int16(number), where=of_class > top)
        np.maximum(top, of_class, out=top)
    return best, top


def _mean(probabilities: Probabilities, valid: Valid | None) -> Probabilities:
    if valid is None:
        return np.asarray(probabilities.mean(axis=(2, 3), dtype=np.float32))
    seen: npt.NDArray[Any] = np.maximum(valid.sum(axis=(1, 2)), 1)
    total = np.einsum("ncyx,nyx->nc", probabilities, valid)
    return np.asarray(total / seen[:, None], np.float32)
