"""How well two computations of the same network agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# How far sums of probabilities in half precision are from 1, and a probability that is as good as none:
# float32 holds smaller ones with fewer digits.
_ROUNDING, _LEAST = 1e-2, 1e-30


@dataclass(frozen=True)
class Agreement:
    """The difference between what is found and a reference.

    Args:
        absolute: the largest difference of any number.
        relative: the largest difference of an output, as a share of the largest magnitude in the
            reference of that output; the worst of all outputs.
        labels: the share of labels that are the same, in [0, 1]; None where outputs have no classes.
    """

    absolute: float
    relative: float
    labels: float | None


def agreement(found: Sequence[Array], reference: Sequence[Array], class_axis: int = 1) -> Agreement:
    """Compare outputs, one by one.

    Where the reference is not a number or infinite, the result must be so too; a number in its
    place, or the other way round, is an infinite difference.

    Args:
        found: an array an output.
        reference: likewise, in the same shapes.
        class_axis: of all outputs that have more than one class.

    Raises:
        ValueError: the shapes differ.
    """
    pairs = list(zip(found, reference, strict=True))
    absolute = relative = 0.0
    for one, other in pairs:
        if one.shape != other.shape:
            raise ValueError(f"returns shape {one.shape}, the reference has {other.shape}")
        difference = _difference(one, other)
        finite = np.abs(other[np.isfinite(other)])
        largest = float(finite.max(initial=0.0))
        absolute = max(absolute, difference)
        relative = max(relative, difference / largest if largest else float(difference > 0))
    return Agreement(absolute, relative, _labels(pairs, class_axis))


def before_softmax(
    found: Sequence[Array], reference: Sequence[Array], class_axis: int
) -> tuple[list[Array], list[Array]]:
    """Outputs that are probabilities, as their logarithms: what softmax had before it, less a number.

    Softmax hides differences where it saturates: 1.0 is 1.0, whatever led to it.

    Args:
        found: an array an output.
        reference: likewise; it decides whether an output is probabilities.
        class_axis: of all outputs that have more than one class.
    """
    pairs = [
        (_logarithm(one), _logarithm(other)) if _sums_to_one(other, class_axis) else (one, other)
        for one, other in zip(found, reference, strict=True)
    ]
    return [one for one, _ in pairs], [other for _, other in pairs]


def _sums_to_one(array: Array, axis: int) -> bool:
    if array.ndim not in (2, 4) or array.shape[axis] < 2 or not np.isfinite(array).all():
        return False
    return bool(array.min() >= 0 and np.abs(array.sum(axis) - 1).max() < _ROUNDING)


def _logarithm(array: Array) -> Array:
    return np.asarray(np.log(np.maximum(array.astype(np.float64), _LEAST)))


def _difference(one: Array, other: Array) -> float:
    finite = np.isfinite(other)
    same_elsewhere = np.array_equal(one[~finite], other[~finite], equal_nan=True)
    if not same_elsewhere or not np.isfinite(one[finite]).all():
        return float("inf")
    return float(np.abs(one[finite].astype(np.float64) - other[finite]).max(initial=0.0))


def _labels(pairs: Sequence[tuple[Array, Array]], axis: int) -> float | None:
    labelled = [p for p in pairs if p[0].ndim in (2, 4) and p[0].shape[axis] > 1]
    if not labelled:
        return None
    same = [(one.argmax(axis) == other.argmax(axis)).ravel() for one, other in labelled]
    return float(np.concatenate(same).mean())
