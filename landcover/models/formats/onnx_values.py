"""What can be told of an ONNX graph without computing it: shapes, and the small arrays that shapes are made of.

ONNX's own shape inference follows most of it. Where a size is worked out by arithmetic that it does not
follow, that arithmetic is done here, on a few numbers at a time, and the inference goes on from there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, inliner, numpy_helper, shape_inference

from landcover.models.formats.onnx_parts import extents_held, graphs_in
from landcover.models.formats.onnx_skeleton import SMALL, is_there, skeleton_of
from landcover.models.formats.sizes import Extents, numbers_in

Array: TypeAlias = npt.NDArray[Any]

_MOST_MADE: Final = 2**20
# Sizes that wait for other sizes, as those of a decoder do that is enlarged step by step.
_ROUNDS: Final = 8
_HIDDEN: Final = "landcover.hidden"  # a domain that the inference does not know

# What makes small arrays of small arrays, in ONNX's own words.
_NAMES: Final = """
    Abs Add And Cast CastLike Ceil Clip Concat ConstantOfShape CumSum Div Equal Exp Flatten Floor Gather GatherElements
    GatherND Greater GreaterOrEqual Identity Less LessOrEqual Log MatMul Max Mean Min Mod Mul Neg Not Or
    Pow Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Round ScatterElements
    ScatterND Sign Slice Sqrt Squeeze Sub Sum Transpose Unsqueeze Where Xor
"""
_ARITHMETIC: Final = frozenset(_NAMES.split())


@dataclass(frozen=True)
class Told:
    """What can be told.

    Args:
        graph: the network's, without weights, and with what was worked out in place of the nodes for it;
            graphs within nodes state the shapes that were found.
        shapes: of its tensors; those of which not even the rank is known are missing.
        values: of small tensors.
        types: of its tensors, as ONNX numbers them.
    """

    graph: onnx.GraphProto
    shapes: Mapping[str, Extents]
    values: Mapping[str, Array]
    types: Mapping[str, int]


def told_of(model: onnx.ModelProto) -> Told:
    """Find out what can be told, for one image where the file leaves their number open.

    Args:
        model: of bounded structure; left as it is.

    Raises:
        onnx.shape_inference.InferenceError: the inference takes it for damaged.
    """
    skeleton = skeleton_of(model)
    if model.functions:
        skeleton = inliner.inline_local_functions(skeleton)
    hide_long_ones(skeleton)
    values: dict[str, Array] = {}
    for _ in range(_ROUNDS):
        inferred = shape_inference.infer_shapes(skeleton, data_prop=True)
        shapes = shapes_in(inferred.graph)
        fresh = values_in(skeleton.graph, shapes, skeleton.opset_import, values)
        if not fresh:
            break
        values |= fresh
        _write_down(skeleton.graph, fresh)
    return Told(inferred.graph, shapes, values, types_in(inferred.graph))


def shapes_in(graph: onnx.GraphProto) -> dict[str, Extents]:
    """The shapes that a graph states, its weights' included."""
    stated = [*graph.input, *graph.output, *graph.value_info]
    found = {
        value.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else None
            for dim in value.type.tensor_type.shape.dim
        )
        for value in stated
        if value.type.tensor_type.HasField("shape")
    }
    return found | {name: tuple(extents) for name, extents in extents_held(graph).items()}


def types_in(graph: onnx.GraphProto) -> dict[str, int]:
    """The types of tensors that a graph states, its weights' included."""
    stated = [*graph.input, *graph.output, *graph.value_info]
    found = {value.name: value.type.tensor_type.elem_type for value in stated}
    return found | {tensor.name: tensor.data_type for tensor in graph.initializer}


def values_in(
    graph: onnx.GraphProto,
    shapes: Mapping[str, Extents],
    opsets: Any,
    known: Mapping[str, Array],
) -> dict[str, Array]:
    """The small arrays of a graph that can be worked out and are not known yet."""
    values = {**known, **dict(_held(graph))}
    for node in graph.node:
        if all(name in values for name in node.output):
            continue
        made = _made(node, shapes, values, opsets)
        values |= {
            name: array
            for name, array in zip(node.output, made, strict=False)
            if name and np.asarray(array).size <= SMALL and np.asarray(array).dtype.kind in "biuf"
        }
    return {name: np.asarray(array) for name, array in values.items() if name not in known}


def range_length(node: onnx.NodeProto, values: Mapping[str, Array]) -> int:
    """How many numbers a node ``Range`` makes; 1 where that cannot be told."""
    given = [values.get(name) for name in node.input]
    if len(given) != 3 or any(array is None or not array.size for array in given):
        return 1
    first, last, by = (float(np.asarray(array).reshape(-1)[0]) for array in given)
    count = abs((last - first) / by) if by else 1.0
    return int(count) if np.isfinite(count) else 2**63


def hide_long_ones(model: onnx.ModelProto) -> None:
    """Keep the inference of values from working through ranges and lists of any length, number by number.

    Args:
        model: without weights; what makes or takes them becomes operations that the inference does not
            know, whose results it is told the shapes of.
    """
    _hide_long_ranges(model)
    _hide_long_lists(model)


def _hide_long_ranges(model: onnx.ModelProto) -> None:
    """Keep the inference from writing out ranges of any length, number by number."""
    values = values_in(model.graph, shapes_in(model.graph), model.opset_import, {})
    model.opset_import.append(helper.make_opsetid(_HIDDEN, 1))
    waiting = [model.graph]
    while waiting:
        for node in waiting.pop().node:
            waiting += graphs_in(node)
            if node.op_type == "Range" and range_length(node, values) > _MOST_MADE:
                node.domain = _HIDDEN


def _hide_long_lists(model: onnx.ModelProto) -> None:
    """Keep the inference from noting each number of a list, as it takes each for an extent."""
    inferred = shape_inference.infer_shapes(model).graph
    long = {
        name
        for name, extents in shapes_in(inferred).items()
        if len(extents) == 1 and numbers_in(extents) > _MOST_MADE
    }
    stated = {value.name: value for value in (*inferred.value_info, *inferred.output)}
    ends = {value.name: value for value in model.graph.output}
    for node in model.graph.node:
        if long.isdisjoint(node.input):
            continue
        node.domain = _HIDDEN
        for name in stated.keys() & {*node.output}:
            (ends.get(name) or model.graph.value_info.add()).CopyFrom(stated[name])


def _held(graph: onnx.GraphProto) -> Iterator[tuple[str, Array]]:
    """The small arrays that a graph holds."""
    for tensor in graph.initializer:
        if is_there(tensor):
            yield tensor.name, numpy_helper.to_array(tensor)
    for node in graph.node:
        if node.op_type == "Constant" and len(node.output) == 1:
            for attribute in node.attribute:
                if attribute.name == "value" and is_there(attribute.t):
                    yield node.output[0], numpy_helper.to_array(attribute.t)
                elif attribute.name in ("value_int", "value_ints", "value_float", "value_floats"):
                    held = np.asarray(helper.get_attribute_value(attribute))
                    kind = np.int64 if "int" in attribute.name else np.float32
                    if held.size <= SMALL:
                        yield node.output[0], held.astype(kind)


def _made(
    node: onnx.NodeProto, shapes: Mapping[str, Extents], values: Mapping[str, Array], opsets: Any
) -> list[Any]:
    """What a node makes, as far as it can be told."""
    if node.domain not in ("", "ai.onnx") or not node.input:
        return []
    if node.op_type in ("Shape", "Size"):
        extents = shapes.get(node.input[0], (None,))
        if None in extents:
            return []
        whole = np.asarray(extents, np.int64)
        if node.op_type == "Size":
            return [np.asarray(numbers_in(extents), np.int64)]
        told = {a.name: a.i for a in node.attribute}
        return [whole[told.get("start", 0) : told.get("end", len(whole))]]
    fed = {name: values[name] for name in node.input if name in values}
    known = len(fed) == len({name for name in node.input if name})
    if node.op_type not in _ARITHMETIC or not known or _most_of(node, fed) > _MOST_MADE:
        return []
    from onnx.reference import ReferenceEvaluator  # imports hundreds of modules

    given, made = (
        [onnx.ValueInfoProto(name=name) for name in names if name] for names in (fed, node.output)
    )
    try:
        with np.errstate(all="ignore"):
            graph = helper.make_graph([node], "one", given, made)
            one = ReferenceEvaluator(graph, opsets={o.domain: o.version for o in opsets})
            return list(one.run(None, fed))
    except Exception:  # noqa: BLE001  (whatever it is: it cannot be told)
        return []


def _most_of(node: onnx.NodeProto, fed: Mapping[str, Array]) -> int:
    """The most numbers that arithmetic with these arrays may make."""
    if node.op_type == "ConstantOfShape":
        return numbers_in([int(extent) for array in fed.values() for extent in array.reshape(-1)])
    # Of arrays that are not of one shape, an array of all their extents may be made.
    return math.prod(max(array.size, 1) for array in fed.values())


def _write_down(graph: onnx.GraphProto, values: Mapping[str, Array]) -> None:
    """Put arrays in the place of the nodes that make them."""
    there = {tensor.name for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        names = [name for name in node.output if name]
        if not names or not all(name in values for name in names):
            kept.append(node)
            continue
        for name in names:
            if name not in there:
                graph.initializer.append(numpy_helper.from_array(values[name], name))
                there.add(name)
    del graph.node[:]
    graph.node.extend(kept)
