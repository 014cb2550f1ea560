"""Answers of random filters, averaged over a tile: features that no one has to learn.

After E. Rolf et al., "A generalizable and accessible approach to machine learning with global satellite
imagery", Nature Communications 12, 4392 (2021): the filters are patches of the imagery itself, brought to
one brightness and contrast, then whitened (A. Coates and A. Y. Ng, "Learning Feature Representations with
K-Means", 2012, sections 2 and 3). What is told by them holds in the light of another flight too.
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
# Of the imagery's variance is added to a patch's, and of the mean variance to that of each direction:
# else the noise of even ground is blown up.
_FAINT, _LEAST = 0.1, 0.1


class Filters(NamedTuple):
    """Filters of one scale, of patches of deviation 1.

    Args:
        scale: this many pixels along each side are averaged first.
        kernel: dims (y, x, band, filter); each filter's sum is 0, so that brightness is no matter.
        bias: dims (filter,), of the patch divided by its deviation.
    """

    scale: int
    kernel: Floats
    bias: Floats


def draw_filters(pixels: Floats, count: int, generator: np.random.Generator) -> list[Filters]:
    """Draw patches of the imagery as filters that answer to patches that are like them.

    They are drawn at each scale at which a tile is wide enough: of the pixels as they are, of means
    of 2 x 2, and of 4 x 4.

    Patch and filter are of mean 0 and deviation 1, and whitened. Whitening and the mean are part of the
    filter, so that it is an ordinary convolution of which the answer is divided by the patch's deviation.

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
    patches -= patches.mean(1, keepdims=True)
    patches /= np.sqrt(patches.var(1, keepdims=True) + _FAINT)
    mean = patches.mean(0)
    variances, directions = np.linalg.eigh(np.cov(patches.T))
    added = _LEAST * max(variances.mean(), 1e-12)
    whitening = directions / np.sqrt(np.maximum(variances, 0) + added) @ directions.T
    chosen = (patches[:: max(1, _PATCHES // count)][:count] - mean) @ whitening
    chosen /= np.maximum(np.linalg.norm(chosen, axis=1, keepdims=True), 1e-12)
    filters = chosen @ whitening
    kernel = filters - filters.mean(1, keepdims=True)
    kernel = kernel.T.reshape(size, size, pixels.shape[-1], len(filters))
    return Filters(scale, kernel.astype(np.float32), (-filters @ mean).astype(np.float32))


def feature_network(edge: int, bands: int, filters: Sequence[Filters]) -> Any:
    """Return a Keras model from normalized pixels to features, dims (tile, feature).

    Of each filter's answers, what is above zero and what is below give two features each: the mean, and
    the root of the mean square, which a few strong answers raise more. Roots of all of them, so
    that a few strong answers do not hide many weak ones. The last ``light_features(bands)`` tell what
    the filters do not see: mean and deviation of each band.

    Args:
        edge: of a tile, in pixels.
        bands: of a tile.
        filters: at each scale.
    """
    keras = load_keras()
    layers = keras.layers
    inputs = layers.Input((edge, edge, bands))
    means, squares = [], []
    for scale, kernel, bias in filters:
        seen = layers.AveragePooling2D(scale)(inputs) if scale > 1 else inputs
        answers = _answers(seen, kernel, bias, f"patches_{scale}")
        for part in (answers, layers.Rescaling(-1.0)(answers)):
            mean, square = _moments(layers.ReLU()(part))
            means.append(mean)
            squares.append(square)
    strong = keras.ops.sqrt(layers.Concatenate()(squares) + _ABOVE_ZERO**2)
    texture = keras.ops.sqrt(layers.Concatenate()([*means, strong]) + _ABOVE_ZERO)
    mean, square = _moments(inputs)
    deviation = _deviation(mean, square)
    return keras.Model(inputs, layers.Concatenate()([texture, mean, deviation]))


def light_features(bands: int) -> int:
    """How many of the features tell brightness and contrast."""
    return 2 * bands


def _answers(seen: Any, kernel: Floats, bias: Floats, name: str) -> Any:
    """Answers to each patch as if it were of deviation 1, dims (tile, y, x, filter)."""
    layers = load_keras().layers
    convolution = layers.Conv2D(kernel.shape[-1], kernel.shape[0], use_bias=False, name=name)
    answers = convolution(seen)
    convolution.set_weights([kernel])
    mean_of = layers.Conv2D(1, kernel.shape[0], use_bias=False, name=f"{name}_mean")
    mean, square = mean_of(seen), mean_of(layers.Multiply()([seen, seen]))
    mean_of.set_weights([np.full((*kernel.shape[:3], 1), 1 / kernel[..., 0].size, np.float32)])
    return answers / _deviation(mean, square) + bias


def _moments(values: Any) -> tuple[Any, Any]:
    """Means over each tile of values and of their squares, dims (tile, channel)."""
    layers = load_keras().layers
    mean_of = layers.GlobalAveragePooling2D()
    return mean_of(values), mean_of(layers.Multiply()([values, values]))


def _deviation(mean: Any, square: Any) -> Any:
    """The deviation by means of values and of their squares; never 0."""
    keras = load_keras()
    # By rounding, the difference may be less than 0.
    variance = keras.layers.ReLU()(square - keras.layers.Multiply()([mean, mean]))
    return keras.ops.sqrt(variance + _FAINT)
