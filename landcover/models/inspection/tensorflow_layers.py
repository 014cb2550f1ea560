"""The layers of a TensorFlow network: shapes, parameters and multiply-adds, from its frozen graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from landcover.models.graph_analysis.onnx_layers import Layer
from landcover.models.preprocessing.specification import Pixels, Shape
from landcover.models.runtimes.tensorflow.graph import TensorflowGraph
from landcover.models.runtimes.tensorflow.start import tensorflow

# Nodes that hold or say something, and compute nothing.
_SILENT = {"Const", "Identity", "IdentityN", "Placeholder", "NoOp", "Shape", "Cast", "StopGradient"}
_FORWARD = {"Identity", "IdentityN", "ReadVariableOp", "StopGradient"}


def tensorflow_layers(graph: TensorflowGraph, window: tuple[int, ...]) -> list[Layer]:
    """The layers in the order of the graph; see :class:`landcover.models.graph_analysis.onnx_layers.Layer`.

    Args:
        graph: the network.
        window: the shape of its input, without free extents.
    """
    tf = tensorflow()
    definition = tf.compat.v1.GraphDef.FromString(graph.frozen(window))
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(definition, name="")
    operations = imported.get_operations()
    weights = {id(op): _size(op) for op in operations if op.type == "Const"}
    found = []
    for op in operations:
        if op.type not in _SILENT:
            sources = [_source(tensor.op) for tensor in op.inputs]
            parameters = sum(weights.pop(id(source), 0) for source in sources)
            shape = _shape(op.outputs[0]) if op.outputs else None
            found.append(Layer(op.name, op.type, shape, parameters, _multiply_adds(op)))
    return found


def tensorflow_not_numbers(graph: TensorflowGraph, window: tuple[int, ...]) -> dict[str, int]:
    """How many NaN each constant of the frozen network holds, where it holds any.

    Args:
        graph: the network.
        window: the shape of its input, without free extents.
    """
    tf = tensorflow()
    definition = tf.compat.v1.GraphDef.FromString(graph.frozen(window))
    found = {}
    for node in definition.node:
        if node.op == "Const" and tf.as_dtype(node.attr["dtype"].type).is_floating:
            array = tf.make_ndarray(node.attr["value"].tensor)
            if count := int(np.isnan(array).sum()):
                found[node.name] = count
    return found


def measured_field(graph: TensorflowGraph, window: tuple[int, ...]) -> tuple[int, int] | None:
    """How many rows and columns of pixels the label in the middle depends on.

    Measured, from which pixels of four images of noise have a gradient: where a network has units
    that none of them excites, it may be more.

    Args:
        graph: a network that labels pixels.
        window: the shape of its input, (images, rows, columns, bands).

    Returns:
        None where TensorFlow has no gradient for an operation.
    """
    tf = tensorflow()
    noise = np.random.default_rng(2017).uniform(-1, 1, (4, *window[1:])).astype(np.float32)
    images = tf.constant(noise, dtype=graph.signature.dtype)
    try:
        with tf.GradientTape() as tape:
            tape.watch(images)
            returned = graph.call(images)
            middle = returned[:, returned.shape[1] // 2, returned.shape[2] // 2]
            total = tf.reduce_sum(middle * tf.random.normal(middle.shape[-1:], seed=1))
        gradient = tape.gradient(total, images)
    except (LookupError, ValueError, tf.errors.OpError):
        return None
    return None if gradient is None else _box(gradient.numpy())


def _box(gradient: Pixels) -> tuple[int, int]:
    touched = (gradient != 0).any(axis=(0, 3))
    extents = [np.flatnonzero(touched.any(axis=axis)) for axis in (1, 0)]
    rows, columns = (int(at[-1] - at[0]) + 1 if at.size else 0 for at in extents)
    return rows, columns


def _source(op: Any) -> Any:
    """What a weight is read from, through the nodes that only hand it on."""
    while op.type in _FORWARD and op.inputs:
        op = op.inputs[0].op
    return op


def _size(op: Any) -> int:
    tensor = op.outputs[0]
    held = tensor.dtype.is_floating and tensor.shape.rank
    return math.prod(tensor.shape.as_list()) if held else 0


def _shape(tensor: Any) -> Shape | None:
    return None if tensor.shape.rank is None else tuple(tensor.shape.as_list())


def _multiply_adds(op: Any) -> int | None:
    if op.type not in ("Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "MatMul"):
        return 0
    weights = _shape(op.inputs[1])
    # What a transposed convolution reads is its third input.
    counted = _shape(op.inputs[2] if op.type == "Conv2DBackpropInput" else op.outputs[0])
    if weights is None or counted is None or None in (*weights, *counted):
        return None
    extents = [extent for extent in (*weights, *counted) if extent is not None]
    shape, result = extents[: len(weights)], math.prod(extents[len(weights) :])
    if op.type == "MatMul":
        return result * shape[1 if op.get_attr("transpose_b") else 0]
    if op.type == "DepthwiseConv2dNative":
        return result * shape[0] * shape[1]
    return result * math.prod(shape[:3])
