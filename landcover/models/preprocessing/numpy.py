"""The operations around a network in numpy, for a library that has no graph of ours."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from landcover.models.preprocessing import rendering
from landcover.models.preprocessing.specification import Pixels, Probabilities, Steps

_Array: TypeAlias = npt.NDArray[Any]


def before(pixels: Pixels, steps: Steps, dtype: str) -> _Array:
    """From pixels to what the network reads, C-contiguous.

    Args:
        pixels: dims (n, band, y, x), of any dtype.
        steps: what is done.
        dtype: of the network's input.
    """
    return np.ascontiguousarray(
        rendering.before(NumpyOperations(), pixels, pixels.dtype, steps, dtype)
    )


def after(returned: _Array, steps: Steps) -> Probabilities:
    """From what the network returns, the batch first, to probabilities."""
    return rendering.after(NumpyOperations(), returned, steps)


class NumpyOperations:
    """See :class:`landcover.models.preprocessing.rendering.Operations`."""

    def cast(self, value: _Array, dtype: str) -> _Array:
        return np.asarray(value, dtype)

    def subtract(self, value: _Array, numbers: rendering.Numbers) -> _Array:
        return np.asarray(value - numbers)

    def multiply(self, value: _Array, numbers: rendering.Numbers) -> _Array:
        return np.asarray(value * numbers)

    def divide(self, value: _Array, by: _Array) -> _Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(value / by)

    def equals(self, value: _Array, numbers: npt.NDArray[np.float32]) -> _Array:
        return np.asarray(value == numbers, np.float32)

    def total(self, value: _Array, axis: int) -> _Array:
        return np.asarray(value.sum(axis=axis, keepdims=True))

    def mix(self, first: _Array, second: _Array, share: npt.NDArray[np.float32]) -> _Array:
        return np.asarray(first + (second - first) * share)

    def take(self, value: _Array, order: tuple[int, ...], axis: int) -> _Array:
        return value.take(order, axis=axis)

    def reshape(self, value: _Array, shape: tuple[int, ...]) -> _Array:
        return value.reshape(shape)

    def transpose(self, value: _Array, axes: tuple[int, ...]) -> _Array:
        return value.transpose(axes)

    def squeeze(self, value: _Array, axes: tuple[int, ...]) -> _Array:
        return value.squeeze(axes)

    def softmax(self, value: _Array, axis: int, rank: int) -> _Array:
        raised = np.exp(value - value.max(axis=axis, keepdims=True))
        return np.asarray(raised / raised.sum(axis=axis, keepdims=True))

    def sigmoid(self, value: _Array) -> _Array:
        return np.asarray(0.5 * (1 + np.tanh(0.5 * value)), np.float32)
