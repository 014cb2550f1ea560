"""The rule for batch normalization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from landcover.models.cntk.conversion.onnx_builder import Array, Dim, Value
from landcover.models.cntk.conversion.step import Step


def batch_normalization(step: Step) -> Value:
    """scale * (x - mean) / sqrt(variance + epsilon) + bias, with the statistics of training.

    Spatial statistics hold one number a channel (the first C-order axis), others one an element,
    stored flat. Files of early releases have no count of samples among the inputs.
    """
    x, *statistics = step.take(5, 6)
    scale, bias, mean, variance = (_stored(step, value) for value in statistics[:4])
    spatial = step.attribute("spatial", bool, False) and x.rank > 1
    shape = _counted(step, x.shape[:1] if spatial else x.shape)
    if any(array.size != np.prod(shape, dtype=float) for array in (scale, bias, mean, variance)):
        step.refuse(f"statistics of {scale.size} numbers for an input of shape {x.shape}")
    epsilon = step.attribute("epsilon", float)
    if spatial and x.batched:
        vectors = [array.reshape(-1) for array in (scale, bias, mean, variance)]
        return step.result(_operator(step, x, vectors, epsilon), x.shape, x)
    broad = (*shape, *(1,) * (x.rank - len(shape)))
    factor, shift = folded((scale, bias, mean, variance), epsilon)
    scaled = step.emit("Mul", [x, factor.reshape(broad).astype(x.dtype)])
    return step.result(step.emit("Add", [scaled, shift.reshape(broad).astype(x.dtype)]), x.shape, x)


def folded(statistics: Sequence[Array], epsilon: float) -> tuple[Array, Array]:
    """Return the factor and the shift, in float64, that batch normalization comes to.

    Args:
        statistics: scale, bias, mean and variance.
        epsilon: what is added to the variance.
    """
    scale, bias, mean, variance = (array.astype(np.float64) for array in statistics)
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + epsilon)
        return factor, bias - mean * factor


def _stored(step: Step, value: Value) -> Array:
    if value.constant is None:
        step.refuse("statistics that are not stored in the file")
    return value.constant


def _counted(step: Step, dims: Sequence[Dim]) -> tuple[int, ...]:
    known = tuple(dim for dim in dims if isinstance(dim, int))
    if len(known) < len(dims):
        step.refuse(f"statistics for free extents {tuple(dims)}")
    return known


def _operator(step: Step, x: Value, vectors: list[Array], epsilon: float) -> str:
    names = [
        step.builder.constant(vector.astype(x.dtype, copy=False), f"{step.function.name}/{word}")
        for vector, word in zip(vectors, ("scale", "bias", "mean", "variance"), strict=True)
    ]
    return step.emit("BatchNormalization", [x, *names], epsilon=epsilon)


RULES: Final[dict[str, Callable[[Step], Value]]] = {"BatchNormalization": batch_normalization}
