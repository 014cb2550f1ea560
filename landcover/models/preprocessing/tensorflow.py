"""The operations around a network as those of TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class TensorflowOperations:
    """See :class:`landcover.models.preprocessing.rendering.Operations`.

    Args:
        tensorflow: the module.
    """

    def __init__(self, tensorflow: Any) -> None:
        self._tf = tensorflow

    def cast(self, value: Any, dtype: str) -> Any:
        return self._tf.cast(value, dtype)

    def subtract(self, value: Any, numbers: npt.NDArray[np.float32]) -> Any:
        return value - numbers

    def multiply(self, value: Any, numbers: npt.NDArray[np.float32]) -> Any:
        return value * numbers

    def take(self, value: Any, order: tuple[int, ...]) -> Any:
        return self._tf.gather(value, order, axis=1)

    def transpose(self, value: Any, axes: tuple[int, ...]) -> Any:
        return self._tf.transpose(value, axes)

    def squeeze(self, value: Any, axes: tuple[int, ...]) -> Any:
        return self._tf.squeeze(value, axis=axes)

    def softmax(self, value: Any, axis: int, rank: int) -> Any:
        return self._tf.nn.softmax(value, axis=axis)
