"""Small files that anyone may have written: regular, of a bounded size, and plain."""

from __future__ import annotations

import errno
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Hashable
from pathlib import Path
from typing import Any, BinaryIO

import yaml

# A configuration of ten thousand scenes is under a megabyte.
MOST_BYTES = 4_000_000
# Read at once of a file that is longer than it was when it was opened.
_BLOCK = 2**20
_MOST_DEPTH = 20
# Values and keys, each of which takes some 50 microseconds; and the characters of a number.
_MOST_NODES, _LONGEST_NUMBER = 100_000, 1_000

ZIP_FAILURES = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError),
    *(LookupError, ValueError, OSError),
)
"""What Python's reader of ZIP files raises for damaged ones; those have no root in common."""


def read_regular(path: str | Path, most: int = MOST_BYTES) -> bytes:
    """The content of a file of a few megabytes at most, without waiting for a pipe or a device.

    Args:
        path: of a local file.
        most: bytes it may have.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger; ``strerror`` says which.
    """
    handle, size = _regular(path)
    try:
        _check_length(size, most, path)
        # Room for no more than is there: a file object would take some for all that may be.
        content = part = os.read(handle, size + 1)
        while part and len(content) != size:
            _check_length(len(content), most, path)
            part = os.read(handle, _BLOCK)
            content += part
        return content
    finally:
        os.close(handle)


def _check_length(size: int, most: int, path: str | Path) -> None:
    if size > most:
        reason = f"has {size:,} bytes, more than the {most:,} of such a file"
        raise OSError(errno.EFBIG, reason, str(path))


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file to read from, without waiting for a pipe or a device.

    Args:
        path: of a local file.

    Raises:
        OSError: it cannot be read, or is no regular file; ``strerror`` says which.
    """
    handle, _ = _regular(path)
    return os.fdopen(handle, "rb")


def _regular(path: str | Path) -> tuple[int, int]:
    """The descriptor of a regular file, and its size."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    state = os.fstat(handle)
    if stat.S_ISREG(state.st_mode):
        return handle, state.st_size
    os.close(handle)
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder", str(path))
    raise OSError(errno.EINVAL, "is no regular file", str(path))


def open_lock(path: str | Path, mode: int = 0o600) -> int:
    """Open a file that is locked, made where there is none, and never one elsewhere by a link of either kind.

    Args:
        path: of a local file.
        mode: its permissions where it is made.

    Returns:
        its descriptor, to read and write; the caller closes it.

    Raises:
        OSError: it cannot be opened, is a link, has another name, or is no regular file; ``strerror`` says which.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise OSError(errno.ELOOP, "is a link, and locks are none: remove it", str(path)) from None
    held = os.fstat(handle)
    if stat.S_ISREG(held.st_mode) and held.st_nlink <= 1:  # none: its holder has removed it
        return handle
    os.close(handle)
    if stat.S_ISREG(held.st_mode):
        reason = "is a file that has another name too (a hard link), and locks have none: remove it"
        raise OSError(errno.EMLINK, reason, str(path))
    raise OSError(errno.EINVAL, "is no regular file", str(path))


def load_yaml(text: str) -> Any:
    """The plain values that a text in YAML stands for.

    Raises:
        yaml.YAMLError: it is no YAML, a key of a mapping is there twice or no plain value, it has anchors (a
            few bytes of them can stand for gigabytes), or it is nested deeper, or longer, than any settings are.
    """
    try:
        return yaml.load(text, _Plain)
    except (ValueError, TypeError) as error:  # of dates such as 2016-13-45, of keys that are lists
        raise yaml.YAMLError(str(error)) from None


def load_json(text: str | bytes) -> Any:
    """The values that a text in JSON stands for.

    Raises:
        ValueError: it is no JSON, or nested deeper than it can be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


class _Plain(yaml.SafeLoader):
    depth = count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        self.count += 1
        if self.count > _MOST_NODES:
            reason = f"has more than {_MOST_NODES:,} keys and values"
            raise yaml.composer.ComposerError(None, None, reason, event.start_mark)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            reason = "anchors and aliases are not allowed here: write the value out"
            raise yaml.composer.ComposerError(None, None, reason, event.start_mark)
        if self.depth >= _MOST_DEPTH:
            reason = f"is nested deeper than {_MOST_DEPTH} levels"
            raise yaml.composer.ComposerError(None, None, reason, event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_scalar(self, node: Any) -> Any:
        value: Any = super().construct_scalar(node)
        if "\0" in value:
            reason = "the character of number 0 is in no name"
            raise yaml.constructor.ConstructorError(None, None, reason, node.start_mark)
        if node.tag.endswith((":int", ":float")) and len(value) > _LONGEST_NUMBER:
            reason = f"a number of {len(value):,} characters"
            raise yaml.constructor.ConstructorError(None, None, reason, node.start_mark)
        return value

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                reason = f"the key {key.value!r} is there twice"
                raise yaml.constructor.ConstructorError(None, None, reason, key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)
