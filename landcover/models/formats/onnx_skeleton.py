"""An ONNX graph without its weights: what shapes are worked out on."""

from __future__ import annotations

from typing import Any, Final

import onnx
from onnx import TensorProto, helper

from landcover.models.formats.onnx_contrib import say_in_onnx
from landcover.models.formats.onnx_parts import extents_held, graphs_in, tensors_in
from landcover.models.formats.sizes import numbers_in

SMALL: Final = 1_024
"""Numbers of an array that is worked out; a shape has four, the extents of all levels some dozens."""


def skeleton_of(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without weights, for one image where their number is open."""
    bare = onnx.ModelProto(ir_version=max(model.ir_version, 4))
    bare.opset_import.extend(model.opset_import)
    bare.functions.extend(model.functions)
    graph = bare.graph
    graph.name = "skeleton"
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    graph.node.extend(model.graph.node)
    graph.initializer.extend(_without_numbers(tensor) for tensor in model.graph.initializer)
    held = extents_held(model.graph)
    for sparse in model.graph.sparse_initializer:
        kind, name = sparse.values.data_type, sparse.values.name
        graph.input.append(helper.make_tensor_value_info(name, kind, list(sparse.dims)))
    for value in graph.input:
        dims = value.type.tensor_type.shape.dim
        for dim in dims if value.name not in held else ():
            if dim.dim_value <= 0:
                dim.ClearField("dim_value")
        if value.name not in held and len(dims) and not dims[0].dim_value:
            dims[0].dim_value = 1
    for value in graph.output:  # stated for any number of images
        value.type.tensor_type.ClearField("shape")
    _drop_large(graph)
    for function in bare.functions:
        _drop_large(function)
    return bare


def _drop_large(body: Any) -> None:
    """Leave out large tensors of the nodes of a graph, and say all in ONNX's own operators."""
    waiting = [body]
    while waiting:
        graph = waiting.pop()
        for node in graph.node:
            say_in_onnx(node)
            for tensor in tensors_in(node):
                if numbers_in(tensor.dims) > SMALL:
                    tensor.CopyFrom(_without_numbers(tensor))
            for inner in graphs_in(node):
                waiting.append(inner)
                _forget_shapes(inner)
                for tensor in inner.initializer:
                    tensor.CopyFrom(_without_numbers(tensor))


def _forget_shapes(inner: onnx.GraphProto) -> None:
    """A graph of a node gets the shapes that follow from what lies around it, whatever it says itself."""
    del inner.value_info[:]
    for value in (*inner.input, *inner.output):
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")


def _without_numbers(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """A small tensor as it is, of a large one its name, type and extents."""
    if is_there(tensor):
        return tensor
    return onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)


def is_there(tensor: onnx.TensorProto) -> bool:
    """Whether a file holds the numbers of a tensor itself, and so few that they may say how large others are."""
    small = numbers_in(tensor.dims) <= SMALL and min(tensor.dims, default=0) >= 0
    return (
        small
        and tensor.data_type != TensorProto.STRING
        and tensor.data_location != TensorProto.EXTERNAL
    )
