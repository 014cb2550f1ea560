"""What is done with a batch of tiles in training, as one graph; nothing of it is in the network's file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from landcover.training.augmentation import lit_anew, placed_anew
from landcover.training.network import load_keras
from landcover.training.settings import FittedSettings


def trainer_of(network: Any, how: FittedSettings, steps: int, seed: int) -> Any:
    """A Keras model around a network that shows tiles anew in each step, ready to be fitted.

    Its ``variables`` are those of the network and the state of its chance; its steps take pixels, truth
    and weights as :class:`~landcover.training.batches.Batch` has them. What has a truth in places
    (dims (tile, y, x, class)) is moved with its pixels.

    Args:
        network: from normalized pixels to logits.
        how: it is fitted.
        steps: that there are at most.
        seed: makes chance repeatable.
    """
    keras = load_keras()

    class Trainer(keras.Model):  # type: ignore[misc, name-defined]  # Keras comes without types
        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.seeds = keras.random.SeedGenerator(seed)

        def call(self, pixels: Any, training: bool = False) -> Any:
            return self.network(pixels, training=training)

        def train_step(self, data: Any) -> Any:
            pixels, truth, weights = data
            return super().train_step(shown_anew(pixels, truth, weights, how, self.seeds))

    trainer = Trainer()
    rising = max(1, steps // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - rising), warmup_target=how.rate, warmup_steps=rising
    )
    trainer.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-3),
        # Smoothed, for the labels of mixed tiles are not that certain.
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.05),
        weighted_metrics=["accuracy"],
    )
    # Else these are made within the first step, and all of its graph is made once more without them.
    trainer.optimizer.build(trainer.trainable_variables)
    _build_metrics(trainer)
    return trainer


def _build_metrics(trainer: Any) -> None:
    logits = np.zeros([edge or 1 for edge in trainer.network.output_shape], np.float32)
    trainer.compute_metrics(None, logits, logits, np.ones(logits.shape[:-1], np.float32))
    trainer.reset_metrics()


def shown_anew(
    pixels: Any, truth: Any, weights: Any, how: FittedSettings, seeds: Any
) -> tuple[Any, Any, Any]:
    """A batch as it is shown: its tiles moved and in other light, and their truth moved with them."""
    ops, bands = load_keras().ops, pixels.shape[-1]
    if len(truth.shape) == 2:
        pixels = placed_anew(pixels, how.crop, seeds)
    else:
        joined = ops.concatenate([pixels, truth, weights[..., None]], axis=-1)
        joined = placed_anew(joined, how.crop, seeds)
        pixels, truth, weights = joined[..., :bands], joined[..., bands:-1], joined[..., -1]
    return lit_anew(pixels, how.variation, seeds), truth, weights


@contextmanager
def computing_in(network: Any, how: FittedSettings) -> Iterator[None]:
    """Let a network compute in the precision that is wanted, within a ``with`` block.

    Weights stay float32, and so does its last layer, whose numbers become probabilities.
    """
    layers = [*_layers(network)][:-1] if how.precision == "bf16" else []
    before = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = "mixed_bfloat16"
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy


def _layers(network: Any) -> Iterator[Any]:
    """All layers that compute, those of networks in the network too."""
    keras = load_keras()
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer
