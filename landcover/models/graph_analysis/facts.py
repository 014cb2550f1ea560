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
    (node,) = [n for n in model.graph.node if ending.source in n.input and n.op_type == "ArgMax"][
        :1
    ]
    axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
    graph = shape_inference.infer_shapes(model).graph
    for value in (*graph.value_info, *graph.input):
        dims = value.type.tensor_type.shape.dim
        if value.name == ending.source and -len(dims) <= axis < len(dims):
            return dims[axis].dim_value or None
    return None


def _quantization(model: onnx.ModelProto, output: str) -> tuple[float, float] | None:
    """Scale and zero point of an output that is quantized last of all."""
    numbers: Mapping[str, Any] = {t.name: t for t in model.graph.initializer} | {
        node.output[0]: node.attribute[0].t
        for node in model.graph.node
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value"
    }
    for node in model.graph.node:
        if output in node.output and node.op_type == "QuantizeLinear":
            held = [numbers.get(name) for name in node.input[1:]]
            values = [np.ravel(numpy_helper.to_array(t)) for t in held if t is not None]
            if len(values) != len(held) or any(value.size != 1 for value in values):
                return None
            return float(values[0][0]), float(values[1][0]) if len(values) > 1 else 0.0
    return None
