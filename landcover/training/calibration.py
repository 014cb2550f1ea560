"""How far probabilities are to be believed, and one number that makes them more so.

C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

_BINS = 15  # as many as Guo et al. take
_RANGE = (0.05, 20.0)
_STEPS = 60  # of golden section: the range is then narrower than 1e-9 of it


class Reliability(NamedTuple):
    """Tiles in bins of equal width by the probability of their label, empty bins left out.

    Args:
        confidence: dims (bin,), mean probability of the labels in a bin.
        accuracy: dims (bin,), share of these labels that are right.
        tiles: dims (bin,), how many there are.
    """

    confidence: Floats
    accuracy: Floats
    tiles: npt.NDArray[np.integer[Any]]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance of confidence and accuracy over tiles."""
        apart = np.abs(self.confidence - self.accuracy)
        return float((apart * self.tiles).sum() / self.tiles.sum())


def reliability(probabilities: Floats, truth: npt.NDArray[np.integer[Any]]) -> Reliability:
    """Hold the probabilities of labels against how often these are right.

    Args:
        probabilities: dims (tile, class), each row adding up to 1.
        truth: dims (tile,), indices of classes.
    """
    sure, right = probabilities.max(1), probabilities.argmax(1) == truth
    place = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    tiles = np.bincount(place, minlength=_BINS)
    kept = tiles > 0
    confidence = np.bincount(place, sure, _BINS)[kept] / tiles[kept]
    accuracy = np.bincount(place, right, _BINS)[kept] / tiles[kept]
    return Reliability(confidence, accuracy, tiles[kept])


def softmax(logits: Floats) -> Floats:
    """Probabilities, dims (tile, class), from logits of the same dims."""
    raised = np.exp(logits - logits.max(1, keepdims=True))
    found: Floats = raised / raised.sum(1, keepdims=True)
    return found


def best_temperature(logits: Floats, truth: npt.NDArray[np.integer[Any]]) -> float:
    """The number that logits are to be divided by, so that the truth is as probable as can be.

    Labels stay as they are. It lies between 0.05 and 20.

    Args:
        logits: dims (tile, class), of tiles that nothing was learned from.
        truth: dims (tile,), indices of classes.
    """
    low, high = np.log(_RANGE)
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(_STEPS):
        first, second = high - golden * (high - low), low + golden * (high - low)
        if _surprise(logits, truth, first) < _surprise(logits, truth, second):
            high = second
        else:
            low = first
    return float(np.exp((low + high) / 2))


def _surprise(logits: Floats, truth: npt.NDArray[np.integer[Any]], temperature: float) -> float:
    """Mean negative log probability of the truth at the exponential of a temperature."""
    scaled = logits / np.exp(temperature)
    top = scaled.max(1)
    total = np.log(np.exp(scaled - top[:, None]).sum(1)) + top
    return float((total - scaled[np.arange(len(truth)), truth]).mean())
