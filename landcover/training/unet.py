"""A U-Net: it gives each pixel a class, by what is near it and by what is farther away.

After O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", MICCAI 2015.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from landcover.errors import ConfigError
from landcover.training.fitting import Checkpoint, fit
from landcover.training.learned import Learned, Prepared, Progress
from landcover.training.network import convolution, load_keras
from landcover.training.networks import learned_of
from landcover.training.settings import UnetSettings

_HALOS = 8  # a window is so many halos wide: what is read twice costs less, the wider it is


def train_unet(
    tiles: Prepared, settings: UnetSettings, seed: int, kept: Checkpoint, say: Progress
) -> Learned:
    """Train a U-Net from scratch.

    Args:
        tiles: to learn from, and apart to tell when to end; with a class for each pixel.
        settings: of the method.
        seed: makes chance repeatable.
        kept: where its state is kept between epochs.
        say: called after each epoch.

    Raises:
        ConfigError: tiles cannot be halved so often.
    """
    edge, bands = tiles.pixels.shape[1], tiles.pixels.shape[-1]
    step = 1 << settings.depth
    if edge % step:
        reason = (
            f"method.depth: tiles of {edge} pixels cannot be halved {settings.depth} times: prepare "
            f"tiles of {-(-edge // step) * step} pixels, or set a smaller depth"
        )
        raise ConfigError([reason], "the training")
    network = make_unet(bands, tiles.classes, settings.width, settings.depth)
    rows = fit(network, tiles, settings, seed, kept, say)
    method = f"a U-Net of depth {settings.depth} trained from scratch"
    learned = learned_of(network, tiles, method, rows)
    return replace(learned, halo=halo_of(settings.depth))


def make_unet(bands: int, classes: int, width: int, depth: int) -> Any:
    """Return an untrained Keras model from normalized pixels to the logits of each of them.

    It takes windows of any size that can be halved ``depth`` times; beyond their edge it sees zeros.

    Args:
        bands: of a tile.
        classes: outputs.
        width: filters of the first stage; each deeper one has twice as many.
        depth: how often the image is halved.
    """
    layers = load_keras().layers
    inputs = layers.Input((None, None, bands))
    x, seen = inputs, []
    for level in range(depth):
        x = _twice(layers, x, width << level)
        seen.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Dropout(0.2)(_twice(layers, x, width << depth))
    for level in reversed(range(depth)):
        x = layers.Concatenate()([seen[level], layers.UpSampling2D(2)(x)])
        x = _twice(layers, x, width << level)
    return load_keras().Model(inputs, layers.Conv2D(classes, 1, name="classes")(x))


def _twice(layers: Any, x: Any, filters: int) -> Any:
    return convolution(layers, convolution(layers, x, filters, 1), filters, 1)


def halo_of(depth: int) -> int:
    """How far from the edge of a window the zeros beyond it are felt, in pixels.

    A multiple of ``2**depth``: what lies within is the same whatever the window.
    """
    cells = 0  # of the stage at hand
    for _ in range(depth):
        cells = -(-(cells + 2) // 2)
    cells += 2
    for _ in range(depth):
        cells = 2 * cells + 2
    step = 1 << depth
    return -(-cells // step) * step


def window_of(depth: int, edge: int) -> int:
    """The edge of the window that a U-Net is run on: no less than that of the tiles it learned from."""
    return max(_HALOS * halo_of(depth), edge)
