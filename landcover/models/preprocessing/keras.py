"""The operations around a network as Keras's own: they run where the network does."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.models.preprocessing.rendering import Numbers
from landcover.models.preprocessing.specification import Pixels


def plain(pixels: Pixels) -> Pixels:
    """Pixels as JAX and PyTorch take them: contiguous and in the byte order of the machine.

    Numbers of 64 bits, which JAX would cut to 32 by rules of its own, become float32 here; that is
    the first step for all others too, which are sent as they are, as most of them are shorter.

    Args:
        pixels: dims (n, band, y, x), of any dtype.
    """
    native = pixels.dtype.newbyteorder("=")
    # PyTorch warns of arrays that must not be written to.
    return np.require(pixels, np.float32 if native.itemsize > 4 else native, ["C", "W"])


class KerasOperations:
    """See :class:`landcover.models.preprocessing.rendering.Operations`.

    Args:
        ops: ``keras.ops``.
    """

    def __init__(self, ops: Any) -> None:
        self._ops = ops

    def cast(self, value: Any, dtype: str) -> Any:
        return self._ops.cast(value, dtype)

    def subtract(self, value: Any, numbers: Numbers) -> Any:
        return self._ops.subtract(value, numbers)

    def multiply(self, value: Any, numbers: Numbers) -> Any:
        return self._ops.multiply(value, numbers)

    def divide(self, value: Any, by: Any) -> Any:
        return self._ops.divide(value, by)

    def equals(self, value: Any, numbers: npt.NDArray[np.float32]) -> Any:
        return self._ops.cast(self._ops.equal(value, numbers), "float32")

    def total(self, value: Any, axis: int) -> Any:
        return self._ops.sum(value, axis=axis, keepdims=True)

    def mix(self, first: Any, second: Any, share: npt.NDArray[np.float32]) -> Any:
        return self._ops.add(first, self.multiply(self._ops.subtract(second, first), share))

    def take(self, value: Any, order: tuple[int, ...], axis: int) -> Any:
        return self._ops.take(value, np.asarray(order, np.int32), axis=axis)

    def reshape(self, value: Any, shape: tuple[int, ...]) -> Any:
        return self._ops.reshape(value, shape)

    def transpose(self, value: Any, axes: tuple[int, ...]) -> Any:
        return self._ops.transpose(value, axes)

    def squeeze(self, value: Any, axes: tuple[int, ...]) -> Any:
        return self._ops.squeeze(value, axis=axes)

    def softmax(self, value: Any, axis: int, rank: int) -> Any:
        return self._ops.softmax(value, axis=axis)

    def sigmoid(self, value: Any) -> Any:
        return self._ops.sigmoid(value)
