"""A network of CNTK as an ONNX model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
import onnx

from landcover.errors import ModelError
from landcover.models.cntk import (
    borders,
    convolution,
    elementwise,
    indexing,
    linear,
    normalization,
    pooling,
    reductions,
    shaping,
)
from landcover.models.cntk.graph import Function, Graph, Leaf, Output, Ref
from landcover.models.cntk.operations import OF_SEQUENCES, OF_TRAINING
from landcover.models.cntk.sheet import BATCH, Dim, Sheet, SheetFull, Value
from landcover.models.cntk.step import Step
from landcover.models.cntk.writing import write

Lrn: TypeAlias = Literal["operator", "plain"]
Rule: TypeAlias = Callable[[Step], Value | Sequence[Value]]

_RULES: Final[Mapping[str, Rule]] = {
    **elementwise.RULES,
    **linear.RULES,
    **convolution.RULES,
    **pooling.RULES,
    **shaping.RULES,
    **borders.RULES,
    **reductions.RULES,
    **normalization.RULES,
    **indexing.RULES,
}
_FREE_EXTENTS: Final = {1: ("length",), 2: ("height", "width"), 3: ("channels", "height", "width")}


def to_onnx(graph: Graph, outputs: Sequence[Output], lrn: Lrn = "plain") -> onnx.ModelProto:
    """Return an ONNX model that computes ``outputs`` of ``graph``.

    Args:
        graph: the network.
        outputs: which of its results the model has, in this order.
        lrn: how local response normalization is written.

    Raises:
        ModelError: the network holds something that ONNX cannot express or that is damaged.
    """
    tensors = [leaf.tensor for leaf in graph.leaves.values() if leaf.tensor is not None]
    sheet = Sheet(sum(tensor.flat.nbytes for tensor in tensors))
    order = graph.order([output.ref for output in outputs])
    _refuse_sequences(graph, order)
    try:
        return _written(graph, order, outputs, sheet, lrn)
    except SheetFull as error:
        raise ModelError(graph.file, f"this is no network to run: {error}") from error


def _written(
    graph: Graph, order: Sequence[Function], outputs: Sequence[Output], sheet: Sheet, lrn: Lrn
) -> onnx.ModelProto:
    values = _leaves(graph, order, outputs, sheet)
    for function in order:
        for index, value in enumerate(_converted(graph, function, values, sheet)):
            values[Ref(function.uid, index)] = value
    needed = [leaf for leaf in graph.inputs if Ref(leaf.uid) in values]
    inputs = [values[Ref(leaf.uid)] for leaf in needed]
    results = [(output.name, _result(graph, output, values)) for output in outputs]
    return write(graph, sheet, inputs, results, lrn)


def _refuse_sequences(graph: Graph, order: Sequence[Function]) -> None:
    for function in order:
        if function.operation in OF_SEQUENCES:
            raise ModelError(
                graph.file,
                f"{graph.describe(function.uid)} works on sequences: this is a recurrent network, "
                "and landcover runs feed-forward ones only",
            )


def _leaves(
    graph: Graph, order: Sequence[Function], outputs: Sequence[Output], sheet: Sheet
) -> dict[Ref, Value]:
    used = {ref: "" for output in outputs for ref in [output.ref]}
    for function in order:
        for ref in function.inputs:
            used.setdefault(ref, function.name)
    unpacked = any(function.operation in ("ToBatch", "UnpackBatch") for function in order)
    leaves = [
        (graph.leaves[ref.uid], user) for ref, user in used.items() if ref.uid in graph.leaves
    ]
    return {Ref(leaf.uid): _leaf(graph, leaf, user, unpacked, sheet) for leaf, user in leaves}


def _leaf(graph: Graph, leaf: Leaf, user: str, unpacked: bool, sheet: Sheet) -> Value:
    if leaf.tensor is None:
        return _input(graph, leaf, unpacked, sheet)
    array = leaf.tensor.array()
    if np.isnan(array).any():
        raise ModelError(
            graph.file,
            f"parameter {leaf.label!r} ({leaf.uid}) of {user!r} holds "
            f"{int(np.isnan(array).sum())} NaN of {array.size} numbers: the training diverged",
        )
    scope = user.rpartition("/")[0] or user
    named = f"{scope}/{leaf.name}" if leaf.name and leaf.name != leaf.uid else leaf.uid
    return Value(sheet.constant(array, named), leaf.shape, leaf.dtype, constant=array)


def _input(graph: Graph, leaf: Leaf, unpacked: bool, sheet: Sheet) -> Value:
    visible = (
        not leaf.batched and leaf.shape[:1] in ((1,), (-3,)) and (unpacked or len(leaf.shape) == 4)
    )
    static = leaf.shape[1:] if visible else leaf.shape
    names = _FREE_EXTENTS.get(len(static), [f"extent_{n}" for n in range(len(static))])
    if any(dim < 1 and dim != -3 for dim in static):
        raise ModelError(graph.file, f"input {leaf.label!r} has the shape {leaf.shape}")
    shape: list[Dim] = [n if d == -3 else d for d, n in zip(static, names, strict=True)]
    tensor = sheet.name(leaf.label)
    if visible:
        return Value(tensor, (BATCH, *shape), leaf.dtype)
    return Value(tensor, tuple(shape), leaf.dtype, batched=True)


def _converted(
    graph: Graph, function: Function, values: Mapping[Ref, Value], sheet: Sheet
) -> Sequence[Value]:
    inputs = []
    for ref in function.inputs:
        if ref not in values:
            raise ModelError(graph.file, f"{graph.describe(ref.uid)} has no result {ref.place}")
        inputs.append(values[ref])
    step = Step(graph, function, inputs, sheet)
    rule = _RULES.get(function.operation)
    if rule is None:
        if function.operation in OF_TRAINING:
            step.refuse("a loss or metric of an early release; ask for another output")
        step.refuse("this operation has no conversion to ONNX")
    results = rule(step)
    return [results] if isinstance(results, Value) else results


def _result(graph: Graph, output: Output, values: Mapping[Ref, Value]) -> Value:
    if output.ref not in values:
        raise ModelError(graph.file, f"output {output.name!r} is a result that is not there")
    return values[output.ref]
