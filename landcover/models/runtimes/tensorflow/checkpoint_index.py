"""The index of a checkpoint, looked at before TensorFlow reads it.

It is a table that says where each tensor lies, of what kind and how large it is. TensorFlow takes that for granted:
what contradicts itself in there ends the process, or makes room for gigabytes of which there are a few bytes.
The format is that of TensorFlow's lib/io/format.h (a table of LevelDB) and core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from landcover.errors import ModelError
from landcover.models.formats.sizes import numbers_in

_FOOTER: Final = 48
_TAIL: Final = 5  # bytes behind a block: how it is compressed, and a sum that TensorFlow looks at
_MOST_ENTRIES: Final = 200_000
_MOST_AXES: Final = 32
_LONGEST_VARINT: Final = 10


class _Broken(ValueError):
    """What is wrong with an index."""


def check_index(tf: Any, prefix: Path, shown: str) -> None:
    """Refuse a checkpoint whose index does not fit what lies beside it.

    Args:
        tf: TensorFlow.
        prefix: of the checkpoint.
        shown: the model's name in messages.

    Raises:
        ModelError: there is none, or it does not.
    """
    index = prefix.with_name(f"{prefix.name}.index")
    if not index.is_file():
        raise ModelError(shown, f"has no weights: {index.name} is missing")
    try:
        _check(tf, prefix, index.read_bytes())
    except (_Broken, IndexError) as error:
        reason = error if isinstance(error, _Broken) else "it ends too early"
        told = f"its weights cannot be read: {reason} (by {index.name}); copy them again"
        raise ModelError(shown, told) from None


def _check(tf: Any, prefix: Path, data: bytes) -> None:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import tensor_bundle_pb2

    shards, sizes, left = 0, dict[int, int](), dict[int, int]()
    for number, (key, content) in enumerate(_entries(data)):
        if number > _MOST_ENTRIES:
            raise _Broken(f"it lists more than {_MOST_ENTRIES:,} tensors")
        try:
            if not key:
                shards = tensor_bundle_pb2.BundleHeaderProto.FromString(content).num_shards
                continue
            entry = tensor_bundle_pb2.BundleEntryProto.FromString(content)
        except DecodeError:
            raise _Broken(f"what it says of {_text(key)} cannot be read") from None
        if not 0 <= entry.shard_id < shards:
            raise _Broken(f"{_text(key)} lies in file {entry.shard_id} of {shards}")
        if entry.shard_id not in sizes:
            name = f"{prefix.name}.data-{entry.shard_id:05}-of-{shards:05}"
            part = prefix.with_name(name)
            if not part.is_file():
                raise _Broken(f"{_text(key)} lies in {name}, which is not there")
            sizes[entry.shard_id] = left[entry.shard_id] = part.stat().st_size
        _check_entry(tf, entry, _text(key), sizes[entry.shard_id])
        left[entry.shard_id] -= entry.size
        if left[entry.shard_id] < 0:
            raise _Broken("its tensors lie in one another")


def _check_entry(tf: Any, entry: Any, name: str, available: int) -> None:
    try:
        kind = tf.as_dtype(entry.dtype)
    except TypeError:
        raise _Broken(f"{name} is of kind {entry.dtype}, which there is not") from None
    extents = [dim.size for dim in entry.shape.dim]
    if kind._is_ref_dtype or entry.shape.unknown_rank:
        raise _Broken(f"{name} is of kind {kind.name}, as no tensor in a file is")
    if len(extents) > _MOST_AXES or min(extents, default=0) < 0:
        raise _Broken(f"{name} has the extents {str(extents)[:80]}")
    if entry.offset < 0 or entry.size < 0 or entry.offset + entry.size > available:
        raise _Broken(f"{name} lies beyond the {available:,} bytes of its file")
    if entry.slices:  # whose numbers stand in entries of their own
        _check_slices(entry.slices, extents, name)
        return
    numbers = numbers_in(extents)
    plain = kind.is_floating or kind.is_integer or kind.is_complex or kind.is_bool
    # Whatever is no number has a byte at least, which tells its length.
    if numbers > entry.size or (plain and numbers * kind.size != entry.size):
        raise _Broken(f"{name} would hold {numbers:,} of {kind.name} in {entry.size:,} bytes")


def _check_slices(slices: Any, extents: list[int], name: str) -> None:
    """Refuse slices that do not lie in their tensor, or have more numbers than it."""
    total = 0
    for one in slices:
        # One without a length is the whole of an axis.
        lengths = [
            part.length if part.HasField("length") else extent
            for part, extent in zip(one.extent, extents, strict=False)
        ]
        inside = len(one.extent) == len(extents) and all(
            part.start >= 0 and 0 < length <= extent - part.start
            for part, length, extent in zip(one.extent, lengths, extents, strict=True)
        )
        total += numbers_in(lengths)
        if not inside or total > numbers_in(extents):
            raise _Broken(f"{name} has slices that do not lie in it")


def _entries(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a table, in its order."""
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
        raise _Broken("it says that a block of it lies beyond its end")
    if data[start + size]:
        raise _Broken("it is compressed, as TensorFlow does not write it")
    block = data[start : start + size]
    restarts = int.from_bytes(block[-4:], "little")
    end, at, key = size - 4 - 4 * restarts, 0, b""
    if end < 0:
        raise _Broken("a block of it is cut short")
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + own + length > end:
            raise _Broken("a block of it is cut short")
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
    raise _Broken("it holds a number of more than 64 bits")


def _text(key: bytes) -> str:
    return repr(key[:80].decode("utf-8", "replace"))
