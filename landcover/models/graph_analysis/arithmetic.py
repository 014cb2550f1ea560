"""What a network itself does to pixels first, so that nobody does it a second time.

A network that scales its input (a Rescaling or Normalization layer of Keras, nodes that an export has
put in front) is to be given pixels as they are. That is told by the operations between its input and
the first one that mixes pixels: the arithmetic among them with numbers that no pixel changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import onnx
from onnx import numpy_helper

# How ONNX and TensorFlow call arithmetic with two operands, and how it is said.
_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("Add", "AddV2", "BiasAdd"), "adds"),
    **dict.fromkeys(("Sub", "Subtract"), "subtracts"),
    **dict.fromkeys(("Mul", "Multiply"), "multiplies by"),
    **dict.fromkeys(("Div", "RealDiv", "DivNoNan", "Divide"), "divides by"),
    **dict.fromkeys(("TrueDivide", "Truediv"), "divides by"),
}
# What subtracts and divides in one go, in these libraries and in Keras.
_NORMALIZING: Final = frozenset(
    (
        *("BatchNormalization", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"),
        *("BatchNormInference", "InstanceNormalization", "MeanVarianceNormalization", "MVN"),
        *("Rescaling", "Normalization"),
    )
)
# What lets every number through as it is, or puts it elsewhere.
_PASSING: Final = frozenset(
    (
        *("Identity", "Cast", "Transpose", "Reshape", "Squeeze", "ExpandDims", "Unsqueeze"),
        *("Convert", "Permute", "DequantizeLinear", "QuantizeLinear", "ZeroPadding2D", "Pad"),
        *("StopGradient", "Clip", "Minimum", "Maximum", "Gather", "GatherV2", "ReverseV2"),
    )
)
# What asks a tensor for something other than its numbers.
_ASKING: Final = frozenset(["Shape", "Size", "Rank", "ShapeN"])


class Operation(NamedTuple):
    """A node of a graph: what it does, and the names of the tensors that it reads and returns."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def onnx_arithmetic(model: onnx.ModelProto, image: str | None = None) -> tuple[str, ...]:
    """What an ONNX network does to pixels first.

    Args:
        model: the network.
        image: the name of its input; default: the only one that is no weight.

    Returns:
        a phrase a step, in their order: "subtracts 127.5", "divides by numbers of its own"; ()
        where there is no such step.
    """
    graph = model.graph
    numbers = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            numbers[node.output[0]] = node.attribute[0].t
    if image is None:
        image = next((v.name for v in graph.input if v.name not in numbers), "")
    operations = [Operation(n.op_type, tuple(n.input), tuple(n.output)) for n in graph.node]

    def number(name: str) -> float | None:
        tensor = numbers.get(name)
        inside = tensor is not None and tensor.data_location != onnx.TensorProto.EXTERNAL
        return _single(numpy_helper.to_array(tensor)) if tensor is not None and inside else None

    return tuple(phrases(operations, image, number))


def tensorflow_arithmetic(definition: Any) -> tuple[str, ...]:
    """What a frozen network of TensorFlow does to pixels first; see :func:`onnx_arithmetic`.

    Args:
        definition: a ``GraphDef`` with one placeholder and no functions, as
            ``TensorflowGraph.frozen()`` returns it serialized.
    """
    operations = [
        Operation(node.op, tuple(map(_source, _read(node))), (node.name,))
        for node in definition.node
    ]
    images = [node.name for node in definition.node if node.op == "Placeholder"]
    numbers = {
        node.name: node.attr["value"].tensor for node in definition.node if node.op == "Const"
    }

    def number(name: str) -> float | None:
        return _single(_value(numbers[name])) if name in numbers else None

    return tuple(phrases(operations, images[0], number)) if len(images) == 1 else ()


def said(steps: Iterable[str]) -> str:
    """One sentence for people, from the phrases of the steps."""
    return f"the network itself {', then '.join(steps)}: mean and scale come before that"


def phrases(
    operations: Sequence[Operation],
    image: str,
    number: Callable[[str], float | None] = lambda name: None,
) -> Iterable[str]:
    """What a network does to pixels first, a phrase a step.

    Args:
        operations: its nodes.
        image: the name of its input.
        number: the value of a tensor that is a single number; None where it is not.
    """
    users: dict[str, list[Operation]] = {}
    for operation in operations:
        for name in operation.inputs:
            users.setdefault(name, []).append(operation)
    moved = _dependent(users, image)
    value = image

    def step(user: Operation) -> tuple[str, ...] | None:
        others = [name for name in user.inputs if name != value]
        if moved & {*others}:
            return None
        # Keras names no number that stands in the code.
        if user.kind in _WORDS and len(user.inputs) == 1 + len(others) <= 2:
            known = number(_origin(operations, others[0])) if others else None
            return tuple(_phrase(user, value, known))
        if user.kind in _NORMALIZING:
            return ("normalizes",)
        return () if user.kind in _PASSING else None

    for _ in operations:  # a damaged graph may run in a circle
        after = [user for user in users.get(value, ()) if user.kind not in _ASKING]
        steps = [step(user) for user in after]
        counting = all(user.kind not in _PASSING for user in after) and None not in steps
        told = [phrase for found in steps for phrase in found or ()]
        if len(steps) > 1 and counting and told:
            yield " beside ".join(told)
        if len(steps) != 1 or steps[0] is None:
            return
        yield from steps[0]
        value = after[0].outputs[0]


def _phrase(operation: Operation, value: str, number: float | None) -> Iterable[str]:
    neutral = 0 if _WORDS[operation.kind] in ("adds", "subtracts") else 1
    first = operation.inputs[0] == value
    if number == neutral and first:
        return
    what = "numbers of its own" if number is None else f"{number:.9g}"
    word = _WORDS[operation.kind]
    if first or word not in ("subtracts", "divides by"):
        yield f"{word} {what}"
    else:
        yield f"subtracts from {what}" if word == "subtracts" else f"divides {what} by pixels"


def _origin(operations: Sequence[Operation], name: str) -> str:
    """Where a number comes from, through the nodes that hand it on."""
    sources = {op.outputs[0]: op.inputs[0] for op in operations if op.kind in ("Identity", "Cast")}
    for _ in sources:
        name = sources.get(name, name)
    return name


def _dependent(users: Mapping[str, list[Operation]], image: str) -> set[str]:
    """All tensors that pixels may change, but for the shapes that are asked of them."""
    found, waiting = {image}, [image]
    while waiting:
        for user in users.get(waiting.pop(), ()):
            fresh = set() if user.kind in _ASKING else {*user.outputs} - found
            found |= fresh
            waiting += fresh
    return found


def _single(array: Any) -> float | None:
    return float(array.reshape(-1)[0]) if array.size == 1 and np.isrealobj(array) else None


def _value(tensor: Any) -> Any:
    """The numbers of a TensorProto of TensorFlow, where it holds few, as float64."""
    if tensor.tensor_content:
        dtype = {1: np.float32, 2: np.float64, 3: np.int32, 9: np.int64}.get(tensor.dtype)
        return np.frombuffer(tensor.tensor_content, dtype) if dtype else np.empty(0)
    listed = [*tensor.float_val, *tensor.double_val, *tensor.int_val, *tensor.int64_val]
    single = len(listed) == 1 and all(dim.size == 1 for dim in tensor.tensor_shape.dim)
    return np.asarray(listed if single else [], np.float64)


def _read(node: Any) -> list[str]:
    """The inputs of a node of TensorFlow, without those that it only waits for."""
    return [name for name in node.input if not name.startswith("^")]


def _source(name: str) -> str:
    """The node that an input of a node of TensorFlow comes from."""
    return name.split(":")[0]
