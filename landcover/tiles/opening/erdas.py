"""ERDAS Imagine files: such a file may name others for its pixels and its overviews, which GDAL opens wherever they are."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from landcover.stores.urls import is_remote
from landcover.tiles.opening.allowed import Refused
from landcover.tiles.opening.content import is_waitless, opened

_MAGIC: Final = b"EHFA_HEADER_TAG\0"
# next, previous, parent, child, where its data lie and how long they are; name and type.
_ENTRY: Final = struct.Struct("<6I64s32s")
_MOST_ENTRIES: Final = 100_000
_LONGEST: Final = 2**20
# Entries that name files.
_NAMING: Final = (b"ExternalRasterDMS", b"DependentFile", b"RRDNamesList")
_TEXT: Final = re.compile(rb"[\x20-\x7e]{4,}")
# Of files that it is read with, which keep their name where it alone is given another.
_BESIDE: Final = (".ige", ".rrd")
# Texts beside names of files: how overviews were made.
_NO_NAME: Final = re.compile(rb"[\w ]+")


def check_erdas(file: str) -> None:
    """Refuse a file that names others than its pixels (.ige) and overviews (.rrd) in its own folder.

    Args:
        file: a local path or an fsspec URL; one of another format passes.

    Raises:
        OSError: it does, or it cannot be read.
    """
    own = PurePosixPath(file).stem.lower()
    with opened(file) as stream:
        found = [*_entries(stream)] if stream.read(len(_MAGIC)) == _MAGIC else []
    for name, data in found:
        for text in _TEXT.findall(data):
            named = text.partition(b"(:")[0].decode("ascii")
            if name == b"RRDNamesList":  # of overviews GDAL takes the last part alone
                named = re.split(r"[/\\]", named)[-1]
                if _NO_NAME.fullmatch(text):
                    continue
            if re.search(r"[/\\]", named) or not (
                named.lower().endswith(_BESIDE) or named.lower().rpartition(".")[0] == own
            ):
                raise Refused(f"names {named[:200]!r}, which is no part of it")
            if not is_remote(file) and not is_waitless(str(Path(file).with_name(named))):
                raise Refused(f"is read with {named[:200]!r}, which is no regular file")


def _entries(stream: IO[Any]) -> Iterator[tuple[bytes, bytes]]:
    """Names and data of the entries of a file that name others."""
    (head,) = struct.unpack("<I", _bytes(stream, len(_MAGIC), 4))
    (root,) = struct.unpack("<I", _bytes(stream, head + 8, 4))
    waiting, seen = [root], {0}
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        if len(seen) > _MOST_ENTRIES:
            raise Refused(f"has more than {_MOST_ENTRIES:,} entries")
        following, _, _, child, start, size, name, _ = _ENTRY.unpack(
            _bytes(stream, at, _ENTRY.size)
        )
        waiting += [following, child]
        name = name.partition(b"\0")[0]
        if name in _NAMING and start:
            yield name, _bytes(stream, start, min(size, _LONGEST))


def _bytes(stream: IO[Any], at: int, count: int) -> bytes:
    stream.seek(at)
    found: bytes = stream.read(count)
    if len(found) < count:
        raise Refused("is cut short or damaged")
    return found
