"""The bytes of small files, local or remote; a file that cannot be had does not stop the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from landcover.small_files import read_regular
from landcover.tiles.storage import file_system, is_remote


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
    except Exception as error:  # noqa: BLE001 (libraries of stores raise errors of their own kinds)
        return [_unreachable(error)] * len(paths)
    return [
        part if isinstance(part, bytes) else _unreachable(part)
        for part in (found[path] for path in inside)
    ]


def _local(path: str) -> Content:
    try:
        return read_regular(path, _MOST_BYTES)
    except OSError as error:
        return Unreachable(f"cannot be read: {error.strerror or error}", retryable=False)


def _unreachable(error: BaseException) -> Unreachable:
    final = isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError))
    said = " ".join(str(error).split()) or type(error).__name__
    return Unreachable(f"cannot be read: {said}", retryable=not final)
