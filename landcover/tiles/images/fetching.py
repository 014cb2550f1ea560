"""The bytes of small files, local or remote; a file that cannot be had does not stop the others."""

from __future__ import annotations

from collections.abc import Sequence
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


# Images that are tiles have some hundred kilobytes.
_MOST_BYTES = 2**31

Content: TypeAlias = bytes | Unreachable


def fetch(paths: Sequence[str]) -> list[Content]:
    """Read files whole; remote ones at the same time, where their file system can do that.

    Args:
        paths: local paths, or URLs of one file system.

    Returns:
        the bytes of each file, or why they could not be had, in the order of the paths.
    """
    if not paths or not is_remote(paths[0]):
        return [_local(path) for path in paths]
    try:
        system, _ = file_system(paths[0])
        inside = [system._strip_protocol(path) for path in paths]
        found = system.cat(inside, on_error="return")
    except (OSError, SourceError) as error:
        return [_unreachable(error)] * len(paths)
    return [
        part if isinstance(part, bytes) else _again(system, path)
        for path, part in ((path, found.get(path)) for path in inside)
    ]


def _again(system: Store, path: str) -> Content:
    """Ask for a file by itself, as often as may help."""
    try:
        content: bytes = system.cat_file(path)
    except OSError as error:
        return _unreachable(error)
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
