"""The bytes of small files, local or remote; a file that cannot be had does not stop the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from landcover.errors import SourceError, StoreError
from landcover.small_files import read_regular
from landcover.stores.asking import Store
from landcover.stores.errors import PASSING_ERRNOS
from landcover.stores.urls import file_system, is_remote


class Unreachable(Exception):
    """The bytes of a file could not be had; ``retryable``: trying again may help."""

    def __init__(self, reason: str, retryable: bool) -> None:
        super().__init__(reason, retryable)
        self.reason, self.retryable = reason, retryable

    def __str__(self) -> str:
        return self.reason


Content: TypeAlias = bytes | Unreachable

# Of an image that is read whole, by several threads at the same time: the most pixels that one may
# have, in four bands.
_MOST_BYTES = 2**28
# Images that are tiles have some hundred kilobytes; larger ones are fetched by themselves.
_SMALL = 2**20


def fetch(paths: Sequence[str]) -> Iterator[Content]:
    """Read files whole; small remote ones at the same time, where their file system can do that.

    Args:
        paths: local paths, or URLs of one file system.

    Yields:
        the bytes of each file, or why they could not be had, in the order of the paths; large ones are
        read when it is their turn.
    """
    if not paths or not is_remote(paths[0]):
        yield from map(_local, paths)
        return
    try:
        system, _ = file_system(paths[0])
        inside = [system._strip_protocol(path) for path in paths]
        found = system.cat_ranges(inside, 0, _SMALL + 1, on_error="return")
    except (OSError, SourceError) as error:
        yield from [_unreachable(error)] * len(paths)
        return
    for path, part in zip(inside, found, strict=True):
        small = isinstance(part, bytes) and len(part) <= _SMALL
        yield part if small else _alone(system, path)


def _alone(system: Store, path: str) -> Content:
    """Ask for a file by itself, as often as may help."""
    try:
        content = system.head(path, _MOST_BYTES + 1)
    except OSError as error:
        return _unreachable(error)
    if len(content) > _MOST_BYTES:
        return Unreachable(f"has more than the {_MOST_BYTES:,} bytes of an image", False)
    return content


def _local(path: str) -> Content:
    try:
        return read_regular(path, _MOST_BYTES)
    except OSError as error:
        passing = error.errno in PASSING_ERRNOS
        return Unreachable(f"cannot be read: {error.strerror or error}", passing)


def _unreachable(error: Exception) -> Unreachable:
    reason = error.reason if isinstance(error, (StoreError, SourceError)) else "no such file"
    passing = getattr(error, "retryable", False) or getattr(error, "refused", False)
    return Unreachable(f"cannot be read: {reason}", passing)
