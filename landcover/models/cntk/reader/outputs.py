"""Which output of a network a caller means."""

from __future__ import annotations

from landcover.errors import ModelError
from landcover.models.cntk.reader.dictionary import ALL_AXES, Axis
from landcover.models.cntk.reader.graph import Function, Graph, Output, Ref
from landcover.models.cntk.reader.operations import OF_TRAINING

_CANDIDATES = 16  # outputs that are looked at: a trainer saves about five


def choose(graph: Graph, wanted: str | int | None = None) -> Output:
    """Return the output called ``wanted``, the ``wanted``-th, or by default the first useful one.

    Useful is what needs a single input and is no loss or metric: a network that a trainer saved has
    its scores beside its losses, and those ask for labels too.

    Raises:
        ModelError: there is no such output.
    """
    if wanted is None:
        return _default(graph)
    if isinstance(wanted, int):
        if -len(graph.outputs) <= wanted < len(graph.outputs):
            return graph.outputs[wanted]
    else:
        for output in graph.outputs:
            if output.name == wanted:
                return output
        for function in graph.functions.values():  # a layer inside, as in transfer learning
            if wanted in (function.name, function.uid):
                return Output(wanted, Ref(function.uid))
    names = ", ".join(repr(output.name) for output in graph.outputs[:20])
    raise ModelError(graph.file, f"has no output {wanted!r}; its outputs are {names}")


def _default(graph: Graph) -> Output:
    candidates = graph.outputs[:_CANDIDATES]
    for output in candidates:
        if _is_useful(graph, output):
            return output
    for output in candidates:
        for ref in _scores_of_loss(graph, output):
            return Output(graph.functions[ref.uid].name, ref)
    if not graph.outputs:
        raise ModelError(graph.file, "has no output")
    return graph.outputs[0]


def _is_useful(graph: Graph, output: Output) -> bool:
    order = graph.order([output.ref])
    fed = {ref.uid for function in order for ref in function.inputs} | {output.ref.uid}
    inputs = [uid for uid in fed if uid in graph.leaves and graph.leaves[uid].tensor is None]
    return len(inputs) == 1 and bool(order) and not any(map(_is_training, order))


def _is_training(function: Function) -> bool:
    axes = function.attributes.get("axisVec") or [function.attributes.get("axis")]
    whole = isinstance(axes, list) and any(
        isinstance(a, Axis) and a.index == ALL_AXES for a in axes
    )
    return whole or function.operation in OF_TRAINING or function.block in OF_TRAINING


def _scores_of_loss(graph: Graph, output: Output) -> list[Ref]:
    """Return what a loss compares with the labels: results outside it that need one input."""
    order = graph.order([output.ref])
    refs = [ref for function in order[::-1] if _is_training(function) for ref in function.inputs]
    inner = [ref for ref in dict.fromkeys(refs) if ref.uid in graph.functions]
    outside = [ref for ref in inner if not _is_training(graph.functions[ref.uid])]
    return [ref for ref in outside[:_CANDIDATES] if _is_useful(graph, Output("", ref))]
