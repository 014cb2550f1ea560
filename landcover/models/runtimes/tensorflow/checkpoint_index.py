"""The index of a checkpoint, looked at before TensorFlow reads it.

It is a table (``formats/checkpoint_table.py``) that says where each tensor lies, of what kind and how large it is. TensorFlow takes that for granted:
what contradicts itself in there ends the process, or makes room for gigabytes of which there are a few bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from landcover.errors import ModelError
from landcover.models.formats.checkpoint_table import (
    Broken,
    cannot_be_read,
    entries,
    readable,
    text,
)
from landcover.models.formats.sizes import numbers_in

_MOST_ENTRIES: Final = 200_000
_MOST_AXES: Final = 32


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
    with readable(index, shown):
        _check(tf, prefix, index)


def _check(tf: Any, prefix: Path, index: Path) -> None:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import tensor_bundle_pb2

    shards, sizes, left = 0, dict[int, int](), dict[int, int]()
    for number, (key, content) in enumerate(entries(index)):
        if number > _MOST_ENTRIES:
            raise Broken(f"it lists more than {_MOST_ENTRIES:,} tensors")
        try:
            if not key:
                shards = tensor_bundle_pb2.BundleHeaderProto.FromString(content).num_shards
                continue
            entry = tensor_bundle_pb2.BundleEntryProto.FromString(content)
        except DecodeError:
            raise cannot_be_read(key) from None
        if not 0 <= entry.shard_id < shards:
            raise Broken(f"{text(key)} lies in file {entry.shard_id} of {shards}")
        if entry.shard_id not in sizes:
            name = f"{prefix.name}.data-{entry.shard_id:05}-of-{shards:05}"
            part = prefix.with_name(name)
            if not part.is_file():
                raise Broken(f"{text(key)} lies in {name}, which is not there")
            sizes[entry.shard_id] = left[entry.shard_id] = part.stat().st_size
        _check_entry(tf, entry, text(key), sizes[entry.shard_id])
        left[entry.shard_id] -= entry.size
        if left[entry.shard_id] < 0:
            raise Broken("its tensors lie in one another")


def _check_entry(tf: Any, entry: Any, name: str, available: int) -> None:
    try:
        kind = tf.as_dtype(entry.dtype)
    except TypeError:
        raise Broken(f"{name} is of kind {entry.dtype}, which there is not") from None
    extents = [dim.size for dim in entry.shape.dim]
    if kind._is_ref_dtype or entry.shape.unknown_rank:
        raise Broken(f"{name} is of kind {kind.name}, as no tensor in a file is")
    if len(extents) > _MOST_AXES or min(extents, default=0) < 0:
        raise Broken(f"{name} has the extents {str(extents)[:80]}")
    if entry.offset < 0 or entry.size < 0 or entry.offset + entry.size > available:
        raise Broken(f"{name} lies beyond the {available:,} bytes of its file")
    if entry.slices:  # whose numbers stand in entries of their own
        _check_slices(entry.slices, extents, name)
        return
    numbers = numbers_in(extents)
    plain = kind.is_floating or kind.is_integer or kind.is_complex or kind.is_bool
    # Whatever is no number has a byte at least, which tells its length.
    if numbers > entry.size or (plain and numbers * kind.size != entry.size):
        raise Broken(f"{name} would hold {numbers:,} of {kind.name} in {entry.size:,} bytes")


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
            raise Broken(f"{name} has slices that do not lie in it")
