"""The state of files: what is another when a file is replaced by one of the same name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from landcover.errors import SourceError
from landcover.stores.urls import file_of, file_system, is_remote

# What file systems of fsspec tell of a file that changes with its content; the first one counts.
_STAMPS = ("etag", "last_modified", "lastmodified", "updated", "mtime", "modified", "created")

# Requests at a time: each waits some ten milliseconds for its store.
_REQUESTS = 32


def digest_of(*things: object) -> str:
    """A few characters that differ where things differ, which are told apart by their ``repr``."""
    return hashlib.blake2b(repr(things).encode(), digest_size=8).hexdigest()


def state_told(told: Mapping[str, Any]) -> str:
    """The state of a file by what an fsspec file system tells of it; "" where that says nothing."""
    known = {str(key).lower().replace("-", "_"): value for key, value in told.items()}
    stamps = (known[key] for key in _STAMPS if known.get(key))
    stamp = next(stamps, None)
    return "" if stamp is None else f"{known.get('size')} {stamp}"


def state_of(path: str) -> str:
    """The size of a file, and when it was modified or its ETag.

    Args:
        path: a local path or an fsspec URL.

    Returns:
        "" where that cannot be found out: whoever reads the file says why.
    """
    try:
        if is_remote(path):
            system, inside = file_system(path)
            told = system.info(inside)
            return state_told(told) or str(told.get("size"))
        found = os.stat(file_of(path))  # noqa: PTH116  (a million times)
    except (OSError, SourceError):
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def states_of(paths: Sequence[str]) -> list[str]:
    """The states of files, in their order; of remote ones, several are asked for at a time."""
    if not any(map(is_remote, paths)):
        return list(map(state_of, paths))
    with ThreadPoolExecutor(_REQUESTS) as pool:
        return list(pool.map(state_of, paths))
