"""What the networks say, worked out in double precision, and what single precision may make of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from oracle.rounding import Floats, Rounded

Weights: TypeAlias = dict[str, npt.NDArray[np.float32]]

# What a window's spread is at least, so that a window of one colour is no division by zero.
LEAST = 0.25


def probable(logits: Rounded, ending: str) -> Rounded:
    """Probabilities of logits, dims (n, class, ...)."""
    z, error = logits.value, logits.error
    if "sigmoid" in ending:
        p = 1 / (1 + np.exp(-z))
        return Rounded(p, p * (1 - p) * error)
    raised = np.exp(z - z.max(axis=1, keepdims=True))
    p = raised / raised.sum(axis=1, keepdims=True)
    # Of p_i the derivative is p_i (dz_i - sum of p_j dz_j), the latter off by 1 - p_i of twice dz.
    return Rounded(p, 2 * p * (1 - p) * error.max(axis=1, keepdims=True))


def moved(second: Rounded, threshold: float) -> Rounded:
    """Of the probability of the second class those of both, which meet at the threshold."""
    yes, no = second.value * (1 - threshold), (1 - second.value) * threshold
    share = yes / (yes + no)
    error = second.error * threshold * (1 - threshold) / (yes + no) ** 2
    return Rounded(np.concatenate([1 - share, share], axis=1), np.concatenate([error, error], 1))


def interpolated(found: Rounded, step: int) -> Rounded:
    """Between the centres of labels that stand for ``step`` pixels, dims (n, class, y, x)."""
    return Rounded(*(_interpolated(one, step) for one in (found.value, found.error)))


def _interpolated(found: Floats, step: int) -> Floats:
    for axis in (2, 3):
        size = found.shape[axis]
        at = ((np.arange(size * step) + 0.5) / step - 0.5).clip(0, size - 1)
        first = np.floor(at).astype(int)
        after = np.minimum(first + 1, size - 1)
        share = (at - first).reshape([-1 if i == axis else 1 for i in range(4)])
        found = found.take(first, axis) * (1 - share) + found.take(after, axis) * share
    return found


def _strided(images: Rounded, weights: Weights) -> Rounded:
    features = images.convolved(weights["first"], 1).positive()
    step = weights["second"].shape[2]
    return features.convolved(weights["second"], 0)[:, :, ::step, ::step]


def _flat(images: Rounded, weights: Weights) -> Rounded:
    return images.weighted(weights["dense"])


def _pooled(images: Rounded, weights: Weights) -> Rounded:
    features = images.convolved(weights["first"], 0).positive()
    return features.mean((2, 3), keep=False).weighted(weights["dense"])


def _convolutions(images: Rounded, weights: Weights, pad: int) -> Rounded:
    features = images.convolved(weights["first"], pad).positive()
    return features.convolved(weights["second"], pad)


def _standardised(images: Rounded, weights: Weights) -> Rounded:
    centred = images - images.mean((2, 3), keep=True)
    spread = abs(centred).mean((2, 3), keep=True).more(LEAST)
    return _convolutions(centred / spread, weights, 1)


ANSWERS: dict[str, Callable[[Rounded, Weights], Rounded]] = {
    "flat": _flat,
    "pooled": _pooled,
    "same": lambda images, weights: _convolutions(images, weights, 1),
    "valid": lambda images, weights: _convolutions(images, weights, 0),
    "standardised": _standardised,
    "strided": _strided,
}
