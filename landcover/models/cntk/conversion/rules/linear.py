"""Rules for products of matrices and tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from landcover.models.cntk.conversion.onnx_builder import Dim, Value
from landcover.models.cntk.conversion.step import Step


def times(step: Step) -> Value:
    """A times B: the last axes of B are contracted with the first ones of A (in C order).

    A has the C-order shape (in..., out...), B has (rest..., in...); the result has (rest...,
    out...). A dense layer is A = weights, B = activations.
    """
    a, b = step.take(2)
    outputs = step.attribute("outputRank", int, 1)
    contracted = a.rank - outputs
    if not 0 <= outputs < a.rank or contracted > b.rank:
        step.refuse(f"shapes {a.shape} and {b.shape} do not fit with {outputs} output axes")
    return _product(step, a, b, contracted)


def transpose_times(step: Step) -> Value:
    """A transposed, times B; A has the C-order shape (out, in), or (in) for a single output."""
    a, b = step.take(2)
    if step.attribute("outputRank", int, 1) != 1 or a.rank not in (1, 2) or b.rank < 1:
        step.refuse(f"transposes a tensor of shape {a.shape}, where a matrix is expected")
    if a.rank == 1:
        return _product(step, step.reshaped(a, (*a.shape, 1)), b, 1)
    lead = int(a.batched)
    if a.constant is not None and not a.batched:
        array = np.ascontiguousarray(a.constant.T)
        turned = step.result(step.builder.constant(array), array.shape, a)
    else:
        swapped = step.emit("Transpose", [a], perm=[*range(lead), lead + 1, lead])
        turned = step.result(swapped, a.shape[::-1], a)
    return _product(step, turned, b, 1)


def cosine_distance(step: Step) -> Value:
    """The cosine of the angle between two vectors, over all static axes."""
    a, b = step.take(2)
    step.of_one_type(a, b)
    (left, right), shape, batched = step.aligned(a, b)
    axes = np.arange(-len(shape), 0)

    def total(tensors: Sequence[str]) -> str:
        return step.emit("ReduceSum", [step.emit("Mul", tensors), axes], keepdims=0)

    squares = step.emit("Mul", [total([left, left]), total([right, right])])
    tensor = step.emit("Div", [total([left, right]), step.emit("Sqrt", [squares])])
    return step.result(tensor, (), a, batched)


def _product(step: Step, a: Value, b: Value, contracted: int) -> Value:
    step.of_one_type(a, b)
    inner, out = a.shape[:contracted], a.shape[contracted:]
    rest, facing = b.shape[: b.rank - contracted], b.shape[b.rank - contracted :]
    if inner != facing:
        step.refuse(f"shapes {a.shape} and {b.shape} do not fit: {inner} meets {facing}")
    matrix = step.reshaped(a, (_size(step, inner), _size(step, out)))
    vectors = _vectors(step, b, rest, _size(step, inner), matrix.batched)
    dense = vectors.rank + int(vectors.batched) == 2 and not matrix.batched
    product = step.emit("Gemm" if dense else "MatMul", [vectors, matrix])
    batched = a.batched or b.batched
    shape = (*vectors.shape[:-1], matrix.shape[-1])
    return step.reshaped(step.result(product, shape, b, batched), (*rest, *out))


def _vectors(
    step: Step, b: Value, rest: tuple[Dim, ...], inner: int, matrix_batched: bool
) -> Value:
    """Return B with its contracted axes as one, and an axis before it where MatMul needs one."""
    if matrix_batched and not rest:
        return step.reshaped(b, (1, inner))
    if not rest and not b.batched:
        return step.reshaped(b, (1, inner))
    if matrix_batched and len(rest) > 1:
        return step.reshaped(b, (_size(step, rest), inner))
    return step.reshaped(b, (*rest, inner))


def _size(step: Step, dims: Sequence[Dim]) -> int:
    size = 1
    for dim in dims:
        if not isinstance(dim, int):
            step.refuse(f"multiplies over free extents {tuple(dims)}; fix them in CNTK")
        size *= dim
    return size


RULES: Final[dict[str, Callable[[Step], Value]]] = {
    "Times": times,
    "TransposeTimes": transpose_times,
    "CosDistance": cosine_distance,
}
