"""A walk over the fields of a protobuf message that needs no schema and reads no payload.

Wire format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

Buffer: TypeAlias = bytes | mmap.mmap

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Malformed(ValueError):
    """The bytes are not a protobuf message."""


class Field(NamedTuple):
    """One field: its number, its wire type, and where its payload lies.

    ``end`` may lie beyond the end of the data: then the message is cut short in this field.
    """

    number: int
    wire: int
    start: int
    end: int


def fields(data: Buffer, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """Yield the fields of a message in the order of the file.

    Args:
        data: the message, or what contains it.
        start: where the message begins.
        end: where it ends; default: the end of the data.

    Raises:
        Malformed: a key that no protobuf message has.
    """
    limit = len(data) if end is None else end
    at = start
    while at < limit:
        key, after = _varint(data, at, limit)
        number, wire = key >> 3, key & 7
        if not number or wire not in (VARINT, FIXED64, BYTES, FIXED32):
            raise Malformed(f"byte {at} begins no field")
        field = _payload(data, number, wire, after, limit)
        yield field
        at = field.end


def _payload(data: Buffer, number: int, wire: int, at: int, limit: int) -> Field:
    if wire == BYTES:
        length, start = _varint(data, at, limit)
        return Field(number, wire, start, start + length)
    if wire == VARINT:
        return Field(number, wire, at, _varint(data, at, limit)[1])
    return Field(number, wire, at, at + (8 if wire == FIXED64 else 4))


def _varint(data: Buffer, at: int, limit: int) -> tuple[int, int]:
    """The number at a place, and the place after it; a number cut short ends beyond the limit."""
    value = 0
    for shift in range(10):
        if at + shift >= limit:
            return value, limit + 1
        byte = data[at + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise Malformed(f"byte {at} begins a number of more than 64 bits")
