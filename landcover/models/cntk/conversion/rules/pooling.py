"""Rules for pooling and unpooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from landcover.models.cntk.conversion.onnx_builder import Dim, Value
from landcover.models.cntk.conversion.rules import convolution_by_slices
from landcover.models.cntk.conversion.rules.convolution import pads, shifted
from landcover.models.cntk.conversion.rules.windows import Axis, Placement, place
from landcover.models.cntk.conversion.step import Step

_MAX, _AVERAGE = 0, 1


def pooling(step: Step) -> Value:
    """The maximum or the average of each window; padding is left out of both unless included."""
    (x,) = step.take(1)
    kind = step.attribute("poolingType", int)
    if kind not in (_MAX, _AVERAGE):
        step.refuse(f"pooling of unknown type {kind}")
    axes = _axes(step, x, "poolingWindowShape")
    placements = _placed(step, axes)
    first, y = _arranged(step, x, axes)
    axes, placements = axes[first:], placements[first:]
    shape = (y.shape[0], *(p.windows for p in placements))
    y = shifted(step, y, placements, 1)
    y = step.result(y.tensor, y.shape, x, batched=True)
    write = _maximum if kind == _MAX else _average
    pooled = step.result(write(step, y, axes, placements), shape, y)
    return _restored(step, pooled, x, first)


def unpooling(step: Step) -> Value:
    """Put each pooled value where the maximum of its window was in the original, 0 elsewhere."""
    pooled, original = step.take(2)
    step.of_one_type(pooled, original)
    if step.attribute("poolingType", int, _MAX) != _MAX:
        step.refuse("unpooling of another type than max")
    axes = _axes(step, original, "unpoolingWindowShape")
    placements = _placed(step, axes)
    if pooled.shape != tuple(p.windows for p in placements) or not pooled.batched:
        step.refuse(f"{pooled.shape} is not what pooling {original.shape} gives")
    first, x = _arranged(step, original, axes)
    if x is not original or any(p.before < 0 for p in placements) or len(axes) - first > 3:
        step.refuse("unpooling along the channels, or with samples left out")
    window = _window(axes[first:], placements[first:])
    _, places = step.emit_all("MaxPool", [x], 2, **window)
    indices = step.emit("Reshape", [places, np.array([-1])])
    shape = step.emit("Shape", [original])
    zeros = step.emit("ConstantOfShape", [shape], value=np.zeros(1, original.dtype))
    blank = step.emit("Reshape", [zeros, np.array([-1])])
    values = step.emit("Reshape", [pooled, np.array([-1])])
    placed = step.emit("ScatterElements", [blank, indices, values], axis=0)
    return step.result(step.emit("Reshape", [placed, shape]), original.shape, original)


def _axes(step: Step, x: Value, key: str) -> list[Axis]:
    window = step.numbers(key)
    if not 1 <= len(window) <= x.rank or min(window) < 1:
        step.refuse(f"windows of shape {window} on an input of shape {x.shape}")

    def listed(name: str, default: int) -> tuple[int, ...]:
        found = step.numbers(name, ())
        if found in ((), (0,)):
            return (default,) * x.rank
        if len(found) == 1:
            found *= len(window)
        if len(found) > x.rank:
            step.refuse(f"attribute {name!r} has {len(found)} entries for {x.rank} axes")
        return (default,) * (x.rank - len(found)) + found

    full = (1,) * (x.rank - len(window)) + window
    strides, auto = listed("strides", 1), listed("autoPadding", 0)
    lower, upper = listed("lowerPad", 0), listed("upperPad", 0)
    if min(strides) < 1 or min(lower) < 0 or min(upper) < 0:
        step.refuse("strides must be positive, and padding not negative")
    ceil = step.attribute("ceilOutDim", bool, False)
    return [
        Axis(x.shape[n], full[n], strides[n], 1, bool(auto[n]), lower[n], upper[n], ceil)
        for n in range(x.rank)
    ]


def _placed(step: Step, axes: Sequence[Axis]) -> list[Placement]:
    placements = []
    for axis in axes:
        found = place(axis) if axis.slides or axis.auto else Placement(axis.extent, 0, 0)
        if found is None or found.after >= axis.kernel or found.before >= axis.kernel:
            step.refuse(
                f"windows of {axis.kernel} with stride {axis.stride} cannot be placed along an "
                f"extent of {axis.extent}"
            )
        placements.append(found)
    return placements


def _arranged(step: Step, x: Value, axes: Sequence[Axis]) -> tuple[int, Value]:
    """Return x as (batch, channels, pooled axes...), and the first axis that is pooled."""
    if 2 <= x.rank <= 4 and not axes[0].slides:
        return 1, x if x.batched else _expanded(step, x, 0)
    if x.rank > 3:
        step.refuse(f"pooling an input of shape {x.shape} along its first axis")
    return 0, _expanded(step, x if x.batched else _expanded(step, x, 0), 1)


def _expanded(step: Step, x: Value, place: int) -> Value:
    tensor = step.emit("Unsqueeze", [x, np.array([place])])
    return step.result(tensor, (1, *x.shape) if place else x.shape, x, batched=True)


def _restored(step: Step, pooled: Value, x: Value, first: int) -> Value:
    """Take away the axes that ``_arranged`` put in."""
    axes = ([] if x.batched else [0]) + ([] if first else [1])
    if not axes:
        return pooled
    tensor = step.emit("Squeeze", [pooled, np.array(axes)])
    return step.result(tensor, pooled.shape if first else pooled.shape[1:], x)


def _window(axes: Sequence[Axis], placements: Sequence[Placement]) -> dict[str, list[int]]:
    return {
        "kernel_shape": [axis.kernel for axis in axes],
        "strides": [axis.stride for axis in axes],
        "pads": pads(placements),
    }


def _maximum(step: Step, x: Value, axes: Sequence[Axis], placements: Sequence[Placement]) -> str:
    if _is_whole(x, axes, placements) and x.dtype != np.float64:
        return step.emit("GlobalMaxPool", [x])
    return step.emit("MaxPool", [x], **_window(axes, placements))


def _average(step: Step, x: Value, axes: Sequence[Axis], placements: Sequence[Placement]) -> str:
    if _is_whole(x, axes, placements):
        if x.dtype == np.float64:
            return step.emit("ReduceMean", [x], axes=list(range(2, 2 + len(axes))), keepdims=1)
        return step.emit("GlobalAveragePool", [x])
    included = step.attribute("includePad", bool, False)
    if x.dtype == np.float64:
        return _average_in_double(step, x, axes, placements, included)
    return step.emit(
        "AveragePool", [x], **_window(axes, placements), count_include_pad=int(included)
    )


def _is_whole(x: Value, axes: Sequence[Axis], placements: Sequence[Placement]) -> bool:
    spans: list[tuple[Dim, Dim]] = [(axis.kernel, axis.extent) for axis in axes]
    return all(k == n for k, n in spans) and not any(
        (p.before, p.after) != (0, 0) or p.windows != 1 for p in placements
    )


def _average_in_double(
    step: Step, x: Value, axes: Sequence[Axis], placements: Sequence[Placement], included: bool
) -> str:
    """ONNX Runtime averages windows in float32 only: sum the taps, divide by their number."""
    total = step.emit(
        "Sum",
        list(
            convolution_by_slices.taps(
                step, convolution_by_slices.padded(step, x, placements), axes
            )
        ),
    )
    if included or not any(pads(placements)):
        count = np.array(np.prod([axis.kernel for axis in axes]), x.dtype)
        return step.emit("Div", [total, count])
    ones = step.emit("ConstantOfShape", [step.emit("Shape", [x])], value=np.ones(1, x.dtype))
    inside = convolution_by_slices.padded(step, step.result(ones, x.shape, x), placements)
    return step.emit(
        "Div", [total, step.emit("Sum", list(convolution_by_slices.taps(step, inside, axes)))]
    )


RULES: Final[dict[str, Callable[[Step], Value]]] = {"Pooling": pooling, "Unpooling": unpooling}
