"""The protobuf wire format, read without generated classes.

Nothing in here knows what the fields mean. Every length is checked against the bytes that are
there before anything is sliced, and slices share the memory of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

_LONGEST_VARINT: Final = 10  # bytes: 64 bits, seven a byte


class WireError(ValueError):
    """The bytes are not a protobuf message; the text says at which byte and why."""


def fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield the fields of one message as (field number, wire type, value).

    The value is an unsigned integer for :data:`VARINT`, and a view of the raw bytes otherwise.

    Raises:
        WireError: the message ends inside a field, or a wire type is none of the four above.
    """
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise WireError(f"field number 0 at byte {at} of a message")
        if kind == VARINT:
            value, at = _varint(message, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            size, at = _varint(message, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise WireError(f"wire type {kind} at byte {at} of a message")
        if size > end - at:
            raise WireError(f"a field of {size} bytes where {end - at} are left")
        yield number, kind, message[at : at + size]
        at += size


def signed(value: int, bits: int = 32) -> int:
    """Return a varint as the two's-complement integer of ``bits`` bits that it stands for."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def varints(packed: memoryview) -> list[int]:
    """Return the unsigned integers of a packed repeated field."""
    at, found = 0, []
    while at < len(packed):
        value, at = _varint(packed, at)
        found.append(value)
    return found


def zigzags(packed: memoryview) -> NDArray[np.int32]:
    """Return the integers of a packed repeated ``sint32`` field."""
    raw = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(raw < 128)
    if len(raw) and (not len(ends) or ends[-1] != len(raw) - 1):
        raise WireError("a packed field of integers ends inside a number")
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    if len(ends) and int((ends - starts).max()) >= 5:
        raise WireError("a 32-bit integer of more than 5 bytes")
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
        raise WireError(f"{len(packed)} bytes are not a whole number of {width}-byte numbers")
    return np.frombuffer(packed, dtype)


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        value |= (byte & 127) << (7 * shift)
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + shift + 1
    raise WireError(f"a number that begins at byte {at} of a message has no end")
