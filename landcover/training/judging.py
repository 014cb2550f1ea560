"""What a network answers to tiles of known classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]

_AT_A_TIME = 64
# Pixels that are looked at of all tiles: their logits are held in memory.
_PIXELS = 2**20


def logits_of(network: Any, pixels: Floats, labels: Labels) -> tuple[Floats, Labels]:
    """Logits and truth of tiles, or of the pixels of tiles whose class is known.

    Of each tile so many pixels are drawn, always the same ones, that there are about a million of all
    tiles at most.

    Args:
        network: a Keras model from normalized pixels to logits.
        pixels: float32, dims (tile, y, x, band).
        labels: dims (tile,) or (tile, y, x), indices of classes; less than 0 where none is known.

    Returns:
        dims (place, class), and dims (place,).
    """
    if labels.ndim == 1:
        logits: Floats = network.predict(pixels, batch_size=_AT_A_TIME, verbose=0)
        return logits, labels
    share = _PIXELS / max(1, labels.size)
    drawn = (labels >= 0) & (np.random.default_rng(0).random(labels.shape) < share)
    found = []
    for start in range(0, len(pixels), _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        answers = network.predict(pixels[part], batch_size=8, verbose=0)
        found.append(answers[drawn[part]])
    return np.concatenate(found), labels[drawn]


def judged_of(labels: Labels, looked_at: Labels, split: str) -> str:
    """Which tiles, or which of their pixels, a network is judged by, in words."""
    tiles = f"the {len(labels):,} {split} tiles"
    return tiles if labels.ndim == 1 else f"{len(looked_at):,} pixels of {tiles}"
