"""From a network that was trained for something else to one for the classes at hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from landcover.training.base import base_of, features_of, told_of
from landcover.training.fitting import Checkpoint, fit
from landcover.training.learned import Learned, Prepared, Progress
from landcover.training.network import load_keras
from landcover.training.networks import learned_of
from landcover.training.settings import TransferSettings

_SLOWER = 0.1  # the base learns with this part of the new layer's step width


def train_transfer(
    tiles: Prepared, settings: TransferSettings, seed: int, kept: Checkpoint, say: Progress
) -> Learned:
    """Train a new last layer on a network, then the last layers of the network too.

    Args:
        tiles: to learn from, and apart to tell when to end.
        settings: of the method.
        seed: makes chance repeatable.
        kept: where its state is kept between epochs.
        say: called after each epoch.

    Raises:
        ModelError: the base or its weights are not as they must be.
    """
    edge, bands = tiles.pixels.shape[1], tiles.pixels.shape[-1]
    base = base_of(settings, edge, bands)
    network = _with_head(base, tiles.classes)
    _learn(base, 0)
    rows = fit(network, tiles, settings, seed, kept, say)
    if settings.then:
        _learn(base, settings.layers)
        changed = {"epochs": settings.then, "rate": settings.rate * _SLOWER}
        slow = settings.model_copy(update=changed)
        then = fit(network, tiles, slow, seed + 1, replace(kept, part=kept.part + 1), say)
        rows += tuple({**row, "epoch": row["epoch"] + len(rows)} for row in then)
    return learned_of(network, tiles, f"{told_of(settings)}, and a new last layer", rows)


def _learn(base: Any, layers: int) -> None:
    """Let only the last layers learn; what normalizes keeps its means, which few tiles would spoil."""
    keras = load_keras()
    free = base.layers[-layers:] if layers else []
    for layer in base.layers:
        normalizes = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer in free and not normalizes


def _with_head(base: Any, classes: int) -> Any:
    """The base, its answers averaged over the tile where they are maps, and a new dense layer."""
    layers = load_keras().layers
    answers = layers.Dropout(0.2)(features_of(base))
    return load_keras().Model(base.input, layers.Dense(classes, name="classes")(answers))
