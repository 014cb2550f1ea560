"""Operations that leave elements where they are: arithmetic, reductions, normalization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from landcover.models.cropping.parts import Cut, Indivisible, Node, Part, Rule, whole, widened

# Element by element, with numpy's rules for shapes (which align from the last axis).
_ELEMENTWISE: Final = (
    *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum", "Mean", "Where", "PRelu"),
    *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "Not"),
    *("Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Gelu", "ThresholdedRelu", "Softplus"),
    *("Softsign", "Sigmoid", "HardSigmoid", "HardSwish", "Mish", "Tanh", "Shrink", "Clip"),
    *("Abs", "Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Sign", "Floor", "Ceil", "Round"),
    *("Sin", "Cos", "Tan", "Atan", "IsNaN", "IsInf", "Cast", "Identity"),
)
_REDUCING: Final = (
    *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"),
    *("ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"),
)
_BROADCASTING = 7  # the first version of the operator set that broadcasts the way numpy does
_SOFTMAX_PER_AXIS = 13  # the first in which Softmax works along one axis


def _elementwise(node: Node, part: Part) -> Cut:
    if node.opset < _BROADCASTING:
        raise Indivisible
    return Cut(part, tuple(_aligned(node, at, part) if n else None for at, n in _named(node)))


def _named(node: Node) -> list[tuple[int, str]]:
    return list(enumerate(node.inputs))


def _aligned(node: Node, at: int, part: Part) -> Part:
    """What is needed of an operand that is broadcast."""
    shape, result = node.shape(at), node.result
    if len(shape) > len(result):
        raise Indivisible
    beyond = len(result) - len(shape)
    return tuple(
        part[beyond + axis] if extent == result[beyond + axis] else (0, extent)
        for axis, extent in enumerate(shape)
    )


def _per_channel(node: Node, part: Part) -> Cut:
    """Every element by numbers of its channel: all of the channels are made."""
    part = widened(part, node.shape(0), [1])
    return Cut(part, (part, *(None for _ in node.inputs[1:])))


def _scaled(node: Node, part: Part) -> Cut:
    """From whole numbers and to them: scale and zero point are one, or one a channel."""
    if len(node.shape(1)) > 1:
        raise Indivisible
    if node.shape(1) not in ((), (1,)):
        part = widened(part, node.shape(0), [node.attribute("axis", 1) % len(node.shape(0))])
    return Cut(part, (part, *(None for _ in node.inputs[1:])))


def _along(axis: int, first_only: bool) -> Rule:
    """What needs all elements along an axis, or, not ``first_only``, along all from it on."""

    def rule(node: Node, part: Part) -> Cut:
        shape = node.shape(0)
        first = node.attribute("axis", axis) % len(shape)
        axes = [first] if first_only else range(first, len(shape))
        made = widened(part, shape, axes)
        return Cut(made, (made, *(None for _ in node.inputs[1:])))

    return rule


def _softmax(node: Node, part: Part) -> Cut:
    modern = node.opset >= _SOFTMAX_PER_AXIS
    return _along(-1 if modern else 1, modern)(node, part)


def _reduced(node: Node, part: Part) -> Cut:
    shape, axes = node.shape(0), node.axes(1)
    if not axes and node.attribute("noop_with_empty_axes", 0):
        raise Indivisible
    return _over(node, part, axes or list(range(len(shape))))


def _largest(node: Node, part: Part) -> Cut:
    return _over(node, part, [node.attribute("axis", 0) % len(node.shape(0))])


def _pooled(node: Node, part: Part) -> Cut:
    return _over(node, part, list(range(2, len(node.shape(0)))))


def _over(node: Node, part: Part, axes: list[int]) -> Cut:
    """What takes all elements along some axes together; the axes stay, or go."""
    shape = node.shape(0)
    stay = bool(node.attribute("keepdims", 1))
    left = iter(part)
    needed: list[tuple[int, int]] = []
    for axis, extent in enumerate(shape):
        gone = axis in axes
        span = next(left) if stay or not gone else (0, 1)
        needed.append((0, extent) if gone else span)
    return Cut(part, (tuple(needed), *(None for _ in node.inputs[1:])))


def _product(node: Node, part: Part) -> Cut:
    """Each pixel times a matrix."""
    shape, matrix = node.shape(0), node.shape(1)
    if len(shape) < 3 or len(matrix) != 2:
        raise Indivisible
    last = len(shape) - 1
    made = widened(part, node.result, [last])
    return Cut(made, (widened(part, shape, [last]), None))


def _dropped(node: Node, part: Part) -> Cut:
    return Cut(part, (part, *(None for _ in node.inputs[1:])))


def _of_its_own(node: Node, part: Part) -> Cut:
    del part
    return Cut(whole(node.result), ())


RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(_REDUCING, _reduced),
    **dict.fromkeys(("ArgMax", "ArgMin"), _largest),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), _pooled),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _softmax),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), _scaled),
    **dict.fromkeys(("BatchNormalization", "LRN"), _per_channel),
    "LpNormalization": _along(-1, True),
    "LayerNormalization": _along(-1, False),
    "MatMul": _product,
    "Dropout": _dropped,
    "Constant": _of_its_own,
}
