"""ONNX networks: what they read and return, and the steps around them as nodes of the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from landcover.errors import ModelError
from landcover.models.formats.outputs import choose_head
from landcover.models.preprocessing.specification import Shape, Signature, Wrapping

# Names of our own nodes; two underscores keep them apart from whatever a network calls its own.
_OURS = "landcover__"

# The first version of the operator set whose Softmax works along one axis.
_SOFTMAX_PER_AXIS = 13

# The first version of the operator set that broadcasts the way numpy does.
_BROADCASTING = 7

_IMAGE_RANKS = (3, 4)
_CLASS_RANKS = (0, 2, 4)


@dataclass(frozen=True)
class Ends:
    """The input and the output of a network by name, and what it reads."""

    input: str
    output: str
    signature: Signature


def find_ends(model: onnx.ModelProto, head: str | int | None, shown: str) -> Ends:
    """Find a network's input and the output that is wanted.

    Raises:
        ModelError: it does not have exactly one image input, or the output is not clear.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    images = [value for value in inputs if len(_shape(value)) in _IMAGE_RANKS]
    if len(inputs) != 1 or not images:
        listed = ", ".join(f"{v.name!r} {_shape(v)}" for v in inputs) or "none"
        raise ModelError(shown, f"must have one input, a batch of images; its inputs: {listed}")
    outputs = list(model.graph.output)
    likely = [i for i, value in enumerate(outputs) if len(_shape(value)) in _CLASS_RANKS]
    wanted = choose_head([value.name for value in outputs], head, shown, likely)
    dtype = helper.tensor_dtype_to_np_dtype(images[0].type.tensor_type.elem_type)
    signature = Signature(_shape(images[0]), str(dtype))
    return Ends(images[0].name, outputs[wanted].name, signature)


def wrapped(
    model: onnx.ModelProto, ends: Ends, wrapping: Wrapping, dtype: np.dtype[Any]
) -> onnx.ModelProto:
    """A network with all steps between pixels and probabilities inside.

    Args:
        model: the network; it is changed, for a copy would double the memory of a large one.
        ends: of the model.
        wrapping: the steps.
        dtype: of the pixels.

    Returns:
        a network with the input ``pixels`` and the output ``probabilities``.
    """
    graph = model.graph
    steps = _Steps(_opset(model))
    source = _before(steps, ends, wrapping)
    before = len(steps.nodes)
    _rename_input(graph, ends.input, source)
    result = _after(steps, ends, wrapping)
    nodes = [*steps.nodes[:before], *graph.node, *steps.nodes[before:]]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.node.append(helper.make_node("Identity", [result], ["probabilities"]))
    graph.initializer.extend(steps.weights)
    shape = [ends.signature.batch or "n", wrapping.bands, *wrapping.size]
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    graph.input.append(helper.make_tensor_value_info("pixels", kind, shape))
    graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None))
    # From version 4 of the format on, weights need not be inputs too, and are then constants.
    model.ir_version = max(model.ir_version, 4)
    return model


class _Steps:
    """Nodes and weights that are added to a graph."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = f"{_OURS}{len(self.nodes)}_{operation}"
        self.nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name

    def weight(self, values: Any, dtype: type[np.generic]) -> str:
        """Add a constant and return its name."""
        name = f"{_OURS}w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name


def _before(steps: _Steps, ends: Ends, wrapping: Wrapping) -> str:
    """From pixels to what the network reads."""
    value = steps.add("Cast", "pixels", to=TensorProto.FLOAT)
    if wrapping.shifts:
        value = steps.add("Sub", value, steps.weight(wrapping.shift, np.float32))
    if wrapping.scales:
        value = steps.add("Mul", value, steps.weight(wrapping.factor, np.float32))
    if wrapping.reorders:
        value = steps.add("Gather", value, steps.weight(wrapping.order, np.int64), axis=1)
    if wrapping.layout == "NHWC":
        value = steps.add("Transpose", value, perm=[0, 2, 3, 1])
    elif wrapping.layout == "NHW":
        shape = [ends.signature.batch or -1, *wrapping.size]
        value = steps.add("Reshape", value, steps.weight(shape, np.int64))
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(ends.signature.dtype))
    return steps.add("Cast", value, to=kind)


def _after(steps: _Steps, ends: Ends, wrapping: Wrapping) -> str:
    """From what the network returns to probabilities."""
    value = steps.add("Cast", ends.output, to=TensorProto.FLOAT)
    output = wrapping.output
    if output is None:
        return value
    order, last = output.order(), output.rank - 1
    if output.softmax and steps.opset >= _SOFTMAX_PER_AXIS:
        value = steps.add("Softmax", value, axis=output.class_axis)
    elif output.softmax:
        # Softmax of old works on all axes from the one named on: the classes must come last.
        to_last = (*(axis for axis in range(output.rank) if axis != output.class_axis), order[1])
        value = steps.add("Transpose", value, perm=to_last)
        value = steps.add("Softmax", value, axis=last)
        order = (0, last, *range(1, last))
    if order != tuple(range(output.rank)):
        value = steps.add("Transpose", value, perm=order)
    return value if output.pixel or output.rank == 2 else steps.add("Flatten", value, axis=1)


def _rename_input(graph: onnx.GraphProto, name: str, source: str) -> None:
    """Let everything that read the network's input read the last of our nodes."""
    for node in graph.node:
        for index, value in enumerate(node.input):
            if value == name:
                node.input[index] = source
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                _rename_input(inner, name, source)


def _opset(model: onnx.ModelProto) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return max(versions, default=_BROADCASTING)


def _shape(value: onnx.ValueInfoProto) -> Shape:
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in dims)
