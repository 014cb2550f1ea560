"""Makes a Keras network with random weights: ``python -m benchmarks.networks NAME FILE SAMPLES``.

Batch normalisation of an untrained network knows nothing of the numbers that pass through it, and
fifty layers later they would be anything. So each of its layers is told the statistics of some
tiles first, which gives numbers, and labels, like those of a trained network.
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np


def resnet50() -> Any:
    """ResNet-50 of keras.applications for six classes."""
    return keras.applications.ResNet50(weights=None, classes=6)


def small() -> Any:
    """Three layers, for trials of the benchmarks themselves."""
    inputs = keras.Input((224, 224, 3))
    features = keras.layers.Conv2D(8, 5, strides=4, activation="relu")(inputs)
    features = keras.layers.BatchNormalization()(features)
    features = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(inputs, keras.layers.Dense(6, activation="softmax")(features))


def _settle(network: Any, pixels: Any) -> None:
    """Give layers of batch normalisation the statistics of these pixels."""
    normalising = [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]
    kept = [layer.momentum for layer in normalising]
    for layer in normalising:
        layer.momentum = 0.0
    network(pixels, training=True)
    for layer, momentum in zip(normalising, kept, strict=True):
        layer.momentum = momentum


def main(name: str, path: str, samples: str) -> None:
    """Make the network and save it."""
    keras.utils.set_random_seed(2017)
    network = {"resnet50": resnet50, "small": small}[name]()
    images = np.moveaxis(np.load(samples), 1, 3).astype(np.float32)
    _settle(network, keras.applications.resnet50.preprocess_input(images))
    network.save(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
