"""Rules for operations that rearrange: slices, reshapes, transposes, splices, the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from landcover.models.cntk.conversion.onnx_builder import BATCH, TO_END, Dim, Value
from landcover.models.cntk.conversion.step import Step
from landcover.models.cntk.reader.dictionary import END_STATIC_AXIS, INFERRED, Axis


def slice_(step: Step) -> Value:
    """Part of x along one or more axes; a stride of -1 reverses the same part."""
    (x,) = step.take(1)
    axes = step.axes(x)
    several = "axisVec" in step.function.attributes
    begins = _bounds(step, "beginIndex", several, len(axes))
    ends = _bounds(step, "endIndex", several, len(axes))
    strides = _bounds(step, "sliceStrides", several, len(axes), default=1)
    shape = list(x.shape)
    parts = []
    for axis, begin, end, stride in zip(axes, begins, ends, strides, strict=True):
        start, stop, count = _part(step, x.shape[axis], begin, end, stride)
        parts.append((start, stop, axis + int(x.batched), stride))
        shape[axis] = count
    tensor = step.emit("Slice", [x, *(np.array(column) for column in zip(*parts, strict=True))])
    return step.result(tensor, shape, x)


def reshape(step: Step) -> Value:
    """The axes from ``beginAxis`` to ``endAxis`` (CNTK's order) replaced by ``newShape``."""
    (x,) = step.take(1)
    new = step.numbers("newShape")
    begin = _position(step, "beginAxis", 0, x.rank)
    end = _position(step, "endAxis", x.rank, x.rank)
    if begin > end:
        step.refuse(f"replaces the axes {begin} to {end}")
    # In C order the replaced axes are those from rank - end to rank - begin.
    before, after = x.shape[: x.rank - end], x.shape[x.rank - begin :]
    replaced = x.shape[x.rank - end : x.rank - begin]
    return step.reshaped(x, (*before, *_filled(step, new, replaced), *after))


def transpose(step: Step) -> Value:
    """The axes in another order, or two of them swapped."""
    (x,) = step.take(1)
    order = list(range(x.rank))
    if "axisVec" in step.function.attributes:
        # CNTK lists, per axis of the result from the fastest on, the axis that it was.
        order = step.axes(x)[::-1]
    else:
        first, second = (step.axis(step.attribute(key, Axis), x.rank) for key in ("axis1", "axis2"))
        order[first], order[second] = order[second], order[first]
    if sorted(order) != list(range(x.rank)):
        step.refuse(f"a transposition to the order {order} of {x.rank} axes")
    lead = int(x.batched)
    tensor = step.emit("Transpose", [x], perm=[*range(lead), *(a + lead for a in order)])
    return step.result(tensor, [x.shape[a] for a in order], x)


def splice(step: Step) -> Value:
    """The inputs behind each other along an axis, which may be a new one before all others."""
    inputs = list(step.inputs)
    if not inputs:
        step.refuse("no inputs")
    step.of_one_type(*inputs)
    rank = max(value.rank for value in inputs)
    index = step.attribute("axis", Axis).index
    if index == rank:
        inputs = [step.reshaped(v, (1,) * (rank + 1 - v.rank) + v.shape) for v in inputs]
        rank, place = rank + 1, 0
    else:
        inputs = [step.reshaped(v, (1,) * (rank - v.rank) + v.shape) for v in inputs]
        place = step.axis(step.attribute("axis", Axis), rank)
    batched = any(value.batched for value in inputs)
    common = _common(step, inputs, place)
    wide = [_widened(step, value, common, place, batched, inputs) for value in inputs]
    tensor = step.emit("Concat", wide, axis=place + int(batched)) if len(wide) > 1 else wide[0]
    extents = [value.shape[place] for value in inputs]
    known = [extent for extent in extents if isinstance(extent, int)]
    along: Dim = sum(known) if len(known) == len(extents) else f"{step.function.uid}'1"
    return step.result(tensor, (*common[:place], along, *common[place + 1 :]), inputs[0], batched)


def squeeze(step: Step) -> Value:
    """x without axes of extent 1: those named, or all."""
    (x,) = step.take(1)
    if step.function.attributes.get("axisVec"):
        axes = step.axes(x)
    else:
        axes = [n for n, extent in enumerate(x.shape) if extent == 1]
    if any(x.shape[axis] != 1 for axis in axes):
        step.refuse(f"takes axes away from {x.shape} that have an extent")
    return step.reshaped(x, [dim for n, dim in enumerate(x.shape) if n not in axes])


def unpack_batch(step: Step) -> Value:
    """The batch becomes the first of the static axes: the tensor stays."""
    (x,) = step.take(1)
    if not x.batched:
        return step.reshaped(x, (1, *x.shape))
    return Value(x.tensor, (BATCH, *x.shape), x.dtype, False, x.constant, x.condition)


def to_batch(step: Step) -> Value:
    """The first of the static axes becomes the batch: the tensor stays."""
    (x,) = step.take(1)
    if x.batched or not x.rank:
        step.refuse(f"makes a batch of shape {x.shape}")
    return Value(x.tensor, x.shape[1:], x.dtype, True, x.constant, x.condition)


def _bounds(
    step: Step, key: str, several: bool, count: int, default: int | None = None
) -> list[int]:
    if not several:
        return [step.attribute(key, int, default)]
    found = step.attribute(f"{key}Vec", list, None if default is None else [default] * count)
    if len(found) != count or not all(isinstance(v, int) for v in found):
        step.refuse(f"attribute '{key}Vec' does not list {count} numbers")
    return found


def _part(step: Step, dim: Dim, begin: int, end: int, stride: int) -> tuple[int, int, Dim]:
    """Return ONNX's start and stop, and the number of samples."""
    if isinstance(dim, str):
        whole = begin == 0 and end == 0 and stride == 1
        if stride < 1:
            step.refuse("reverses a free extent; fix it in CNTK")
        return begin, end or TO_END, dim if whole else f"{dim.partition(chr(39))[0]}'{begin}:{end}"
    first = begin + dim if begin < 0 else begin
    last = end + dim if end <= 0 else end
    if not 0 <= first < last <= dim or stride == 0:
        step.refuse(f"takes {begin} to {end} by {stride} of an extent of {dim}")
    count = -(-(last - first) // abs(stride))
    if stride > 0:
        return first, last, count
    return last - 1, first - 1 if first else -dim - 1, count


def _position(step: Step, key: str, default: int, rank: int) -> int:
    axis = step.attribute(key, Axis, Axis(default, ""))
    index = axis.index
    if index == END_STATIC_AXIS:
        index = rank
    index = index + rank if index < 0 else index
    if not 0 <= index <= rank:
        step.refuse(f"attribute {key!r} is axis {axis.index} of {rank}")
    return index


def _filled(step: Step, new: Sequence[int], replaced: Sequence[Dim]) -> tuple[Dim, ...]:
    """Return ``new`` with its inferred extent worked out, and the free ones recognized."""
    known = [dim for dim in replaced if isinstance(dim, int)]
    free = [dim for dim in replaced if isinstance(dim, str)]
    total, given = _count(known), _count([dim for dim in new if dim != INFERRED])
    gaps = list(new).count(INFERRED)
    if free == [BATCH] and replaced[0] == BATCH and new[:1] == (1,):
        # A visible batch: the file was saved with one image in it.
        return (BATCH, *_filled(step, new[1:], replaced[1:]))
    if gaps > 1 or len(free) > 1 or given < 1 or any(d < 1 for d in new if d != INFERRED):
        step.refuse(f"reshapes {tuple(replaced)} to {tuple(new)}")
    if free:
        if not gaps or given != total:
            step.refuse(f"reshapes free extents {tuple(replaced)} to {tuple(new)}")
        return tuple(free[0] if dim == INFERRED else dim for dim in new)
    if total % given or (not gaps and total != given):
        step.refuse(f"reshapes {tuple(replaced)} to {tuple(new)}")
    return tuple(total // given if dim == INFERRED else dim for dim in new)


def _count(dims: Sequence[int]) -> int:
    product = 1
    for dim in dims:
        product *= dim
    return product


def _common(step: Step, inputs: Sequence[Value], place: int) -> list[Dim]:
    """Return the shape that all inputs have or are widened to, but for the axis ``place``."""
    common: list[Dim] = []
    for axis in range(inputs[0].rank):
        dims = {v.shape[axis] for v in inputs if v.shape[axis] != 1}
        known = [dim for dim in dims if isinstance(dim, int)]
        if axis != place and len(known) > 1:
            step.refuse(f"shapes {' and '.join(str(v.shape) for v in inputs)} do not fit")
        common.append(known[0] if known else next(iter(dims), 1))
    return common


def _widened(
    step: Step,
    value: Value,
    common: Sequence[Dim],
    place: int,
    batched: bool,
    inputs: Sequence[Value],
) -> str:
    target = [dim if n == place else common[n] for n, dim in enumerate(value.shape)]
    narrow = any(have == 1 and want != 1 for have, want in zip(value.shape, target, strict=True))
    if not narrow and value.batched == batched:
        return value.tensor
    if not all(isinstance(dim, int) for dim in target):
        step.refuse(f"widens {value.shape} to free extents; fix them in CNTK")
    shape = np.array(target, np.int64)
    if not batched:
        return step.emit("Expand", [value, shape])
    leader = next(v for v in inputs if v.batched)
    batch = step.emit("Slice", [step.emit("Shape", [leader]), np.array([0]), np.array([1])])
    return step.emit("Expand", [value, step.emit("Concat", [batch, shape], axis=0)])


RULES: Final[dict[str, Callable[[Step], Value]]] = {
    "Slice": slice_,
    "Reshape": reshape,
    "TransposeAxes": transpose,
    "Splice": splice,
    "Squeeze": squeeze,
    "UnpackBatch": unpack_batch,
    "ToBatch": to_batch,
}
