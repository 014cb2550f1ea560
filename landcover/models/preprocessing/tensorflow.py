"""The operations around a network as those of TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.models.preprocessing.rendering import Numbers


class TensorflowOperations:
    """See :class:`landcover.models.preprocessing.rendering.Operations`.

    Args:
        tensorflow: the module.
    """

    def __init__(self, tensorflow: Any) -> None:
        self._tf = tensorflow

    def cast(self, value: Any, dtype: str) -> Any:
        return self._tf.cast(value, dtype)

    def subtract(self, value: Any, numbers: Numbers) -> Any:
        return value - numbers

    def multiply(self, value: Any, numbers: Numbers) -> Any:
        return value * numbers

    def divide(self, value: Any, by: Any) -> Any:
        return value / by

    def equals(self, value: Any, numbers: npt.NDArray[np.float32]) -> Any:
        return self._tf.cast(value == numbers, "float32")

    def total(self, value: Any, axis: int) -> Any:
        return self._tf.reduce_sum(value, axis, keepdims=True)

    def mix(self, first: Any, second: Any, share: npt.NDArray[np.float32]) -> Any:
        return first + (second - first) * share

    def take(self, value: Any, order: tuple[int, ...], axis: int) -> Any:
        return self._tf.gather(value, order, axis=axis)

    def reshape(self, value: Any, shape: tuple[int, ...]) -> Any:
        return self._tf.reshape(value, shape)

    def transpose(self, value: Any, axes: tuple[int, ...]) -> Any:
        return self._tf.transpose(value, axes)

    def squeeze(self, value: Any, axes: tuple[int, ...]) -> Any:
        return self._tf.squeeze(value, axis=axes)

    def softmax(self, value: Any, axis: int, rank: int) -> Any:
        return self._tf.nn.softmax(value, axis=axis)

    def sigmoid(self, value: Any) -> Any:
        return self._tf.sigmoid(value)
