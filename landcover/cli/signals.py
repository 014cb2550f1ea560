"""Ctrl-C and SIGTERM: the first one ends a run so that it can be gone on with, a second one at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GOES_ON = "interrupted: the same command goes on where this run stopped"

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt for the first signal; for a second one end the process, with code 1.

    To be used in the main thread.
    """
    before = {number: signal.signal(number, _first) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _first(number: int, frame: FrameType | None) -> None:
    for ending in _ENDING:
        signal.signal(ending, _second)
    raise KeyboardInterrupt


def _second(number: int, frame: FrameType | None) -> None:
    os.write(2, f"{GOES_ON}\n".encode())
    os._exit(1)
