"""Places that a network computes, kept within what they are places of.

OpenVINO's CPU runs some operations without a look whether a place lies in the tensor that it is given: beyond it is the
memory of others, to be read and written. ONNX calls such a network wrong, and ONNX Runtime stops at it.
"""

from __future__ import annotations

from typing import Any

from landcover.models.openvino_library import openvino, operations


def keep_places_inside(model: openvino.Model) -> None:
    """Let operations reach no further than what they are given; the network is changed.

    The nearest place is taken for one outside; places that lie within stay as they are, and no more is
    cut off a tensor than it has.

    Args:
        model: with the extents of its window; the number of images may be open.
    """
    for operation in model.get_ordered_ops():
        match operation.get_type_name():
            case "GatherND":
                first = operation.get_attributes()["batch_dims"]
                count = operation.input(1).get_partial_shape()[-1].get_length()
                _limit_places(operation, [*range(first, first + count)])
            case "ScatterElementsUpdate" | "ScatterUpdate":
                _limit_places(operation, operation.input_value(3))
            case "Pad":
                _limit_cuts(operation)


def _limit_places(operation: Any, axes: Any) -> None:
    """Limit the second input of an operation to the extents of the first along some axes."""
    places = operation.input(1)
    extents = _extents(operation, places.get_element_type(), axes)
    last = operations.subtract(extents, _one(places.get_element_type()))
    found = operations.maximum(operations.negative(extents), places.get_source_output())
    places.replace_source_output(operations.minimum(found, last).output(0))


def _limit_cuts(operation: Any) -> None:
    """Limit the negative paddings of an operation, each of which cuts off at one end."""
    ends = [operation.input(at) for at in (1, 2)]
    if all(_is_no_cut(end.get_source_output().get_node()) for end in ends):
        return
    kind = ends[0].get_element_type()
    left = operations.subtract(_extents(operation, kind), _one(kind))
    for end in ends:
        cut = operations.maximum(end.get_source_output(), operations.negative(left))
        end.replace_source_output(cut.output(0))
        left = operations.add(left, operations.minimum(cut, operations.constant(0, kind)))


def _is_no_cut(node: Any) -> bool:
    return node.get_type_name() == "Constant" and bool((node.get_data() >= 0).all())


def _extents(operation: Any, kind: Any, axes: Any = None) -> Any:
    """The extents of what an operation is given, as a tensor of a type."""
    found = operations.shape_of(operation.input_value(0))
    if axes is not None:
        found = operations.gather(found, axes, 0)
    return operations.convert(found, kind.get_type_name())


def _one(kind: Any) -> Any:
    return operations.constant(1, kind)
