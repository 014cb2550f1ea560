"""What the networks say, worked out in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Floats: TypeAlias = npt.NDArray[np.float64]
Weights: TypeAlias = dict[str, npt.NDArray[np.float32]]

# What a window's spread is at least, so that a window of one colour is no division by zero.
LEAST = 0.25


def _convolved(images: Floats, kernel: npt.NDArray[np.float32], pad: int) -> Floats:
    padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(padded, kernel.shape[2:], axis=(2, 3))
    return np.einsum("nbyxij,cbij->ncyx", windows, kernel.astype(np.float64), optimize=True)


def probable(logits: Floats, ending: str) -> Floats:
    if "sigmoid" in ending:
        return np.asarray(1 / (1 + np.exp(-logits)))
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def moved(second: Floats, threshold: float) -> Floats:
    """Of the probability of the second class those of both, which meet at the threshold."""
    yes, no = second * (1 - threshold), (1 - second) * threshold
    share = yes / (yes + no)
    return np.concatenate([1 - share, share], axis=1)


def interpolated(found: Floats, step: int) -> Floats:
    """Between the centres of labels that stand for ``step`` pixels, dims (n, class, y, x)."""
    for axis in (2, 3):
        size = found.shape[axis]
        at = ((np.arange(size * step) + 0.5) / step - 0.5).clip(0, size - 1)
        first = np.floor(at).astype(int)
        after = np.minimum(first + 1, size - 1)
        share = (at - first).reshape([-1 if i == axis else 1 for i in range(4)])
        found = found.take(first, axis) * (1 - share) + found.take(after, axis) * share
    return found


def _strided(images: Floats, weights: Weights) -> Floats:
    features = np.maximum(_convolved(images, weights["first"], 1), 0)
    step = weights["second"].shape[2]
    return _convolved(features, weights["second"], 0)[:, :, ::step, ::step]


def _flat(images: Floats, weights: Weights) -> Floats:
    return np.asarray(images.reshape(len(images), -1) @ weights["dense"].astype(np.float64))


def _pooled(images: Floats, weights: Weights) -> Floats:
    features = np.maximum(_convolved(images, weights["first"], 0), 0).mean(axis=(2, 3))
    return np.asarray(features @ weights["dense"].astype(np.float64))


def _convolutions(images: Floats, weights: Weights, pad: int) -> Floats:
    features = np.maximum(_convolved(images, weights["first"], pad), 0)
    return _convolved(features, weights["second"], pad)


def _standardised(images: Floats, weights: Weights) -> Floats:
    centred = images - images.mean(axis=(2, 3), keepdims=True)
    spread = np.abs(centred).mean(axis=(2, 3), keepdims=True) + LEAST
    return _convolutions(centred / spread, weights, 1)


ANSWERS: dict[str, Callable[[Floats, Weights], Floats]] = {
    "flat": _flat,
    "pooled": _pooled,
    "same": lambda images, weights: _convolutions(images, weights, 1),
    "valid": lambda images, weights: _convolutions(images, weights, 0),
    "standardised": _standardised,
    "strided": _strided,
}
