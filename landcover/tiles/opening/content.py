"""What files show by their first bytes, and the text of small ones, here and behind URLs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from landcover.errors import StoreError
from landcover.small_files import open_regular, read_regular
from landcover.stores.urls import file_system, in_archive, is_remote
from landcover.tiles.opening.allowed import Refused

# GDAL looks at as many bytes when it asks its drivers whose a file is.
HEAD = 1024

# Requests at a time: each waits some ten milliseconds for its store.
_REQUESTS = 32

# First bytes of rasters whose decoders open no other file by what these hold: TIFF (and BigTIFF, both
# byte orders), PNG, JPEG, JPEG 2000 (boxes, codestream), ERDAS Imagine, NITF.
_SIGNATURES = (
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"),
    *(b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"EHFA_HEADER_TAG", b"NITF", b"NSIF"),
)
_TIFF = _SIGNATURES[:4]


def is_direct(head: bytes) -> bool:
    """Whether a file that begins so is a raster that needs no other file."""
    return head.startswith(_SIGNATURES) and b"<VRTDataset" not in head


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins so is a TIFF."""
    return head.startswith(_TIFF)


def is_waitless(path: str) -> bool:
    """Whether a local path can be opened without waiting: a file, a folder, or nothing has it."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def heads_of(files: list[str]) -> Iterator[tuple[str, bytes | None]]:
    """The first bytes of files, of remote ones at the same time; None where there is none.

    Raises:
        OSError: one cannot be read.
    """
    for file in files:
        if not is_remote(file):
            yield file, head_of(file)
    with ThreadPoolExecutor(_REQUESTS) as pool:
        remote = [file for file in files if is_remote(file)]
        yield from zip(remote, pool.map(head_of_remote, remote), strict=True)


def text_of(file: str, most: int) -> bytes:
    """The content of a small file.

    Raises:
        OSError: it cannot be read, or is larger.
    """
    if not is_remote(file):
        return read_regular(file, most)
    system, path = file_system(file)
    content = system.head(path, most + 1)
    if len(content) > most:
        raise Refused(f"{file} has more than the {most:,} bytes of such a file")
    return content


def opened(file: str) -> IO[Any]:
    """A file to read from at any place.

    Args:
        file: a local path or an fsspec URL.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    if is_remote(file) or in_archive(file):
        system, path = file_system(file)
        return system.open(path)
    return open_regular(file)


def head_of(file: str) -> bytes | None:
    """The first bytes of a local file; None where there is none.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as opened:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Refused(f"{file} is no regular file")
        return opened.read(HEAD)


def head_of_remote(file: str) -> bytes | None:
    """The first bytes of a file behind a URL; None where there is none.

    Raises:
        OSError: it cannot be read.
    """
    system, path = file_system(file)
    try:
        return system.head(path, HEAD)
    except FileNotFoundError:
        return None
    except StoreError as error:
        if error.retryable:
            raise
        return None  # some stores forbid what is not there, and GDAL is told the same
