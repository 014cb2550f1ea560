"""Rules for reductions, and for softmax and hardmax over a whole sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from landcover.models.cntk.conversion.onnx_builder import Dim, Value
from landcover.models.cntk.conversion.step import Step
from landcover.models.cntk.reader.dictionary import ALL_AXES, ALL_STATIC_AXES, Axis

_REDUCTIONS: Final = {
    "Sum": "ReduceSum",
    "Mean": "ReduceMean",
    "Max": "ReduceMax",
    "Min": "ReduceMin",
    "Prod": "ReduceProd",
    "LogSum": "ReduceSum",  # of the exponentials
    "Argmax": "ArgMax",
    "Argmin": "ArgMin",
}


def reduce(step: Step) -> Value:
    """Sum, mean, extreme, product, log-sum-exp or position of the extreme along axes."""
    (x,) = step.take(1)
    word = step.attribute("reductionOpName", str)
    if word not in _REDUCTIONS:
        step.refuse(f"reduction {word!r}; known are {', '.join(_REDUCTIONS)}")
    keep = step.attribute("reductionKeepDimensions", bool, True)
    axes, over_batch = _axes(step, x)
    if over_batch:
        lead = [0] if x.batched else []
        tensor = _written(step, word, x, [*lead, *(a + len(lead) for a in axes)], False)
        return step.result(tensor, (), x, batched=False)
    if not axes:
        return x
    shape = [1 if n in axes else d for n, d in enumerate(x.shape) if keep or n not in axes]
    if word.startswith("Arg") and len(axes) > 1:
        x, axes, keep = _flat(step, x, axes), [0], False
        positions = step.result(_written(step, word, x, [int(x.batched)], False), (), x)
        return step.reshaped(positions, shape)
    lead_axes = [axis + int(x.batched) for axis in axes]
    return step.result(_written(step, word, x, lead_axes, keep), shape, x)


def softmax(op: str) -> Callable[[Step], Value]:
    """Return the rule for softmax, log-softmax or hardmax over all static axes together."""

    def rule(step: Step) -> Value:
        (x,) = step.take(1)
        if x.rank == 2 and not x.batched and isinstance(x.shape[0], str):
            # Images of a file that came to CNTK through ONNX: the batch is a free extent of the
            # shape, and CNTK works on matrices, one column for each image.
            return step.result(step.emit(op, [x], axis=-1), x.shape, x)
        flat = x if x.rank == 1 else _flat(step, x, range(x.rank))
        if op == "Hardmax" and x.dtype == np.float64:  # ONNX Runtime has it in float32 only
            single = step.emit("Cast", [flat], to=np.dtype(np.float32))
            tensor = step.emit("Cast", [step.emit(op, [single], axis=-1)], to=x.dtype)
        else:
            tensor = step.emit(op, [flat], axis=-1)
        return step.reshaped(step.result(tensor, flat.shape, flat), x.shape)

    return rule


def _axes(step: Step, x: Value) -> tuple[list[int], bool]:
    """Return C-order axes, and whether the batch is reduced too."""
    listed = step.function.attributes.get("axisVec") or [step.attribute("axis", Axis)]
    if not isinstance(listed, list) or not all(isinstance(a, Axis) for a in listed):
        step.refuse("attribute 'axisVec' is no list of axes")
    if any(a.index == ALL_AXES for a in listed):
        return list(range(x.rank)), True
    if any(a.index == ALL_STATIC_AXES for a in listed):
        return list(range(x.rank)), False
    return sorted({step.axis(a, x.rank) for a in listed}), False


def _written(step: Step, word: str, x: Value, axes: Sequence[int], keep: bool) -> str:
    op = _REDUCTIONS[word]
    if word == "LogSum":
        return _log_sum(step, x, axes, keep)
    if op.startswith("Arg"):
        if len(axes) != 1:
            step.refuse("the position of the extreme of a whole batch")
        position = step.emit(op, [x], axis=axes[0], keepdims=int(keep))
        return step.emit("Cast", [position], to=x.dtype)
    if op == "ReduceSum":
        return step.emit(op, [x, np.array(axes, np.int64)], keepdims=int(keep))
    return step.emit(op, [x], axes=list(axes), keepdims=int(keep))


def _log_sum(step: Step, x: Value, axes: Sequence[int], keep: bool) -> str:
    """log(sum(exp(x))), without the largest: OpenVINO's own operator overflows where x is large."""
    largest = step.emit("ReduceMax", [x], axes=list(axes), keepdims=1)
    powers = step.emit("Exp", [step.emit("Sub", [x, largest])])
    total = step.emit("ReduceSum", [powers, np.array(axes, np.int64)], keepdims=1)
    tensor = step.emit("Add", [largest, step.emit("Log", [total])])
    if keep:
        return tensor
    return step.emit("Squeeze", [tensor, np.array(axes, np.int64)])


def _flat(step: Step, x: Value, axes: Sequence[int]) -> Value:
    if list(axes) != list(range(x.rank)):
        step.refuse("the position of the extreme over some of the axes together")
    size: Dim = 1
    for dim in step.known(x):
        size *= dim
    return step.reshaped(x, (size,))


RULES: Final[dict[str, Callable[[Step], Value]]] = {
    "ReduceElements": reduce,
    "Softmax": softmax("Softmax"),
    "LogSoftmax": softmax("LogSoftmax"),
    "Hardmax": softmax("Hardmax"),
}
