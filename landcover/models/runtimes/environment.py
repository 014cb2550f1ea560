"""What libraries find around them when they start: variables, and a terminal that they may write on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def unless_set(name: str, value: str) -> Iterator[None]:
    """Set a variable inside the block, unless somebody has set it already.

    It does not outlast the block: processes that are started later inherit what the user told, and
    choose for themselves.

    Args:
        name: of the variable.
        value: what a library that starts inside shall find.
    """
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)


@contextmanager
def stderr_to(file: IO[bytes]) -> Iterator[None]:
    """Send to a file what is written on stderr inside the block, past Python too, as C++ does."""
    sys.stderr.flush()
    stderr = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)
