"""What a loop of an ONNX graph carries from one turn to the next, as far as it grows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import onnx
from onnx import helper, numpy_helper, shape_inference

from landcover.models.formats.onnx_values import Told, shapes_in
from landcover.models.formats.sizes import Extents, numbers_in

# Turns that are worked out: what doubles is beyond any memory by then, and what does not grow is seen at once.
_MOST_TURNS: Final = 48


def grown_by_turns(
    told: Told, carried: Sequence[Extents | None], turns: int, opsets: Any
) -> Iterator[Mapping[str, Extents]]:
    """The shapes of what the graph of a loop makes in one turn after another, until they stay as they are.

    Args:
        told: of the graph, and of what lies around it.
        carried: the shapes that its states begin with; None: not known.
        turns: how often it turns.
        opsets: the versions of operators.

    Yields:
        shapes by name; extents that are not known are 1. After so many turns as are worked out, what
        still grows is drawn on to the last turn.
    """
    before: list[Extents | None] = [None if one is None else _known(one) for one in carried]
    for _ in range(min(turns, _MOST_TURNS)):
        found = _one_turn(told, before, opsets)
        yield found
        names = [value.name for value in told.graph.output[1:][: len(before)]]
        after = [found.get(name) for name in names]
        if after == before or not any(after):
            return
        grown = [
            numbers_in(a) - numbers_in(b) for a, b in zip(after, before, strict=True) if a and b
        ]
        before = after
    left = max(turns - _MOST_TURNS, 0) * max([0, *grown])
    yield {"": (left + max(numbers_in(one or ()) for one in before),)}


def _one_turn(told: Told, carried: Sequence[Extents | None], opsets: Any) -> dict[str, Extents]:
    """The shapes of a turn that begins with states of some shapes."""
    graph = onnx.GraphProto(name="turn")
    graph.node.extend(told.graph.node)
    graph.initializer.extend(told.graph.initializer)
    counted = [(), (), *carried]  # the turn's number, whether it goes on
    for value, extents in zip(told.graph.input, counted, strict=False):
        kind = value.type.tensor_type.elem_type
        graph.input.append(helper.make_tensor_value_info(value.name, kind, extents))
    there = {value.name for value in graph.input} | {one.name for one in graph.initializer}
    there |= {name for node in graph.node for name in node.output}
    for name in {name for node in graph.node for name in node.input} - there:
        if name in told.values:
            graph.initializer.append(numpy_helper.from_array(told.values[name], name))
        elif kind := told.types.get(name, 0):
            info = helper.make_tensor_value_info(name, kind, told.shapes.get(name))
            graph.input.append(info)
    graph.output.extend(told.graph.output)
    model = helper.make_model(graph, opset_imports=opsets)
    found = shapes_in(shape_inference.infer_shapes(model).graph)
    return {name: _known(extents) for name, extents in found.items()}


def _known(extents: Extents) -> Extents:
    return tuple(1 if extent is None else extent for extent in extents)
