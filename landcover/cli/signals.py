"""Ctrl-C and SIGTERM: the first one lets a command put away what it began, a second one ends it at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GOES_ON = "interrupted: the same command goes on where this run stopped"
AGAIN = "interrupted: nothing half-written is left; give the same command again"
AT_ONCE = "interrupted at once: what was half-written may lie beside the output"

_ENDING = (signal.SIGINT, signal.SIGTERM)

# A terminal, or timeout(1), tells a process and those that it has started of one and the same end.
_SAME_SECONDS = 0.3


@contextmanager
def interruptible(said: str = AT_ONCE) -> Iterator[None]:
    """Raise KeyboardInterrupt for the first signal; for a second one end the process, with code 1.

    The same one again at once is not a second one. To be used in the main thread.

    Args:
        said: where a second one ends the process.
    """

    def first(number: int, frame: FrameType | None) -> None:
        _once(number, said)

    before = {number: signal.signal(number, first) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _once(number: int, said: str) -> None:
    at = time.monotonic()

    def second(again: int, frame: FrameType | None) -> None:
        if again == number and time.monotonic() - at < _SAME_SECONDS:
            return
        os.write(2, f"{said}\n".encode())
        os._exit(1)

    for ending in _ENDING:
        signal.signal(ending, second)
    raise KeyboardInterrupt
