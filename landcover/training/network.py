"""The network that is trained: a small convolutional one, for tiles of about 24 to 128 pixels."""

from __future__ import annotations

from typing import Any

from landcover.errors import MissingExtra
from landcover.models.runtimes.keras.start import start_keras
from landcover.models.runtimes.tensorflow.start import tensorflow


def load_keras() -> Any:
    """Import Keras on TensorFlow.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        tensorflow()
        return start_keras("tensorflow")
    except ModuleNotFoundError as error:
        raise MissingExtra("training", "train", error.name or "keras") from error


def make_network(edge: int, bands: int, classes: int, width: int) -> Any:
    """Return an untrained Keras model from normalized pixels to logits.

    Each stage halves the edge until it is 8 or less and doubles the filters up to four times
    ``width``. What the last stage sees is both averaged (texture) and searched for its strongest
    answer (single objects, such as a house among trees).

    Args:
        edge: of a tile, in pixels.
        bands: of a tile.
        classes: outputs.
        width: filters of the first stage.
    """
    layers = load_keras().layers
    inputs = layers.Input((edge, edge, bands))
    x, filters = convolution(layers, inputs, width, 1), width
    while edge > 8:
        filters, edge = min(2 * filters, 4 * width), -(-edge // 2)
        x = convolution(layers, x, filters, 2)
        x = convolution(layers, x, filters, 1)
    mean, peak = layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)
    x = layers.Dropout(0.3)(layers.Concatenate()([mean, peak]))
    return load_keras().Model(inputs, layers.Dense(classes)(x))


def convolution(layers: Any, x: Any, filters: int, stride: int) -> Any:
    """A convolution of 3 x 3 pixels, normalized, of which what is above zero counts."""
    x = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
    return layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))
