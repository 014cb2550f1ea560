"""What a network's graph says of itself, so that it need not be guessed from noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

from landcover.models.graph_analysis.arithmetic import Operation, onnx_arithmetic, phrases
from landcover.models.graph_analysis.ending import Ending, ending_of
from landcover.models.graph_analysis.pixel_dependencies import Spans
from landcover.models.graph_analysis.receptive_field import dependencies


def _not_followed(shape: Sequence[int], axes: tuple[int, int]) -> Spans | None:
    del shape, axes
    return None


@dataclass(frozen=True)
class Facts:
    """What is read from a graph; nothing, where there is none to read.

    Args:
        ending: what its last operations make of its numbers.
        arithmetic: what it does to pixels first, a phrase a step.
        dependencies: from the shape of its input, without free extents, and the axes of that which
            are rows and columns, to the pixels that each element of its output depends on; None
            where that cannot be followed.
    """

    ending: Ending = field(default_factory=Ending)
    arithmetic: tuple[str, ...] = ()
    dependencies: Callable[[Sequence[int], tuple[int, int]], Spans | None] = _not_followed


def facts_of(operations: Sequence[Operation], output: str, image: str) -> Facts:
    """What the operations of a graph say.

    Args:
        operations: its nodes.
        output: the tensor that it returns.
        image: the tensor that pixels come in by.
    """
    return Facts(ending_of(operations, output, [image]), tuple(phrases(list(operations), image)))


def onnx_facts(read: Callable[[], onnx.ModelProto], image: str, output: str) -> Facts:
    """What an ONNX network says.

    Args:
        read: reads it; it is not kept.
        image: the name of its input.
        output: the name of the wanted output.
    """

    def follow(shape: Sequence[int], axes: tuple[int, int]) -> Spans | None:
        return dependencies(read(), {image: shape}, axes).get(output)

    model = read()
    nodes = [Operation(n.op_type, tuple(n.input), tuple(n.output)) for n in model.graph.node]
    found = ending_of(nodes, output, [image])
    kinds = {v.name: v.type.tensor_type.elem_type for v in model.graph.output}
    dtype = helper.tensor_dtype_to_np_dtype(kinds[output])
    ending = replace(
        found,
        whole=dtype.kind in "iu",
        classes=_extent(model, found) if found.kind == "numbers" else None,
        quantization=_quantization(model, output),
    )
    return Facts(ending, onnx_arithmetic(model, image), follow)


def _extent(model: onnx.ModelProto, ending: Ending) -> int | None:
    """How many numbers the largest of which is looked for there are."""
    choosing = {"ArgMax": 0, "TopK": -1}  # with their usual axes
    readers = [n for n in model.graph.node if ending.source in n.input and n.op_type in choosing]
    if not readers:
        return None
    axis = next(
        (a.i for a in readers[0].attribute if a.name == "axis"), choosing[readers[0].op_type]
    )
    graph = shape_inference.infer_shapes(model).graph
    for value in (*graph.value_info, *graph.input):
        dims = value.type.tensor_type.shape.dim
        if value.name == ending.source and -len(dims) <= axis < len(dims):
            return _moved(dims[axis].dim_value, model, ending) if dims[axis].dim_value else None
    return None


def _moved(classes: int, model: onnx.ModelProto, ending: Ending) -> int | None:
    """How many classes there are from 0 on, where their numbers are not those of what was chosen."""
    if ending.moved_by is None:
        return classes
    held = _held(model).get(ending.moved_by)
    if held is None or not (numbers := np.ravel(numpy_helper.to_array(held))).size:
        return None
    if ending.operation == "Gather":
        return int(numbers.max()) + 1 if numbers.min() >= 0 else None
    if numbers.size > 1:
        return None
    return classes + int(numbers[0]) * (-1 if ending.operation == "Sub" else 1)


def _held(model: onnx.ModelProto) -> Mapping[str, Any]:
    """The numbers that a graph holds, by the names of their tensors."""
    return {tensor.name: tensor for tensor in model.graph.initializer} | {
        node.output[0]: node.attribute[0].t
        for node in model.graph.node
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value"
    }


def _quantization(model: onnx.ModelProto, output: str) -> tuple[float, float] | None:
    """Scale and zero point of an output that is quantized last of all."""
    numbers = _held(model)
    for node in model.graph.node:
        if output in node.output and node.op_type == "QuantizeLinear":
            held = [numbers.get(name) for name in node.input[1:]]
            values = [np.ravel(numpy_helper.to_array(t)) for t in held if t is not None]
            if len(values) != len(held) or any(value.size != 1 for value in values):
                return None
            return float(values[0][0]), float(values[1][0]) if len(values) > 1 else 0.0
    return None
