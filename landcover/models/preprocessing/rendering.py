"""The steps around a network, written once for every library that can do the operations.

A library brings a class with the operations of :class:`Operations`; what they are applied to may be
numbers, or nodes of a graph that is being built.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from landcover.models.preprocessing.interpolation import neighbours
from landcover.models.preprocessing.specification import Output, Steps

V = TypeVar("V")

Numbers: TypeAlias = npt.NDArray[np.float32] | np.float32
"""What is broadcast to a value."""


class Operations(Protocol[V]):
    """What a library must be able to do with a tensor; axes count from 0, the batch included."""

    def cast(self, value: V, dtype: str) -> V:
        """The same numbers in another dtype, as numpy names it."""
        ...

    def subtract(self, value: V, numbers: Numbers) -> V:
        """The value less numbers that are broadcast."""
        ...

    def multiply(self, value: V, numbers: Numbers) -> V:
        """The value times numbers that are broadcast."""
        ...

    def divide(self, value: V, by: V) -> V:
        """The value divided by another one."""
        ...

    def equals(self, value: V, numbers: npt.NDArray[np.float32]) -> V:
        """float32: 1 where the value equals numbers that are broadcast, else 0."""
        ...

    def total(self, value: V, axis: int) -> V:
        """The sum along one axis, which stays with an extent of 1."""
        ...

    def mix(self, first: V, second: V, share: npt.NDArray[np.float32]) -> V:
        """A share of the second, broadcast, and what it leaves of the first."""
        ...

    def take(self, value: V, order: tuple[int, ...], axis: int) -> V:
        """Some elements of an axis, in another order."""
        ...

    def reshape(self, value: V, shape: tuple[int, ...]) -> V:
        """The elements in other extents, of which the first, -1, is as it must be."""
        ...

    def transpose(self, value: V, axes: tuple[int, ...]) -> V:
        """The axes in another order."""
        ...

    def squeeze(self, value: V, axes: tuple[int, ...]) -> V:
        """The value without these axes, whose extent is 1."""
        ...

    def softmax(self, value: V, axis: int, rank: int) -> V:
        """Softmax along one axis of a value with ``rank`` axes."""
        ...

    def sigmoid(self, value: V) -> V:
        """The logistic function."""
        ...


def before(
    operations: Operations[V], pixels: V, dtype: np.dtype[Any], steps: Steps, wanted: str
) -> V:
    """From pixels to what the network reads.

    Args:
        operations: of the library.
        pixels: dims (n, band, y, x).
        dtype: of the pixels.
        steps: what is done.
        wanted: dtype of the network's input.
    """
    changed = steps.shifts or steps.scales
    plain = dtype.newbyteorder("=") == np.dtype(wanted) and not changed
    value = pixels if plain else operations.cast(pixels, "float32")
    if steps.shifts:
        value = operations.subtract(value, steps.shift)
    if steps.scales:
        value = operations.multiply(value, steps.factor)
    if steps.reorders:
        value = operations.take(value, steps.order, 1)
    if steps.layout == "NHWC":
        value = operations.transpose(value, (0, 2, 3, 1))
    elif steps.layout == "NHW":
        value = operations.squeeze(value, (1,))
    return value if plain else operations.cast(value, wanted)


def after(operations: Operations[V], returned: V, steps: Steps) -> V:
    """From what the network returns to probabilities.

    Args:
        operations: of the library.
        returned: the batch first.
        steps: what is done.

    Returns:
        float32 with dims (n, class) or (n, class, y, x); as it is where the steps have no output.
    """
    value = operations.cast(returned, "float32")
    output = steps.output
    if output is None:
        return value
    if output.quantization is not None:
        scale, zero = (np.float32(number) for number in output.quantization)
        value = operations.multiply(operations.subtract(value, zero), scale)
    if output.activation == "softmax" and output.class_axis is not None:
        value = operations.softmax(value, output.class_axis, output.rank)
    elif output.activation == "sigmoid":
        value = operations.sigmoid(value)
    value = arranged(operations, value, output)
    if output.form == "probability":
        value = _two_classes(operations, value, output)
    elif output.form == "numbers":
        value = _of_numbers(operations, value, output)
    return value if output.cells is None else _pixels(operations, value, output, steps)


def arranged(operations: Operations[V], value: V, output: Output) -> V:
    """What a network returns with dims (n, class) or (n, class, row, column).

    Args:
        operations: of the library.
        value: as it is returned.
        output: how that is.
    """
    if output.order() != tuple(range(output.rank)):
        value = operations.transpose(value, output.order())
    wanted = (output.channels, *(output.cells or ()))
    same = output.rank == 1 + len(wanted) and output.class_axis is not None
    return value if same else operations.reshape(value, (-1, *wanted))


def _two_classes(operations: Operations[V], value: V, output: Output) -> V:
    """A probability p of the second class as the probabilities of both.

    The larger of both is the label, so that a threshold t other than a half moves them: p becomes
    p (1 - t) / (p (1 - t) + (1 - p) t), which is a half where p is t. At the threshold the label is
    the second class: the first is made less by the smallest share that counts.
    """
    t = output.threshold
    if t != 0.5:
        part = operations.multiply(value, np.float32(1 - t))
        rest = operations.subtract(
            operations.multiply(value, np.float32(1 - 2 * t)), np.float32(-t)
        )
        value = operations.divide(part, rest)
    signs, ones = (np.array(pair, np.float32) for pair in ([-1, 1], [-1, 0]))
    both = operations.multiply(value, _along_classes(signs, output))
    both = operations.subtract(both, _along_classes(ones, output))
    return operations.multiply(both, _along_classes(np.array([1 - 2**-22, 1], np.float32), output))


def _of_numbers(operations: Operations[V], value: V, output: Output) -> V:
    """The number of a class as probabilities: 1 for that class.

    A number that is none of the classes' (too large, negative, a fraction) is 0 / 0 for all of them:
    as NaN it gets no label, where 0 for all would be taken for the first class.
    """
    numbers = np.arange(output.classes, dtype=np.float32)
    value = operations.equals(value, _along_classes(numbers, output))
    return operations.divide(value, operations.total(value, 1))


def _along_classes(numbers: npt.NDArray[Any], output: Output) -> npt.NDArray[Any]:
    return numbers.reshape(1, -1, *([] if output.cells is None else [1, 1]))


def _pixels(operations: Operations[V], value: V, output: Output, steps: Steps) -> V:
    """From the cells of what is returned to the pixels that get a label."""
    assert output.cells is not None
    for axis, (edge, count) in enumerate(zip(steps.size, output.cells, strict=True)):
        if output.stride > 1:
            near, next_to, share = neighbours(edge, count, output.stride, output.halo)
            first = operations.take(value, near, 2 + axis)
            second = operations.take(value, next_to, 2 + axis)
            value = operations.mix(first, second, share.reshape((-1, 1) if axis == 0 else (1, -1)))
        elif edge - 2 * output.halo < count:
            start = output.halo - (edge - count) // 2
            kept = tuple(range(start, start + edge - 2 * output.halo))
            value = operations.take(value, kept, 2 + axis)
    return value
