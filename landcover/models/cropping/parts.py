"""Parts of tensors, and how a node of a graph makes a part of its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

Shape: TypeAlias = tuple[int, ...]

Span: TypeAlias = tuple[int, int]
"""Elements of an axis: the first, and the one behind the last."""

Part: TypeAlias = tuple[Span, ...]
"""What is needed of a tensor, a span an axis."""

Array: TypeAlias = npt.NDArray[Any]


class Indivisible(Exception):
    """A node can make its result only as a whole."""


@dataclass(frozen=True)
class Cut:
    """How a node makes a part of its result.

    Args:
        makes: the part; it may be more than was asked for.
        reads: what it needs of each of its inputs; None: all of it.
        attributes: those that change; None: it has none of this name any more.
        numbers: inputs, by their place, that become other numbers; None: they are left out.
    """

    makes: Part
    reads: tuple[Part | None, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[int, Array | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """A node of a graph, with what is known of the tensors that it reads and makes.

    Args:
        proto: as the file has it.
        shapes: of all tensors whose shape is known, for one image.
        values: the numbers of tensors that hold few, and depend on no pixel.
        opset: the version of the operator set.
    """

    proto: onnx.NodeProto
    shapes: Mapping[str, Shape]
    values: Mapping[str, Array]
    opset: int

    @property
    def inputs(self) -> Sequence[str]:
        """Names of the inputs; "" for one that is left out."""
        return self.proto.input

    @property
    def result(self) -> Shape:
        """The shape of its first output."""
        return self._shape(self.proto.output[0])

    def shape(self, at: int) -> Shape:
        """The shape of an input.

        Raises:
            Indivisible: it is not known.
        """
        return self._shape(self.inputs[at])

    def numbers(self, at: int) -> Array | None:
        """The numbers of an input; None where it is left out.

        Raises:
            Indivisible: they are computed.
        """
        if at >= len(self.inputs) or not self.inputs[at]:
            return None
        if self.inputs[at] not in self.values:
            raise Indivisible
        return self.values[self.inputs[at]]

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute, as Python has it."""
        for attribute in self.proto.attribute:
            if attribute.name == name:
                return helper.get_attribute_value(attribute)
        return default

    def axes(self, at: int | None) -> list[int]:
        """The axes that it works on, from 0: an attribute, or in later versions an input.

        Args:
            at: the place of that input; None: it never is one.
        """
        given = self.attribute("axes")
        told = self.numbers(at) if given is None and at is not None else given
        rank = len(self.shape(0))
        return [] if told is None else [int(axis) % rank for axis in np.ravel(told)]

    def _shape(self, name: str) -> Shape:
        if name not in self.shapes:
            raise Indivisible
        return self.shapes[name]


Rule: TypeAlias = Callable[[Node, Part], Cut]
"""From a node and the part of its first output that is needed, to how that is made.

Raises:
    Indivisible: the result can only be made as a whole.
"""


def whole(shape: Shape) -> Part:
    """All of a tensor."""
    return tuple((0, extent) for extent in shape)


def size(part: Part) -> Shape:
    """The shape of a part."""
    return tuple(stop - start for start, stop in part)


def both(one: Part, other: Part) -> Part:
    """The smallest part that holds two others."""
    return tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(one, other, strict=True))


def holds(one: Part, other: Part) -> bool:
    """Whether a part holds another one."""
    return both(one, other) == one


def widened(part: Part, shape: Shape, axes: Sequence[int]) -> Part:
    """A part with all elements along some axes."""
    return tuple((0, n) if i in axes else part[i] for i, n in enumerate(shape))


def same_elements(given: Shape, wanted: Shape) -> Iterator[tuple[list[int], list[int]]]:
    """Which axes of a tensor hold the same elements as which others, when it takes another shape.

    Yields:
        axes of the given shape and of the wanted one, as few at once as hold the same, from the first on.
    """
    before, after = list(range(len(given))), list(range(len(wanted)))
    while before and after:
        ours, theirs = [before.pop(0)], [after.pop(0)]
        while (held := prod(given[a] for a in ours)) != (made := prod(wanted[a] for a in theirs)):
            rest, taken = (before, ours) if held < made else (after, theirs)
            taken.append(rest.pop(0))
        yield ours, theirs
