"""The steps around a network as operations of OpenVINO."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
from openvino import opset8 as operations

from landcover.models.preprocessing.specification import Signature, Wrapping


def wrapped(
    model: openvino.Model,
    head: int,
    signature: Signature,
    wrapping: Wrapping,
    dtype: np.dtype[Any],
) -> openvino.Model:
    """A network with all steps between pixels and probabilities inside.

    Args:
        model: the network; it is taken apart.
        head: the index of the wanted output.
        signature: what the network reads.
        wrapping: the steps.
        dtype: of the pixels.
    """
    shape = [signature.batch or -1, wrapping.bands, *wrapping.size]
    pixels = operations.parameter(shape, openvino.Type(dtype), name="pixels")
    reads = _before(pixels, signature, wrapping)
    for reader in model.inputs[0].get_target_inputs():
        reader.replace_source_output(reads.output(0))
    returned = model.outputs[head].get_node().input(0).get_source_output()
    result = operations.result(_after(returned, wrapping))
    whole = openvino.Model([result], [pixels], "landcover")
    # Names that OpenVINO makes up count on from process to process, and the name of a compiled
    # network in its cache depends on them.
    for index, operation in enumerate(whole.get_ordered_ops()):
        operation.set_friendly_name(f"operation{index}")
    return whole


def _before(pixels: Any, signature: Signature, wrapping: Wrapping) -> Any:
    """From pixels to what the network reads."""
    kind = openvino.Type(np.dtype(signature.dtype)).get_type_name()
    same = pixels.get_element_type().get_type_name() == kind
    plain = same and not (wrapping.shifts or wrapping.scales)
    value = pixels if plain else operations.convert(pixels, "f32")
    if wrapping.shifts:
        value = operations.subtract(value, wrapping.shift)
    if wrapping.scales:
        value = operations.multiply(value, wrapping.factor)
    if wrapping.reorders:
        value = operations.gather(value, _whole(*wrapping.order), np.int64(1))
    if wrapping.layout == "NHWC":
        value = operations.transpose(value, _whole(0, 2, 3, 1))
    elif wrapping.layout == "NHW":
        value = operations.squeeze(value, _whole(1))
    return value if plain else operations.convert(value, kind)


def _after(returned: Any, wrapping: Wrapping) -> Any:
    """From what the network returns to probabilities."""
    value = operations.convert(returned, "f32")
    output = wrapping.output
    if output is None:
        return value
    if output.softmax:
        value = operations.softmax(value, output.class_axis)
    if output.order() != tuple(range(output.rank)):
        value = operations.transpose(value, _whole(*output.order()))
    spatial = _whole(2, 3)
    return value if output.pixel or output.rank == 2 else operations.squeeze(value, spatial)


def _whole(*values: int) -> Any:
    return np.asarray(values, np.int64)
