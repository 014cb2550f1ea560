"""A network of CNTK as an ONNX model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
import onnx

from landcover.errors import ModelError
from landcover.models.cntk.conversion.onnx_builder import (
    BATCH,
    Dim,
    GraphTooLarge,
    OnnxBuilder,
    Value,
)
from landcover.models.cntk.conversion.onnx_model import write
from landcover.models.cntk.conversion.rules import (
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
from landcover.models.cntk.conversion.step import Step
from landcover.models.cntk.reader.graph import Function, Graph, Leaf, Output, Ref
from landcover.models.cntk.reader.model_file import read
from landcover.models.cntk.reader.operations import OF_SEQUENCES, OF_TRAINING
from landcover.models.cntk.reader.outputs import choose

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


def convert(
    data: bytes | memoryview, name: str, output: str | int | None = None, lrn: Lrn = "plain"
) -> onnx.ModelProto:
    """Return a CNTK model as an ONNX model with one output.

    The model takes a batch of images in the layout of the network, (batch, channels, height,
    width), and computes in the precision of the file. It uses operators of ONNX's default domain
    only.

    Args:
        data: the whole file.
        name: its path, for messages.
        output: the name or the position of the output wanted, or the name of a layer; by default
            the first one that is no loss and needs no labels.
        lrn: how local response normalization is written: "plain" arithmetic, which ONNX Runtime
            computes faster, or ONNX's "operator", which OpenVINO computes faster.

    Raises:
        ModelError: the file cannot be read, or the network cannot be expressed in ONNX: the
            sentence names the operation.
    """
    graph = read(data, name)
    return to_onnx(graph, [choose(graph, output)], lrn)


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
    builder = OnnxBuilder(sum(tensor.flat.nbytes for tensor in tensors))
    order = graph.order([output.ref for output in outputs])
    _refuse_sequences(graph, order)
    try:
        return _written(graph, order, outputs, builder, lrn)
    except GraphTooLarge as error:
        raise ModelError(graph.file, f"this is no network to run: {error}") from error


def _written(
    graph: Graph,
    order: Sequence[Function],
    outputs: Sequence[Output],
    builder: OnnxBuilder,
    lrn: Lrn,
) -> onnx.ModelProto:
    values = _leaves(graph, order, outputs, builder)
    for function in order:
        for index, value in enumerate(_converted(graph, function, values, builder)):
            values[Ref(function.uid, index)] = value
    needed = [leaf for leaf in graph.inputs if Ref(leaf.uid) in values]
    inputs = [values[Ref(leaf.uid)] for leaf in needed]
    results = [(output.name, _result(graph, output, values)) for output in outputs]
    return write(graph, builder, inputs, results, lrn)


def _refuse_sequences(graph: Graph, order: Sequence[Function]) -> None:
    for function in order:
        if function.operation in OF_SEQUENCES:
            raise ModelError(
                graph.file,
                f"{graph.describe(function.uid)} works on sequences: this is a recurrent network, "
                "and landcover runs feed-forward ones only",
            )


def _leaves(
    graph: Graph, order: Sequence[Function], outputs: Sequence[Output], builder: OnnxBuilder
) -> dict[Ref, Value]:
    used = {ref: "" for output in outputs for ref in [output.ref]}
    for function in order:
        for ref in function.inputs:
            used.setdefault(ref, function.name)
    unpacked = any(function.operation in ("ToBatch", "UnpackBatch") for function in order)
    leaves = [
        (graph.leaves[ref.uid], user) for ref, user in used.items() if ref.uid in graph.leaves
    ]
    return {Ref(leaf.uid): _leaf(graph, leaf, user, unpacked, builder) for leaf, user in leaves}


def _leaf(graph: Graph, leaf: Leaf, user: str, unpacked: bool, builder: OnnxBuilder) -> Value:
    if leaf.tensor is None:
        return _input(graph, leaf, unpacked, builder)
    array = leaf.tensor.array()
    if np.isnan(array).any():
        raise ModelError(
            graph.file,
            f"parameter {leaf.label!r} ({leaf.uid}) of {user!r} holds "
            f"{int(np.isnan(array).sum())} NaN of {array.size} numbers: the training diverged",
        )
    scope = user.rpartition("/")[0] or user
    named = f"{scope}/{leaf.name}" if leaf.name and leaf.name != leaf.uid else leaf.uid
    return Value(builder.constant(array, named), leaf.shape, leaf.dtype, constant=array)


def _input(graph: Graph, leaf: Leaf, unpacked: bool, builder: OnnxBuilder) -> Value:
    visible = (
        not leaf.batched and leaf.shape[:1] in ((1,), (-3,)) and (unpacked or len(leaf.shape) == 4)
    )
    static = leaf.shape[1:] if visible else leaf.shape
    names = _FREE_EXTENTS.get(len(static), [f"extent_{n}" for n in range(len(static))])
    if any(dim < 1 and dim != -3 for dim in static):
        raise ModelError(graph.file, f"input {leaf.label!r} has the shape {leaf.shape}")
    shape: list[Dim] = [n if d == -3 else d for d, n in zip(static, names, strict=True)]
    tensor = builder.name(leaf.label)
    if visible:
        return Value(tensor, (BATCH, *shape), leaf.dtype)
    return Value(tensor, tuple(shape), leaf.dtype, batched=True)


def _converted(
    graph: Graph, function: Function, values: Mapping[Ref, Value], builder: OnnxBuilder
) -> Sequence[Value]:
    inputs = []
    for ref in function.inputs:
        if ref not in values:
            raise ModelError(graph.file, f"{graph.describe(ref.uid)} has no result {ref.place}")
        inputs.append(values[ref])
    step = Step(graph, function, inputs, builder)
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
