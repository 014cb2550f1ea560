"""How much a network makes of one window, by the shapes that OpenVINO finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from landcover.models.formats.sizes import (
    check_factors,
    check_size,
    check_work,
    most_numbers,
    numbers_in,
)
from landcover.models.openvino_library import openvino

# The axes of its second input over which an operation sums up, for each number of its result.
_SUMMED: Final[Mapping[str, slice]] = {
    "Convolution": slice(1, None),
    "GroupConvolution": slice(2, None),
    "ConvolutionBackpropData": slice(1, None),
    "MatMul": slice(-2, -1),
}


def check_results(model: openvino.Model, shown: str) -> None:
    """Refuse a network whose results would not fit into memory, or take too long.

    Args:
        model: with the extents of its window; the number of images may be open.
        shown: the model's name in messages.

    Raises:
        ModelError: naming the operation.
    """
    model.validate_nodes_and_infer_types()
    operations = model.get_ordered_ops()
    sizes = [[_numbers(output) for output in each.outputs()] for each in operations]
    held = [
        sum(made)
        for each, made in zip(operations, sizes, strict=True)
        if each.get_type_name() == "Constant"
    ]
    read = sum(_numbers(port) for port in model.inputs)
    most, work = most_numbers(read, max(held, default=0)), 0
    for operation, made in zip(operations, sizes, strict=True):
        kind, name = operation.get_type_name(), operation.get_friendly_name()
        if kind != "Constant":
            check_size(max(made, default=0), f"the result of {kind} {name!r}", shown, most)
        if kind in _SUMMED:
            check_factors(map(_numbers, operation.inputs()), kind, name, shown)
        work += sum(made) * _summed(operation)
        check_work(work, kind, name, shown)


def _summed(operation: Any) -> int:
    """How many products each number of a result is the sum of."""
    axes = _SUMMED.get(operation.get_type_name())
    if axes is None:
        return 1
    extents = _extents(operation.inputs()[1])
    return max(1, numbers_in(extents[axes]))


def _numbers(port: Any) -> int:
    return numbers_in(_extents(port))


def _extents(port: Any) -> list[int | None]:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return []
    return [None if dim.is_dynamic else dim.get_length() for dim in shape]
