"""Which method learns from tiles, and what pixels it sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.training.base import normalization_of
from landcover.training.batches import normalization
from landcover.training.fitting import Checkpoint
from landcover.training.learned import Learned, Prepared, Progress
from landcover.training.networks import train_network
from landcover.training.probing import train_probe
from landcover.training.settings import (
    Method,
    NetworkSettings,
    ProbeSettings,
    TransferSettings,
    UnetSettings,
)
from landcover.training.transfer import train_transfer
from landcover.training.unet import train_unet

Floats = npt.NDArray[np.floating[Any]]


def learn(tiles: Prepared, method: Method, seed: int, kept: Checkpoint, say: Progress) -> Learned:
    """Train a network.

    Args:
        tiles: to learn from, and apart.
        method: which, and how.
        seed: makes chance repeatable.
        kept: where its state is kept, of methods that go by epochs.
        say: told how far it has come.

    Raises:
        ModelError: a network that is begun with is not as it must be.
        ConfigError: the method does not fit the tiles.
        MissingExtra: a library is not installed.
    """
    if isinstance(method, ProbeSettings):
        return train_probe(tiles, method, seed, say)
    if isinstance(method, NetworkSettings):
        return train_network(tiles, method, seed, kept, say)
    if isinstance(method, UnetSettings):
        return train_unet(tiles, method, seed, kept, say)
    return train_transfer(tiles, method, seed, kept, say)


def scaling_of(method: Method, pixels: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Mean and scale of each band, dims (band,): those of a base where they are told, else the tiles'.

    Args:
        method: of training.
        pixels: to learn from, dims (tile, band, y, x).

    Raises:
        ModelError: the base reads pixels in another way.
    """
    base = method.features if isinstance(method, ProbeSettings) else None
    base = method if isinstance(method, TransferSettings) else base
    told = None if base is None else normalization_of(base, pixels.shape[1])
    return normalization(pixels) if told is None else told
