"""What of a network depends on no pixel, and on no number of images: shapes, places, factors."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from math import prod

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from landcover.models.cropping.parts import Array, Shape
from landcover.models.graph_analysis.onnx_layers import shapes_of

log = logging.getLogger(__name__)

# Numbers of a tensor that are looked at: shapes and places are few, weights are many.
_FEW = 16_384


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a network in which weights have a shape and no numbers: megabytes less to copy."""
    graph, light = model.graph, onnx.ModelProto()
    for tensor in graph.initializer:
        if prod(tensor.dims) <= _FEW:
            light.graph.initializer.append(tensor)
        else:
            kind, dims = tensor.data_type, tensor.dims
            light.graph.input.append(helper.make_tensor_value_info(tensor.name, kind, dims))
    weights = {tensor.name for tensor in graph.initializer}
    light.graph.input.extend(value for value in graph.input if value.name not in weights)
    light.graph.output.extend(graph.output)
    light.graph.node.extend(graph.node)
    light.graph.name, light.ir_version = graph.name or "network", model.ir_version
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    return light


def shapes_for(light: onnx.ModelProto, images: str, shape: Shape) -> dict[str, Shape]:
    """The shapes of all tensors that can be known, for a number of images.

    Args:
        light: of :func:`without_weights`.
        images: the name of the input.
        shape: of it, the batch first.
    """
    return shapes_of(light, {images: shape})


def known_values(
    light: onnx.ModelProto, images: str, shape: Shape, shapes: Mapping[str, Shape]
) -> dict[str, Array]:
    """The numbers of small tensors that are the same for every image and number of images.

    Args:
        light: of :func:`without_weights`.
        images: the name of the input.
        shape: of it, the batch first.
        shapes: of all tensors, for that many images.
    """
    found = _values(light, shapes)
    if not any(node.op_type in ("Shape", "Size") for node in light.graph.node):
        return found
    more = (shape[0] + 1, *shape[1:])
    others = _values(light, shapes_for(light, images, more))
    return {
        name: value
        for name, value in found.items()
        if name in others and np.array_equal(value, others[name])
    }


def _values(light: onnx.ModelProto, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in light.graph.initializer}
    for node in light.graph.node:
        if node.op_type == "Shape" and node.input[0] in shapes:
            start, end = (_number(node, name) for name in ("start", "end"))
            found[node.output[0]] = np.array(shapes[node.input[0]], np.int64)[start:end]
        elif _is_small(node, found, shapes):
            try:
                found |= _evaluated(node, found, light)
            except Exception as error:  # noqa: BLE001  (what is not known is needed whole)
                log.debug("%s %s: %s", node.op_type, node.name, error)
    return found


def _is_small(
    node: onnx.NodeProto, found: Mapping[str, Array], shapes: Mapping[str, Shape]
) -> bool:
    """Whether all that a node reads is known, and what it makes holds few numbers."""
    if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
        return False
    if node.op_type.startswith("Random") or not all(n in found for n in node.input if n):
        return False
    return all(prod(shapes.get(name, (_FEW + 1,))) <= _FEW for name in node.output if name)


def _evaluated(
    node: onnx.NodeProto, found: Mapping[str, Array], light: onnx.ModelProto
) -> dict[str, Array]:
    """What a node makes, by ONNX's reference implementation."""
    from onnx.reference import ReferenceEvaluator  # imports hundreds of modules

    given = {name: found[name] for name in node.input if name}
    made = [name for name in node.output if name]
    inputs, outputs = ([onnx.ValueInfoProto(name=n) for n in each] for each in (given, made))
    graph = helper.make_graph([node], "one", inputs, outputs)
    one = helper.make_model(graph, opset_imports=light.opset_import)
    values = ReferenceEvaluator(one).run(None, given)
    return {n: np.asarray(value) for n, value in zip(made, values, strict=True)}


def _number(node: onnx.NodeProto, name: str) -> int | None:
    return next((a.i for a in node.attribute if a.name == name), None)


def as_tensor(value: Array, name: str) -> TensorProto:
    """Numbers as a constant of a graph."""
    return numpy_helper.from_array(value, name)
