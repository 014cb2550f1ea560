"""Ctrl-C and SIGTERM: the first one ends a run so that it can be gone on with, a second one at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GOES_ON = "interrupted: the same command goes on where this run stopped"

_ENDING = (signal.SIGINT, signal.SIGTERM)

# A terminal, or timeout(1), tells a process and those that it has started of one and the same end.
_SAME_SECONDS = 0.3


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt for the first signal; for a second one end the process, with code 1.

    The same one again at once is not a second one. To be used in the main thread.
    """
    before = {number: signal.signal(number, _first) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _first(number: int, frame: FrameType | None) -> None:
    at = time.monotonic()

    def second(again: int, frame: FrameType | None) -> None:
        if again == number and time.monotonic() - at < _SAME_SECONDS:
            return
        os.write(2, f"{GOES_ON}\n".encode())
        os._exit(1)

    for ending in _ENDING:
        signal.signal(ending, second)
    raise KeyboardInterrupt
