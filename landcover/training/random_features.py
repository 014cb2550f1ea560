"""Answers of random filters, averaged over a tile: features that no one has to learn.

After E. Rolf et al., "A generalizable and accessible approach to machine learning with global satellite
imagery", Nature Communications 12, 4392 (2021): the filters are patches of the imagery itself,
whitened (A. Coates and A. Y. Ng, "Learning Feature Representations with K-Means", 2012, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from landcover.training.network import load_keras

Floats = npt.NDArray[np.floating[Any]]

SCALES = (1, 2, 4)  # pixels of a tile that are one pixel to the filters
_EDGE = 6  # of a filter; a tile is at least twice as wide at each scale
_PATCHES = 20_000  # of which covariances are told, and filters drawn
_ABOVE_ZERO = 1e-6  # where a root has a slope
_LEAST = 0.01  # of the mean variance is added to each direction's, else noise is blown up


class Filters(NamedTuple):
    """Filters of one scale.

    Args:
        scale: this many pixels along each side are averaged first.
        kernel: dims (y, x, band, filter).
        bias: dims (filter,).
    """

    scale: int
    kernel: Floats
    bias: Floats


def draw_filters(pixels: Floats, count: int, generator: np.random.Generator) -> list[Filters]:
    """Draw patches of the imagery as filters that answer to patches that are like them.

    They are drawn at each scale at which a tile is wide enough: of the pixels as they are, of means
    of 2 x 2, and of 4 x 4.

    Patch and filter are whitened, and the whitening is part of the filter, so that it is an ordinary
    convolution.

    Args:
        pixels: dims (tile, y, x, band), of about mean 0 and deviation 1.
        count: of filters at each scale.
        generator: chance.
    """
    widest = max(1, pixels.shape[1] // (2 * _EDGE))
    scales = [scale for scale in SCALES if scale <= widest]
    size = min(_EDGE, pixels.shape[1])
    return [_drawn(_reduced(pixels, scale), scale, count, size, generator) for scale in scales]


def _reduced(pixels: Floats, scale: int) -> Floats:
    """Means of squares of pixels; what is left over at the lower and right edge is cut off."""
    tiles, edge, _, bands = pixels.shape
    kept = edge // scale * scale
    parts = pixels[:, :kept, :kept].reshape(tiles, kept // scale, scale, -1, scale, bands)
    means: Floats = parts.mean((2, 4))
    return means


def _drawn(
    pixels: Floats, scale: int, count: int, size: int, generator: np.random.Generator
) -> Filters:
    edge = pixels.shape[1] - size + 1
    tile, row, col = (generator.integers(0, n, _PATCHES) for n in (len(pixels), edge, edge))
    inside = np.arange(size)
    rows, cols = row[:, None, None] + inside[:, None], col[:, None, None] + inside
    patches = pixels[tile[:, None, None], rows, cols].reshape(_PATCHES, -1).astype(np.float64)
    mean = patches.mean(0)
    variances, directions = np.linalg.eigh(np.cov(patches.T))
    added = _LEAST * max(variances.mean(), 1e-12)
    whitening = directions / np.sqrt(np.maximum(variances, 0) + added) @ directions.T
    chosen = (patches[:: max(1, _PATCHES // count)][:count] - mean) @ whitening
    chosen /= np.maximum(np.linalg.norm(chosen, axis=1, keepdims=True), 1e-12)
    filters = chosen @ whitening
    kernel = filters.T.reshape(size, size, pixels.shape[-1], len(filters))
    return Filters(scale, kernel.astype(np.float32), (-filters @ mean).astype(np.float32))


def feature_network(edge: int, bands: int, filters: Sequence[Filters]) -> Any:
    """Return a Keras model from normalized pixels to features, dims (tile, feature).

    Of each filter's answers the mean of what is above zero and the mean of what is below are two
    features; roots of them, so that a few strong answers do not hide many weak ones.

    Args:
        edge: of a tile, in pixels.
        bands: of a tile.
        filters: at each scale.
    """
    keras = load_keras()
    layers = keras.layers
    inputs = layers.Input((edge, edge, bands))
    means = []
    for scale, kernel, bias in filters:
        seen = layers.AveragePooling2D(scale)(inputs) if scale > 1 else inputs
        convolution = layers.Conv2D(kernel.shape[-1], kernel.shape[0], name=f"patches_{scale}")
        answers = convolution(seen)
        convolution.set_weights([kernel, bias])
        for part in (answers, layers.Rescaling(-1.0)(answers)):
            means.append(layers.GlobalAveragePooling2D()(layers.ReLU()(part)))
    joined = layers.Concatenate()(means)
    return keras.Model(inputs, keras.ops.sqrt(joined + _ABOVE_ZERO))
