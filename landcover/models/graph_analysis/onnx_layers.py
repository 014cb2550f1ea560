"""The layers of an ONNX network: shapes, parameters and multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from landcover.models.formats.onnx_skeleton import skeleton_of
from landcover.models.formats.onnx_values import hide_long_ones
from landcover.models.preprocessing.specification import Shape

_REAL = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}

# Nodes that hold or say something, and compute nothing.
_SILENT = {"Constant", "Identity", "Shape", "Cast", "ConstantOfShape"}


@dataclass(frozen=True)
class Layer:
    """One operation of a network.

    Args:
        name: its name in the file.
        operation: what it does, in the word of its format.
        shape: of its result, the batch first; None where it is not known.
        parameters: how many numbers it holds, but for single ones such as a slope; numbers that
            several layers share count for the first.
        multiply_adds: for one image; None where the shapes are not known. Convolutions and
            products of matrices count, other arithmetic does not.
    """

    name: str
    operation: str
    shape: Shape | None
    parameters: int
    multiply_adds: int | None


def layers_of(model: onnx.ModelProto, window: Mapping[str, Sequence[int]]) -> list[Layer]:
    """The layers in the order in which they are computed.

    Args:
        model: the network.
        window: the shape of every input, without free extents.
    """
    shapes = shapes_of(model, window)
    weights = [t for t in model.graph.initializer if t.data_type in _REAL and t.dims]
    unused = {tensor.name: math.prod(tensor.dims) for tensor in weights}
    found = []
    for node in model.graph.node:
        parameters = sum(unused.pop(name, 0) for name in node.input)
        if node.op_type not in _SILENT or parameters:
            shape = shapes.get(node.output[0])
            label = node.name or node.output[0]
            found.append(
                Layer(label, node.op_type, shape, parameters, _multiply_adds(node, shapes))
            )
    return found


def shapes_of(
    model: onnx.ModelProto, window: Mapping[str, Sequence[int]]
) -> dict[str, tuple[int, ...]]:
    """The shapes of all tensors of a network that can be known, by ONNX's shape inference.

    Args:
        model: left as it is.
        window: the shape of every input, without free extents.
    """
    fixed = skeleton_of(model)
    for value in fixed.graph.input:
        if value.name in window:
            for dim, extent in zip(
                value.type.tensor_type.shape.dim, window[value.name], strict=True
            ):
                dim.dim_value = extent
    hide_long_ones(fixed)
    inferred = shape_inference.infer_shapes(fixed, data_prop=True).graph
    values = [*inferred.input, *inferred.value_info, *inferred.output]
    shapes = {v.name: s for v in values if (s := _extents(v)) is not None}
    return shapes | {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}


def not_numbers(model: onnx.ModelProto) -> dict[str, int]:
    """How many NaN each weight holds, where it holds any: the training diverged."""
    found = {}
    for tensor in model.graph.initializer:
        if tensor.data_type in _REAL:
            array = numpy_helper.to_array(tensor)
            if count := int(np.isnan(array).sum()):
                found[tensor.name] = count
    return found


def _extents(value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    if not value.type.tensor_type.HasField("shape"):
        return None
    dims = value.type.tensor_type.shape.dim
    if not all(dim.HasField("dim_value") for dim in dims):
        return None
    return tuple(dim.dim_value for dim in dims)


def _multiply_adds(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    source, weights = (shapes.get(name) for name in node.input[:2])
    result = shapes.get(node.output[0])
    if source is None or weights is None or result is None:
        return None
    if node.op_type == "Conv":
        return math.prod(result) * math.prod(weights[1:])
    if node.op_type == "ConvTranspose":
        return math.prod(source) * math.prod(weights[1:])
    across = any(a.name == "transA" and helper.get_attribute_value(a) for a in node.attribute)
    return math.prod(result) * source[-2 if across else -1]
