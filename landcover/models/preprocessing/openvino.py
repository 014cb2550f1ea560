"""The steps around a network as operations of OpenVINO."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.models.openvino_library import named_alike, openvino, operations
from landcover.models.preprocessing.rendering import Numbers, after, before
from landcover.models.preprocessing.specification import Signature, Steps


def with_steps(
    model: openvino.Model,
    head: int,
    signature: Signature,
    steps: Steps,
    dtype: np.dtype[Any],
) -> openvino.Model:
    """A network with all steps between pixels and probabilities inside.

    Args:
        model: the network; it is taken apart.
        head: the index of the wanted output.
        signature: what the network reads.
        steps: the steps.
        dtype: of the pixels.
    """
    shape = [signature.batch or -1, steps.bands, *steps.size]
    pixels = operations.parameter(shape, openvino.Type(dtype), name="pixels")
    reads = before(OpenvinoOperations(), pixels, dtype, steps, signature.dtype)
    for reader in model.inputs[0].get_target_inputs():
        reader.replace_source_output(reads.output(0))
    returned = model.outputs[head].get_node().input(0).get_source_output()
    result = operations.result(after(OpenvinoOperations(), returned, steps))
    return named_alike(openvino.Model([result], [pixels], "landcover"))


class OpenvinoOperations:
    """See :class:`landcover.models.preprocessing.rendering.Operations`."""

    def cast(self, value: Any, dtype: str) -> Any:
        return operations.convert(value, openvino.Type(np.dtype(dtype)).get_type_name())

    def subtract(self, value: Any, numbers: Numbers) -> Any:
        return operations.subtract(value, numbers)

    def multiply(self, value: Any, numbers: Numbers) -> Any:
        return operations.multiply(value, numbers)

    def divide(self, value: Any, by: Any) -> Any:
        return operations.divide(value, by)

    def equals(self, value: Any, numbers: npt.NDArray[np.float32]) -> Any:
        return operations.convert(operations.equal(value, numbers), "f32")

    def total(self, value: Any, axis: int) -> Any:
        return operations.reduce_sum(value, _whole(axis), True)

    def mix(self, first: Any, second: Any, share: npt.NDArray[np.float32]) -> Any:
        part = operations.multiply(operations.subtract(second, first), share)
        return operations.add(first, part)

    def take(self, value: Any, order: tuple[int, ...], axis: int) -> Any:
        return operations.gather(value, _whole(*order), np.int64(axis))

    def reshape(self, value: Any, shape: tuple[int, ...]) -> Any:
        return operations.reshape(value, _whole(*shape), False)

    def transpose(self, value: Any, axes: tuple[int, ...]) -> Any:
        return operations.transpose(value, _whole(*axes))

    def squeeze(self, value: Any, axes: tuple[int, ...]) -> Any:
        return operations.squeeze(value, _whole(*axes))

    def softmax(self, value: Any, axis: int, rank: int) -> Any:
        return operations.softmax(value, axis)

    def sigmoid(self, value: Any) -> Any:
        return operations.sigmoid(value)


def _whole(*values: int) -> Any:
    return np.asarray(values, np.int64)
