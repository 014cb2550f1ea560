"""CNTK's dictionaries: the typed key-value tree that a model file holds.

The messages and their field numbers are those of ``CNTK.proto`` in the sources of CNTK 2.7. Shapes
come out reversed, that is in C order: CNTK counts axes from the fastest one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from landcover.models.formats.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    Malformed,
    fields,
    numbers,
    signed,
    varints,
    zigzags,
)

Value: TypeAlias = Any  # bool, int, float, str, Shape, Axis, list, dict, Tensor or None
Dictionary: TypeAlias = dict[str, Value]

INFERRED: Final = -1
FREE: Final = -3

_DEEPEST: Final = 32  # a model nests about eight levels
_MOST_AXES: Final = 64
_DTYPES: Final[dict[int, np.dtype[Any]]] = {
    1: np.dtype(np.float32),
    2: np.dtype(np.float64),
    4: np.dtype(np.float16),
    5: np.dtype(np.int8),
    6: np.dtype(np.int16),
}


# What the indices of an axis mean that stand for no single one.
ALL_STATIC_AXES: Final = 2**31 - 2
END_STATIC_AXIS: Final = 2**31 - 4
ALL_AXES: Final = 2**31 - 5


class Shape(tuple[int, ...]):
    """The extents of a tensor in C order; -1 is to be inferred, -3 is free."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis by its index in CNTK's order: 0 is the fastest one, -1 the last.

    Dynamic axes and "all axes" have indices near 2**31; ``name`` tells them apart.
    """

    index: int
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """Numbers as they lie in the file: a flat array and the shape (C order) they fill.

    ``dtype`` is what they mean; float16 is stored as float32.
    """

    flat: NDArray[Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def array(self) -> NDArray[Any]:
        """Return the numbers in their shape and type, sharing the file's memory where it can."""
        return self.flat.reshape(self.shape).astype(self.dtype, copy=False)


def read_dictionary(message: memoryview, depth: int = 0) -> Dictionary:
    """Parse one serialized ``Dictionary``.

    Raises:
        Malformed: the bytes are no such message.
    """
    found: Dictionary = {}
    for number, kind, content in fields(message):
        if number == 2:
            key, value = _entry(_submessage(kind, content), depth + 1)
            found[key] = value
    return found


def _entry(message: memoryview, depth: int) -> tuple[str, Value]:
    key, value = "", None
    for number, kind, content in fields(message):
        if number == 1:
            key = _text(kind, content)
        elif number == 2:
            value = _value(_submessage(kind, content), depth)
    return key, value


def _value(message: memoryview, depth: int) -> Value:
    if depth > _DEEPEST:
        raise Malformed(f"values nest more than {_DEEPEST} deep")
    value: Value = None
    for number, kind, content in fields(message):
        if number > 2:
            reader = _READERS.get(number)
            if reader is None:
                raise Malformed(f"a value of unknown type (field {number})")
            value = reader(kind, content, depth)
    return value


def _submessage(kind: int, content: int | memoryview) -> memoryview:
    if kind != BYTES or isinstance(content, int):
        raise Malformed("a number where a message should be")
    return content


def _integer(kind: int, content: int | memoryview) -> int:
    if not isinstance(content, int):
        raise Malformed("a message where a number should be")
    return content


def _text(kind: int, content: int | memoryview) -> str:
    try:
        return str(_submessage(kind, content), "utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("a name that is not UTF-8") from error


def _float(kind: int, content: int | memoryview) -> float:
    if kind not in (FIXED32, FIXED64) or isinstance(content, int):
        raise Malformed("no floating-point number where one should be")
    return float(np.frombuffer(content, "<f4" if kind == FIXED32 else "<f8")[0])


def _shape(kind: int, content: int | memoryview) -> Shape:
    extents: list[int] = []
    for number, inner, dims in fields(_submessage(kind, content)):
        if number == 1:
            extents += [dims] if isinstance(dims, int) else varints(_submessage(inner, dims))
    if len(extents) > _MOST_AXES:
        raise Malformed(f"a shape of {len(extents)} axes")
    return Shape(signed(extent, 64) for extent in reversed(extents))


def _axis(kind: int, content: int | memoryview) -> Axis:
    index, name = 0, ""
    for number, inner, value in fields(_submessage(kind, content)):
        if number == 1:
            index = signed(_integer(inner, value))
        elif number == 2:
            name = _text(inner, value)
    return Axis(index, name)


def _vector(kind: int, content: int | memoryview, depth: int) -> list[Value]:
    items = fields(_submessage(kind, content))
    return [_value(_submessage(inner, v), depth + 1) for number, inner, v in items if number == 1]


def _tensor(kind: int, content: int | memoryview) -> Tensor:
    dtype, shape, chunks = 0, Shape(), []
    for number, inner, value in fields(_submessage(kind, content)):
        if number == 1:
            dtype = _integer(inner, value)
        elif number == 2 and _integer(inner, value) != 0:
            raise Malformed("a sparse tensor")
        elif number == 3:
            shape = _shape(inner, value)
        elif number in _CONTENTS:
            chunks += _chunks(_submessage(inner, value), _CONTENTS[number])
    if dtype not in _DTYPES:
        raise Malformed(f"a tensor of unknown type {dtype}")
    return _checked(chunks, shape, _DTYPES[dtype])


def _chunks(
    message: memoryview, decode: Callable[[memoryview], NDArray[Any]]
) -> list[NDArray[Any]]:
    return [decode(_submessage(kind, v)) for number, kind, v in fields(message) if number == 1]


def _checked(chunks: list[NDArray[Any]], shape: Shape, dtype: np.dtype[Any]) -> Tensor:
    flat = chunks[0] if len(chunks) == 1 else np.concatenate([np.empty(0, dtype), *chunks])
    if flat.dtype == np.uint8:
        if flat.size % dtype.itemsize:
            raise Malformed(f"{flat.size} bytes are not a whole number of {dtype} values")
        flat = flat.view(dtype)
    expected = 1
    for extent in shape:
        if extent < 0:
            raise Malformed(f"a tensor of shape {tuple(shape)}")
        expected *= extent
    if expected != flat.size:
        raise Malformed(f"a tensor of shape {tuple(shape)} with {flat.size} values")
    return Tensor(flat, tuple(shape), dtype)


_CONTENTS: Final[dict[int, Callable[[memoryview], NDArray[Any]]]] = {
    4: lambda packed: numbers(packed, "<f4"),
    5: lambda packed: numbers(packed, "<f8"),
    6: lambda packed: numbers(packed, np.uint8),
    7: zigzags,
}

_READERS: Final[dict[int, Callable[[int, int | memoryview, int], Value]]] = {
    3: lambda kind, content, depth: bool(_integer(kind, content)),
    4: lambda kind, content, depth: signed(_integer(kind, content)),
    5: lambda kind, content, depth: signed(_integer(kind, content), 64),
    6: lambda kind, content, depth: _float(kind, content),
    7: lambda kind, content, depth: _float(kind, content),
    8: lambda kind, content, depth: _text(kind, content),
    9: lambda kind, content, depth: _shape(kind, content),
    10: lambda kind, content, depth: _axis(kind, content),
    11: _vector,
    12: lambda kind, content, depth: read_dictionary(_submessage(kind, content), depth + 1),
    13: lambda kind, content, depth: _tensor(kind, content),
}
