"""The table in the index of a TensorFlow checkpoint: what it says of each tensor, by the tensor's name.

The format is that of TensorFlow's lib/io/format.h (a table of LevelDB) and core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from landcover.errors import ModelError
from landcover.models.formats.protobuf import VARINT, Malformed, fields

_LONGEST: Final = 2**26  # bytes of an index: some 200 a tensor
_FOOTER: Final = 48
_TAIL: Final = 5  # bytes behind a block: how it is compressed, and a sum that TensorFlow looks at
_LONGEST_VARINT: Final = 10
_SIZE: Final = 5  # the field of BundleEntryProto that tells a tensor's bytes


class Broken(ValueError):
    """What is wrong with an index."""


@contextmanager
def readable(index: Path, shown: str) -> Iterator[None]:
    """What is wrong with an index, as a sentence about the model.

    Raises:
        ModelError: in place of :class:`Broken`, and of an end that comes too early.
    """
    try:
        yield
    except (Broken, IndexError) as error:
        reason = error if isinstance(error, Broken) else "it ends too early"
        told = f"its weights cannot be read: {reason} (by {index.name}); copy them again"
        raise ModelError(shown, told) from None


def bytes_of_tensors(index: Path) -> int:
    """How many bytes the tensors of an index have, as it says.

    Raises:
        Broken, IndexError: it cannot be read.
    """
    total = 0
    for key, content in entries(index):
        try:
            total += sum(
                value
                for number, wire, value in fields(memoryview(content))
                if key and number == _SIZE and wire == VARINT and isinstance(value, int)
            )
        except Malformed:
            raise cannot_be_read(key) from None
    return total


def entries(index: Path) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of an index, in its order.

    Raises:
        Broken, IndexError: it cannot be read.
    """
    if (size := index.stat().st_size) > _LONGEST:
        raise Broken(f"it has {size:,} bytes, where the most is {_LONGEST:,}")
    data = index.read_bytes()
    at = max(len(data) - _FOOTER, 0)
    for _ in range(2):  # a block that is not used
        _, at = _varint(data, at)
    start, at = _varint(data, at)
    size, at = _varint(data, at)
    for _, handle in _block(data, start, size):
        first, after = _varint(handle, 0)
        yield from _block(data, first, _varint(handle, after)[0])


def _block(data: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block; a key is told by how it differs from the one before."""
    if start + size + _TAIL > len(data) or size < 4:
        raise Broken("it says that a block of it lies beyond its end")
    if data[start + size]:
        raise Broken("it is compressed, as TensorFlow does not write it")
    block = data[start : start + size]
    restarts = int.from_bytes(block[-4:], "little")
    end, at, key = size - 4 - 4 * restarts, 0, b""
    if end < 0:
        raise Broken("a block of it is cut short")
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + own + length > end:
            raise Broken("a block of it is cut short")
        key = key[:shared] + block[at : at + own]
        at += own + length
        yield key, block[at - length : at]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    value = 0
    for shift in range(_LONGEST_VARINT):
        byte = data[at + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise Broken("it holds a number of more than 64 bits")


def cannot_be_read(key: bytes) -> Broken:
    """The error about an entry that is no message of its kind."""
    return Broken(f"what it says of {text(key)} cannot be read")


def text(key: bytes) -> str:
    """A name from an index, in quotes and not too long."""
    return repr(key[:80].decode("utf-8", "replace"))
