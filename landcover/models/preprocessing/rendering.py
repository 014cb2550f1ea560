"""The steps around a network, written once for every library that can do the operations.

A library brings a class with the operations of :class:`Operations`; what they are applied to may be
numbers, or nodes of a graph that is being built.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from landcover.models.preprocessing.specification import Steps

V = TypeVar("V")


class Operations(Protocol[V]):
    """What a library must be able to do with a tensor; axes count from 0, the batch included."""

    def cast(self, value: V, dtype: str) -> V:
        """The same numbers in another dtype, as numpy names it."""
        ...

    def subtract(self, value: V, numbers: npt.NDArray[np.float32]) -> V:
        """The value less numbers that are broadcast."""
        ...

    def multiply(self, value: V, numbers: npt.NDArray[np.float32]) -> V:
        """The value times numbers that are broadcast."""
        ...

    def take(self, value: V, order: tuple[int, ...]) -> V:
        """The elements of axis 1 in another order."""
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
        value = operations.take(value, steps.order)
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
    if output.softmax:
        value = operations.softmax(value, output.class_axis, output.rank)
    if output.order() != tuple(range(output.rank)):
        value = operations.transpose(value, output.order())
    return value if output.pixel or output.rank == 2 else operations.squeeze(value, (2, 3))
