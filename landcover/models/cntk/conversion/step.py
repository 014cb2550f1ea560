"""One step of the conversion: a function of the network, its inputs, and how to write it down.

The rules in the modules beside this one get a :class:`Step` and return the values that the function
results in. Whatever a file says is checked here before a rule sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NoReturn, TypeVar

import numpy as np

from landcover.errors import ModelError
from landcover.models.cntk.conversion.onnx_builder import Array, Dim, OnnxBuilder, Value
from landcover.models.cntk.reader.dictionary import (
    Axis,
    Shape,
)
from landcover.models.cntk.reader.graph import Function, Graph

T = TypeVar("T")

_MOST: Final = 2**31 - 1


class Step:
    """A function of the network that is to be written in ONNX.

    Args:
        graph: the network that the function is part of.
        function: the function itself.
        inputs: its converted inputs, in CNTK's order.
        builder: where the nodes go.
    """

    def __init__(
        self, graph: Graph, function: Function, inputs: Sequence[Value], builder: OnnxBuilder
    ) -> None:
        self.graph, self.function, self.inputs, self.builder = graph, function, inputs, builder

    def refuse(self, reason: str) -> NoReturn:
        """Raise a ModelError that names the file and the function.

        Raises:
            ModelError: always.
        """
        raise ModelError(self.graph.file, f"{self.graph.describe(self.function.uid)}: {reason}")

    def take(self, *counts: int) -> Sequence[Value]:
        """Return the inputs, of which there must be one of ``counts``."""
        if len(self.inputs) not in counts:
            wanted = " or ".join(map(str, counts))
            self.refuse(f"{len(self.inputs)} inputs where it takes {wanted}")
        return self.inputs

    def of_one_type(self, *values: Value) -> None:
        """Refuse values of different types: CNTK casts nothing by itself."""
        types = sorted({value.dtype.name for value in values})
        if len(types) > 1:
            self.refuse(f"its inputs are {' and '.join(types)}")

    def emit(self, op: str, inputs: Sequence[str | Array | Value], **attributes: Any) -> str:
        """Add an ONNX node named after the function and return its first output."""
        tensors = [i.tensor if isinstance(i, Value) else i for i in inputs]
        return self.builder.add(op, tensors, self.function.name, **attributes)

    def emit_all(
        self, op: str, inputs: Sequence[str | Array | Value], outputs: int, **attributes: Any
    ) -> list[str]:
        """Add an ONNX node with several outputs and return them."""
        tensors = [i.tensor if isinstance(i, Value) else i for i in inputs]
        return self.builder.add_all(op, tensors, self.function.name, outputs, **attributes)

    def result(
        self, tensor: str, shape: Sequence[Dim], like: Value, batched: bool | None = None
    ) -> Value:
        """Return the value that ``tensor`` holds; type and batch are those of ``like``."""
        return Value(
            tensor,
            tuple(shape),
            like.dtype,
            like.batched if batched is None else batched,
            self.builder.constants.get(tensor),
        )

    def scalar(self, number: float, like: Value) -> Array:
        """Return a rank-0 array in the type of ``like``."""
        return np.array(number, like.dtype)

    def attribute(self, key: str, kind: type[T], default: T | None = None) -> T:
        """Return an attribute, checked to be of ``kind``; without a default it must be there."""
        value = self.function.attributes.get(key, default)
        if not isinstance(value, kind):
            self.refuse(f"attribute {key!r} is missing or no {kind.__name__}")
        return value

    def numbers(self, key: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """Return a shape or a list as integers, one an axis, in C order."""
        value = self.function.attributes.get(key)
        if value is None and default is not None:
            return tuple(default)
        if not isinstance(value, list | Shape):
            self.refuse(f"attribute {key!r} is missing or no list")
        found = tuple(value if isinstance(value, Shape) else reversed(value))
        if not all(isinstance(v, int) and abs(v) < _MOST for v in found):
            self.refuse(f"attribute {key!r} is {found}, which is no list of extents")
        return tuple(int(v) for v in found)

    def axes(self, value: Value, rank: int | None = None) -> list[int]:
        """Return the attribute ``axisVec`` or ``axis`` as C-order axes of ``value``."""
        listed = self.function.attributes.get("axisVec")
        if listed is None:
            listed = [self.attribute("axis", Axis)]
        if not isinstance(listed, list) or not all(isinstance(a, Axis) for a in listed):
            self.refuse("attribute 'axisVec' is no list of axes")
        return [self.axis(a, value.rank if rank is None else rank) for a in listed]

    def axis(self, axis: Axis, rank: int) -> int:
        """Return CNTK's axis as a C-order axis of a tensor of ``rank``."""
        index = axis.index + rank if axis.index < 0 else axis.index
        if not 0 <= index < rank:
            self.refuse(f"axis {axis.name or axis.index} of a tensor with {rank} axes")
        return rank - 1 - index

    def known(self, value: Value) -> tuple[int, ...]:
        """Return the shape of ``value``, none of whose extents may be free."""
        if not all(isinstance(dim, int) for dim in value.shape):
            self.refuse(f"works on a shape with free extents: {value.shape}; fix them in CNTK")
        return tuple(int(dim) for dim in value.shape)

    def reshaped(self, value: Value, shape: Sequence[Dim]) -> Value:
        """Return ``value`` in another shape, in which at most one free extent changes its place."""
        shape, source = tuple(shape), self.builder.sources.get(value.tensor, value)
        for same in (value, source):
            if shape == same.shape and value.batched == same.batched:
                return same
        if source.batched == value.batched and not any(isinstance(d, str) for d in shape):
            value = source
        target = [0] * int(value.batched)
        for place, dim in enumerate(shape):
            stays = place < value.rank and value.shape[place] == dim
            target.append(dim if isinstance(dim, int) else 0 if stays else -1)
        if target.count(-1) > 1:
            self.refuse(f"reshapes free extents, {value.shape} to {shape}; fix them in CNTK")
        tensor = self.emit("Reshape", [value, np.array(target, np.int64)])
        self.builder.sources[tensor] = value
        return self.result(tensor, shape, value)

    def aligned(self, *values: Value) -> tuple[list[str], tuple[Dim, ...], bool]:
        """Return tensors that broadcast as CNTK does, the shape they give, and whether batched."""
        rank = max(value.rank for value in values)
        shape = tuple(self._broadcast([v.shape[-1 - n] for v in values if n < v.rank], values)
                      for n in range(rank))[::-1]  # fmt: skip
        tensors = []
        for value in values:
            if value.batched and value.rank < rank:
                axes = np.arange(1, 1 + rank - value.rank)
                tensors.append(self.emit("Unsqueeze", [value, axes]))
            else:
                tensors.append(value.tensor)
        return tensors, shape, any(value.batched for value in values)

    def _broadcast(self, dims: Sequence[Dim], values: Sequence[Value]) -> Dim:
        wide = [dim for dim in dims if dim != 1]
        known = {dim for dim in wide if isinstance(dim, int)}
        if len(known) > 1:
            shapes = " and ".join(str(value.shape) for value in values)
            self.refuse(f"shapes {shapes} do not fit each other")
        # A known extent wins over a free one: in CNTK, too, they can only be equal.
        return next(iter(known)) if known else next(iter(wide), 1)
