"""ONNX networks: what they read and return, and the steps around them as nodes of the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from landcover.errors import ModelError
from landcover.models.formats.outputs import choose_head, likely_outputs
from landcover.models.preprocessing.rendering import Numbers, after, before
from landcover.models.preprocessing.specification import Layout, Shape, Signature, Steps

# Names of our own nodes; two underscores keep them apart from whatever a network calls its own.
_OURS = "landcover__"

# The first version of the operator set whose Softmax works along one axis.
_SOFTMAX_PER_AXIS = 13

# The first version of the operator set whose Squeeze and ReduceSum take their axes as an input.
_AXES_AS_INPUTS = 13

# The first version of the operator set that broadcasts the way numpy does.
_BROADCASTING = 7

# What reads images as (n, band, y, x), and what leaves their dimensions where they are.
_ON_IMAGES = {"Conv", "MaxPool", "AveragePool", "ConvTranspose", "BatchNormalization"}
_IN_PLACE = {
    *("Identity", "Cast", "Add", "Sub", "Mul", "Div", "Clip", "Relu"),
    *("QuantizeLinear", "DequantizeLinear"),
}

_ORDERS: dict[tuple[int, ...], Layout] = {(0, 1, 2, 3): "NCHW", (0, 3, 1, 2): "NHWC"}

_IMAGE_RANKS = (3, 4)


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
        raise ModelError(
            shown,
            f"must have one input, a batch of images, and no other: export it so; its inputs: {listed}",
        )
    outputs = list(model.graph.output)
    likely = likely_outputs([len(_shape(value)) or None for value in outputs])
    wanted = choose_head([value.name for value in outputs], head, shown, likely)
    dtype = helper.tensor_dtype_to_np_dtype(images[0].type.tensor_type.elem_type)
    signature = Signature(_shape(images[0]), str(dtype), order=onnx_order(model, images[0].name))
    return Ends(images[0].name, outputs[wanted].name, signature)


def onnx_order(model: onnx.ModelProto, image: str) -> Layout | None:
    """The order of an input's dimensions, told by the first operation that works on images.

    Args:
        model: the network.
        image: the name of the input.

    Returns:
        None where something else comes before it than arithmetic and changes of the order.
    """
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in set(node.input):
            users.setdefault(name, []).append(node)
    axes, value = [0, 1, 2, 3], image
    for _ in model.graph.node:  # a damaged graph may run in a circle
        after = users.get(value, [])
        if len(after) != 1 or not (after[0].op_type in _ON_IMAGES or value == after[0].input[0]):
            return None
        (node,) = after
        if node.op_type in _ON_IMAGES and value == node.input[0]:
            return _ORDERS.get(tuple(axes))
        if node.op_type == "Transpose":
            order = next((list(a.ints) for a in node.attribute if a.name == "perm"), [3, 2, 1, 0])
            if len(order) != 4:
                return None
            axes = [axes[axis] for axis in order]
        elif node.op_type not in _IN_PLACE:
            return None
        value = node.output[0]
    return None


def with_steps(
    model: onnx.ModelProto, ends: Ends, steps: Steps, dtype: np.dtype[Any]
) -> onnx.ModelProto:
    """A network with all steps between pixels and probabilities inside.

    Args:
        model: the network; it is changed, for a copy would double the memory of a large one.
        ends: of the model.
        steps: the steps.
        dtype: of the pixels.

    Returns:
        a network with the input ``pixels`` and the output ``probabilities``.
    """
    graph = model.graph
    _set_aside(graph)
    image, output = (_ASIDE.get(name, name) for name in (ends.input, ends.output))
    added = OnnxOperations(_opset(model))
    source = before(added, "pixels", dtype, steps, ends.signature.dtype)
    first = len(added.nodes)
    _rename_input(graph, image, source)
    result = after(added, output, steps)
    nodes = [*added.nodes[:first], *graph.node, *added.nodes[first:]]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.node.append(helper.make_node("Identity", [result], ["probabilities"]))
    graph.initializer.extend(added.weights)
    shape = [ends.signature.batch or "n", steps.bands, *steps.size]
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    graph.input.append(helper.make_tensor_value_info("pixels", kind, shape))
    graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None))
    # From version 4 of the format on, weights need not be inputs too, and are then constants.
    model.ir_version = max(model.ir_version, 4)
    return model


def narrowed(model: onnx.ModelProto, ends: Ends, steps: Steps) -> onnx.ModelProto:
    """A network for windows of one size that returns no more than the pixels which get a label.

    Args:
        model: the network; it is changed.
        ends: of the model.
        steps: the steps that will be around it; they say which pixels those are.
    """
    graph, added, result = model.graph, OnnxOperations(_opset(model)), ends.output
    if steps.output is not None and steps.output.places and steps.written:
        for axis, kept in zip(steps.output.places, steps.written, strict=True):
            result = added.take(result, tuple(kept), axis)
    graph.node.extend(added.nodes)
    graph.initializer.extend(added.weights)
    extents = {"N": ends.signature.batch or "n", "C": steps.bands}
    extents |= {"H": steps.size[0], "W": steps.size[1]}
    for value in graph.input:
        if value.name == ends.input:
            kind = value.type.tensor_type.elem_type
            shape = [extents[axis] for axis in steps.layout]
            value.CopyFrom(helper.make_tensor_value_info(value.name, kind, shape))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(result, TensorProto.FLOAT, None))
    model.ir_version = max(model.ir_version, 4)
    return model


class OnnxOperations:
    """Adds nodes and weights; see :class:`landcover.models.preprocessing.rendering.Operations`.

    Args:
        opset: the version of the operator set that the network is written in.
    """

    def __init__(self, opset: int) -> None:
        self._opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def cast(self, value: str, dtype: str) -> str:
        return self._add("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def subtract(self, value: str, numbers: Numbers) -> str:
        return self._add("Sub", value, self._weight(numbers))

    def multiply(self, value: str, numbers: Numbers) -> str:
        return self._add("Mul", value, self._weight(numbers))

    def divide(self, value: str, by: str) -> str:
        return self._add("Div", value, by)

    def equals(self, value: str, numbers: npt.NDArray[np.float32]) -> str:
        # Equal of old compares whole numbers alone. Any difference but 0, and NaN, is true.
        differs = self.cast(self.subtract(value, numbers), "bool")
        return self.cast(self._add("Not", differs), "float32")

    def total(self, value: str, axis: int) -> str:
        if self._opset < _AXES_AS_INPUTS:
            return self._add("ReduceSum", value, axes=[axis], keepdims=1)
        return self._add("ReduceSum", value, self._weight(np.asarray([axis], np.int64)), keepdims=1)

    def mix(self, first: str, second: str, share: npt.NDArray[np.float32]) -> str:
        part = self.multiply(self._add("Sub", second, first), share)
        return self._add("Add", first, part)

    def take(self, value: str, order: tuple[int, ...], axis: int) -> str:
        return self._add("Gather", value, self._weight(np.asarray(order, np.int64)), axis=axis)

    def reshape(self, value: str, shape: tuple[int, ...]) -> str:
        return self._add("Reshape", value, self._weight(np.asarray(shape, np.int64)))

    def transpose(self, value: str, axes: tuple[int, ...]) -> str:
        return self._add("Transpose", value, perm=list(axes))

    def squeeze(self, value: str, axes: tuple[int, ...]) -> str:
        if self._opset < _AXES_AS_INPUTS:
            return self._add("Squeeze", value, axes=list(axes))
        return self._add("Squeeze", value, self._weight(np.asarray(axes, np.int64)))

    def softmax(self, value: str, axis: int, rank: int) -> str:
        if self._opset >= _SOFTMAX_PER_AXIS or axis == rank - 1:
            return self._add("Softmax", value, axis=axis)
        # Softmax of old works on all axes from the one named on: the classes must come last.
        swapped = list(range(rank))
        swapped[axis], swapped[-1] = rank - 1, axis
        last = self._add("Softmax", self.transpose(value, tuple(swapped)), axis=rank - 1)
        return self.transpose(last, tuple(swapped))

    def sigmoid(self, value: str) -> str:
        return self._add("Sigmoid", value)

    def _add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = f"{_OURS}{len(self.nodes)}_{operation}"
        self.nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name

    def _weight(self, values: npt.NDArray[Any] | np.float32) -> str:
        """Add a constant and return its name."""
        name = f"{_OURS}w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name


# What a network calls as we call our ends gets another name.
_ASIDE = {name: f"{_OURS}own_{name}" for name in ("pixels", "probabilities")}


def _set_aside(graph: onnx.GraphProto) -> None:
    """Make room for the names of our ends, also in graphs inside of nodes."""
    waiting = [graph]
    while waiting:
        inside = waiting.pop()
        named: list[Any] = [*inside.input, *inside.output, *inside.value_info]
        for value in (*named, *inside.initializer):
            value.name = _ASIDE.get(value.name, value.name)
        for node in inside.node:
            for names in (node.input, node.output):
                names[:] = [_ASIDE.get(name, name) for name in names]
            waiting += [g for a in node.attribute for g in ([a.g] if a.HasField("g") else a.graphs)]


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
