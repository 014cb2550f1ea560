"""Rules for padding and cropping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from landcover.models.cntk.conversion.onnx_builder import TO_END, Array, Dim, Value
from landcover.models.cntk.conversion.step import Step

_CONSTANT, _REFLECT, _SYMMETRIC = 0, 1, 2


def pad(step: Step) -> Value:
    """x with a border: of one number, mirrored without the edge, or mirrored with it."""
    (x,) = step.take(1)
    head, foot = step.numbers("paddingHead"), step.numbers("paddingFoot")
    mode = step.attribute("paddingMode", int)
    if len(head) != x.rank or len(foot) != x.rank or min(head + foot, default=0) < 0:
        step.refuse(f"padding {head} and {foot} for {x.rank} axes")
    if mode not in (_CONSTANT, _REFLECT, _SYMMETRIC):
        step.refuse(f"padding of unknown mode {mode}")
    shape = [_grown(d, h, f, mode, step) for d, h, f in zip(x.shape, head, foot, strict=True)]
    if mode == _SYMMETRIC:
        return _mirrored(step, x, head, foot, shape)
    lead = [0] * int(x.batched)
    amounts = np.array([*lead, *head, *lead, *foot])
    if mode == _REFLECT:
        return step.result(step.emit("Pad", [x, amounts], mode="reflect"), shape, x)
    filling = step.scalar(step.attribute("paddingConstantValue", float, 0.0), x)
    extra = [] if filling == 0 else [filling]
    return step.result(step.emit("Pad", [x, amounts, *extra]), shape, x)


def crop(step: Step) -> Value:
    """The part of x that has the width and height of the reference, from an offset on."""
    x, reference = step.take(2)
    if "offset" not in step.function.attributes:
        step.refuse("its offset is to be found from the network; give it to CNTK's crop and save")
    offsets = step.numbers("offset")
    if len(offsets) != 2 or x.rank < 2 or reference.rank < 2 or min(offsets) < 0:
        step.refuse(f"crops {x.shape} to {reference.shape} from {offsets}")
    lead = int(x.batched)
    axes = np.array([x.rank - 2 + lead, x.rank - 1 + lead])
    wanted = reference.shape[-2:]
    for dim, size, offset in zip(x.shape[-2:], wanted, offsets, strict=True):
        if isinstance(dim, int) and isinstance(size, int) and offset + size > dim:
            step.refuse(f"crops {x.shape} to {reference.shape} from {offsets}")
    tensor = step.emit("Slice", [x, np.array(offsets), _ends(step, reference, offsets), axes])
    return step.result(tensor, (*x.shape[:-2], *wanted), x)


def _grown(dim: Dim, head: int, foot: int, mode: int, step: Step) -> Dim:
    if isinstance(dim, str):
        return f"{dim.partition(chr(39))[0]}'+{head + foot}" if head + foot else dim
    most = {_CONSTANT: head + foot, _REFLECT: dim - 1, _SYMMETRIC: dim}[mode]
    if max(head, foot) > most:
        step.refuse(f"mirrors {max(head, foot)} samples of {dim}")
    return dim + head + foot


def _mirrored(
    step: Step, x: Value, head: Sequence[int], foot: Sequence[int], shape: Sequence[Dim]
) -> Value:
    """ONNX's reflection leaves the edge out: here the mirrored parts are cut and joined."""
    tensor, back = x.tensor, np.array([-1])
    for axis, (before, after) in enumerate(zip(head, foot, strict=True)):
        place = np.array([axis + int(x.batched)])
        parts = [tensor]
        if before:
            first = [np.array([before - 1]), np.array([-TO_END])]
            parts.insert(0, step.emit("Slice", [tensor, *first, place, back]))
        if after:
            last = [np.array([-1]), np.array([-after - 1])]
            parts.append(step.emit("Slice", [tensor, *last, place, back]))
        if len(parts) > 1:
            tensor = step.emit("Concat", parts, axis=int(place[0]))
    return step.result(tensor, shape, x)


def _ends(step: Step, reference: Value, offsets: Sequence[int]) -> str | Array:
    wanted = reference.shape[-2:]
    if all(isinstance(dim, int) for dim in wanted):
        return np.array([int(d) + o for d, o in zip(wanted, offsets, strict=True)])
    shape = step.emit("Shape", [reference])
    sizes = step.emit("Slice", [shape, np.array([-2]), np.array([TO_END])])
    return step.emit("Add", [sizes, np.array(offsets)])


RULES: Final[dict[str, Callable[[Step], Value]]] = {"Pad": pad, "Crop": crop}
