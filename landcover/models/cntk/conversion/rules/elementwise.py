"""Rules for operations that work element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from landcover.models.cntk.conversion.onnx_builder import Value
from landcover.models.cntk.conversion.step import Step

Rule = Callable[[Step], Value]

_DTYPES: Final = {1: np.float32, 2: np.float64, 4: np.float16}


def identity(step: Step) -> Value:
    """Pass the only input on (NoOp, StopGradient, and Dropout: it drops in training only)."""
    return step.take(1)[0]


def unary(op: str) -> Rule:
    """Return the rule for an operation of one input that ONNX has under the name ``op``."""

    def rule(step: Step) -> Value:
        (x,) = step.take(1)
        if x.dtype == np.float64 and op in _IN_DOUBLE:
            return step.result(_IN_DOUBLE[op](step, x), x.shape, x)
        return step.result(step.emit(op, [x]), x.shape, x)

    return rule


def binary(op: str) -> Rule:
    """Return the rule for a broadcasting operation that ONNX has under the name ``op``."""

    def rule(step: Step) -> Value:
        a, b = step.take(2)
        step.of_one_type(a, b)
        tensors, shape, batched = step.aligned(a, b)
        return step.result(step.emit(op, tensors), shape, a, batched)

    return rule


def comparison(op: str, negated: bool = False) -> Rule:
    """Return the rule for a comparison: 1 where it holds, else 0."""

    def rule(step: Step) -> Value:
        a, b = step.take(2)
        step.of_one_type(a, b)
        tensors, shape, batched = step.aligned(a, b)
        holds = step.emit(op, tensors)
        if negated:
            holds = step.emit("Not", [holds])
        tensor = step.emit("Cast", [holds], to=a.dtype)
        return Value(tensor, shape, a.dtype, batched, condition=holds)

    return rule


def log_plus(step: Step) -> Value:
    """log(exp(a) + exp(b)), computed as max(a, b) + log(1 + exp(-|a - b|)) lest it overflow."""
    a, b = step.take(2)
    step.of_one_type(a, b)
    tensors, shape, batched = step.aligned(a, b)
    is_zero = b.constant is not None and not b.constant.any()
    if is_zero and shape == a.shape and a.dtype != np.float64:
        return step.result(step.emit("Softplus", [a]), shape, a)
    gap = step.emit("Neg", [step.emit("Abs", [step.emit("Sub", tensors)])])
    above = step.emit("Log", [step.emit("Add", [step.emit("Exp", [gap]), step.scalar(1, a)])])
    tensor = step.emit("Add", [step.emit("Max", tensors), above])
    return step.result(tensor, shape, a, batched)


def clip(step: Step) -> Value:
    """x limited to [low, high]; where low > high, low wins for x < low and high elsewhere."""
    x, low, high = step.take(3)
    step.of_one_type(x, low, high)
    fixed = low.constant is not None and high.constant is not None
    if fixed and low.rank == high.rank == 0 and low.constant <= high.constant:  # type: ignore[operator]
        return step.result(step.emit("Clip", [x, low, high]), x.shape, x)
    (xs, lows, highs), shape, batched = step.aligned(x, low, high)
    upper = step.emit("Where", [step.emit("Greater", [xs, highs]), highs, xs])
    tensor = step.emit("Where", [step.emit("Less", [xs, lows]), lows, upper])
    return step.result(tensor, shape, x, batched)


def select(step: Step) -> Value:
    """``then`` where the flag is not 0, else ``otherwise``."""
    flag, then, otherwise = step.take(3)
    step.of_one_type(then, otherwise)
    (flags, thens, others), shape, batched = step.aligned(flag, then, otherwise)
    if flag.condition is not None and flags == flag.tensor:
        condition = flag.condition
    else:
        condition = step.emit("Cast", [flags], to=np.dtype(bool))
    return step.result(step.emit("Where", [condition, thens, others]), shape, then, batched)


def straight_through(step: Step) -> Value:
    """1 where x > 0, else -1."""
    (x,) = step.take(1)
    positive = step.emit("Greater", [x, step.scalar(0, x)])
    tensor = step.emit("Where", [positive, step.scalar(1, x), step.scalar(-1, x)])
    return step.result(tensor, x.shape, x)


def cast(step: Step) -> Value:
    """The same numbers in another type."""
    (x,) = step.take(1)
    wanted = _DTYPES.get(step.attribute("newDataType", int))
    if wanted is None:
        step.refuse("casts to a type that is neither float32, float64 nor float16")
    dtype = np.dtype(wanted)
    if dtype == x.dtype:
        return x
    return Value(step.emit("Cast", [x], to=dtype), x.shape, dtype, x.batched)


def constant(step: Step) -> Value:
    """A tensor like x, filled with one number."""
    (x,) = step.take(1)
    filling = np.array([step.attribute("fillValue", float)], x.dtype)
    tensor = step.emit("ConstantOfShape", [step.emit("Shape", [x])], value=filling)
    return step.result(tensor, x.shape, x)


def _half_sum(sign: str) -> Callable[[Step, Value], str]:
    def emit(step: Step, x: Value) -> str:
        risen, fallen = step.emit("Exp", [x]), step.emit("Exp", [step.emit("Neg", [x])])
        return step.emit("Mul", [step.emit(sign, [risen, fallen]), step.scalar(0.5, x)])

    return emit


def _tangent(step: Step, x: Value) -> str:
    return step.emit("Div", [step.emit("Sin", [x]), step.emit("Cos", [x])])


def _area_sine(step: Step, x: Value) -> str:
    size = step.emit("Abs", [x])
    root = step.emit("Sqrt", [step.emit("Add", [step.emit("Mul", [x, x]), step.scalar(1, x)])])
    return step.emit("Mul", [step.emit("Sign", [x]), _log(step, step.emit("Add", [size, root]))])


def _area_tangent(step: Step, x: Value) -> str:
    one = step.scalar(1, x)
    ratio = step.emit("Div", [step.emit("Add", [one, x]), step.emit("Sub", [one, x])])
    return step.emit("Mul", [_log(step, ratio), step.scalar(0.5, x)])


def _log(step: Step, tensor: str) -> str:
    return step.emit("Log", [tensor])


def _elu(step: Step, x: Value) -> str:
    below = step.emit("Sub", [step.emit("Exp", [x]), step.scalar(1, x)])
    negative = step.emit("Less", [x, step.scalar(0, x)])
    return step.emit("Where", [negative, below, x])


# ONNX Runtime computes these in float32 only; a float64 file gets them from what it has in double.
_IN_DOUBLE: Final[dict[str, Callable[[Step, Value], str]]] = {
    "Tan": _tangent,
    "Sinh": _half_sum("Sub"),
    "Cosh": _half_sum("Add"),
    "Asinh": _area_sine,
    "Atanh": _area_tangent,
    "Elu": _elu,
}

RULES: Final[dict[str, Rule]] = {
    **{name: unary(name) for name in ("Tanh", "Exp", "Log", "Sqrt", "Floor", "Abs", "Reciprocal")},
    **{name: unary(name) for name in ("Sin", "Cos", "Tan", "Asin", "Acos", "Atan")},
    **{name: unary(name) for name in ("Sinh", "Cosh", "Asinh", "Atanh", "Sigmoid")},
    "Negate": unary("Neg"),
    "ReLU": unary("Relu"),
    "StableSigmoid": unary("Sigmoid"),
    "ELU": unary("Elu"),
    "StraightThrough": straight_through,
    "NoOp": identity,
    "StopGradient": identity,
    "Pass": identity,
    "Dropout": identity,
    "Plus": binary("Add"),
    "Minus": binary("Sub"),
    "ElementTimes": binary("Mul"),
    "Pow": binary("Pow"),
    "LogPlus": log_plus,
    "Equal": comparison("Equal"),
    "NotEqual": comparison("Equal", negated=True),
    "Less": comparison("Less"),
    "LessEqual": comparison("LessOrEqual"),
    "Greater": comparison("Greater"),
    "GreaterEqual": comparison("GreaterOrEqual"),
    "Clip": clip,
    "Select": select,
    "Cast": cast,
    "ConstantOp": constant,
}
