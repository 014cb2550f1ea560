"""Tiles as they are shown in training: shifted, turned, mirrored and in other light, in its graph."""

from __future__ import annotations

from typing import Any

from landcover.training.network import load_keras


def placed_anew(images: Any, shift: float, seeds: Any) -> Any:
    """Images shifted, mirrored and turned by right angles, each in its own way.

    Args:
        images: a tensor, dims (tile, y, x, channel), y equal to x.
        shift: by what part of the edge images move at most, along either side; what would be
            beyond the edge is mirrored there.
        seeds: a generator of Keras's: chance.
    """
    keras = load_keras()
    ops, count = keras.ops, keras.ops.shape(images)[0]

    def some() -> Any:
        return keras.random.uniform((count, 1, 1, 1), seed=seeds) < 0.5

    images = _shifted(images, int(shift * images.shape[1]), seeds)
    images = ops.where(some(), ops.flip(images, axis=1), images)
    images = ops.where(some(), ops.flip(images, axis=2), images)
    return ops.where(some(), ops.transpose(images, (0, 2, 1, 3)), images)


def _shifted(images: Any, most: int, seeds: Any) -> Any:
    """Images moved by up to ``most`` pixels along either side."""
    if not most:
        return images
    keras = load_keras()
    ops, (_, height, width, _) = keras.ops, images.shape
    by = keras.random.randint((ops.shape(images)[0], 2), -most, most + 1, seed=seeds)
    for axis, edge in ((1, height), (2, width)):
        place = ops.abs(ops.arange(edge)[None] + by[:, axis - 1 : axis])
        place = (edge - 1) - ops.abs((edge - 1) - place)
        shape = (-1, edge, 1, 1) if axis == 1 else (-1, 1, edge, 1)
        images = ops.take_along_axis(images, ops.reshape(place, shape), axis=axis)
    return images


def lit_anew(pixels: Any, variation: float, seeds: Any) -> Any:
    """Tiles in other light, each in its own.

    Args:
        pixels: a tensor, dims (tile, y, x, band), of about mean 0 and deviation 1.
        variation: how much brightness, contrast and colours vary, in deviations of the imagery.
        seeds: a generator of Keras's: chance.
    """
    keras = load_keras()
    count, bands = keras.ops.shape(pixels)[0], pixels.shape[-1]

    def drawn(of: int, deviation: float) -> Any:
        return keras.random.normal((count, 1, 1, of), stddev=deviation, seed=seeds)

    contrast = keras.ops.exp(drawn(1, variation))
    return pixels * contrast + drawn(1, variation) + drawn(bands, variation / 2)
