"""Protobuf messages, read without generated classes.

:func:`spans` finds the fields without reading what they hold, also in a file that is cut short;
:func:`fields` brings their values. Nothing in here knows what the fields mean. Every length is
checked against the bytes that are there before anything is sliced, and slices share the memory of
the file. Format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Buffer: TypeAlias = bytes | mmap.mmap | memoryview

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

_LONGEST_VARINT: Final = 10  # bytes: 64 bits, seven a byte
_64_BITS: Final = 0xFFFF_FFFF_FFFF_FFFF


class Malformed(ValueError):
    """The bytes are not a protobuf message; the text says at which byte and why."""


class Span(NamedTuple):
    """One field: its number, its wire type, and where what it holds lies.

    ``end`` may lie beyond the end of the data: then the message is cut short in this field.
    """

    number: int
    wire: int
    start: int
    end: int


def spans(data: Buffer, start: int = 0, end: int | None = None) -> Iterator[Span]:
    """Yield where the fields of a message lie, in the order of the file.

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
        span = _span(data, number, wire, after, limit)
        yield span
        at = span.end


def fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield the fields of one whole message as (field number, wire type, value).

    The value is an unsigned integer for :data:`VARINT`, and a view of the raw bytes otherwise.

    Raises:
        Malformed: a key that no protobuf message has, or the message ends inside a field.
    """
    size = len(message)
    for number, wire, start, end in spans(message):
        if end > size:
            raise Malformed(f"the field that begins at byte {start} of {size} has no end")
        if wire == VARINT:
            yield number, wire, _varint(message, start, end)[0]
        else:
            yield number, wire, message[start:end]


def signed(value: int, bits: int = 32) -> int:
    """Return a varint as the two's-complement integer of ``bits`` bits that it stands for."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def varints(packed: memoryview) -> list[int]:
    """Return the unsigned integers of a packed repeated field."""
    at, found = 0, []
    while at < len(packed):
        value, at = _varint(packed, at, len(packed))
        if at > len(packed):
            raise Malformed("a packed field of integers ends inside a number")
        found.append(value)
    return found


def zigzags(packed: memoryview) -> NDArray[np.int32]:
    """Return the integers of a packed repeated ``sint32`` field."""
    raw = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(raw < 128)
    if len(raw) and (not len(ends) or ends[-1] != len(raw) - 1):
        raise Malformed("a packed field of integers ends inside a number")
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    if len(ends) and int((ends - starts).max()) >= 5:
        raise Malformed("a 32-bit integer of more than 5 bytes")
    values = np.zeros(len(ends), np.uint64)
    for step in range(5):
        inside = starts + step <= ends
        bits = raw[np.minimum(starts + step, len(raw) - 1)].astype(np.uint64) & np.uint64(127)
        values |= np.where(inside, bits << np.uint64(7 * step), np.uint64(0))
    half = (values >> np.uint64(1)).astype(np.int64)
    return np.where(values & np.uint64(1), -half - 1, half).astype(np.int32)


def numbers(packed: memoryview, dtype: DTypeLike) -> NDArray[np.generic]:
    """Return a packed repeated field of fixed-width numbers as an array over the same memory."""
    width = np.dtype(dtype).itemsize
    if len(packed) % width:
        raise Malformed(f"{len(packed)} bytes are not a whole number of {width}-byte numbers")
    return np.frombuffer(packed, dtype)


def _span(data: Buffer, number: int, wire: int, at: int, limit: int) -> Span:
    if wire == BYTES:
        length, start = _varint(data, at, limit)
        return Span(number, wire, start, start + length)
    if wire == VARINT:
        return Span(number, wire, at, _varint(data, at, limit)[1])
    return Span(number, wire, at, at + (8 if wire == FIXED64 else 4))


def _varint(data: Buffer, at: int, limit: int) -> tuple[int, int]:
    """The number at a place, and the place after it; a number cut short ends beyond the limit."""
    value = 0
    for shift in range(_LONGEST_VARINT):
        if at + shift >= limit:
            return value, limit + 1
        byte = data[at + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value & _64_BITS, at + shift + 1
    raise Malformed(f"byte {at} begins a number of more than 64 bits")
