"""Variables of the environment that libraries read when they start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


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
