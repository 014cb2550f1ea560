"""Ctrl-C and SIGTERM: the first one lets a command put away what it began, a second one ends it at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

GOES_ON = "interrupted: the same command goes on where this run stopped"
AGAIN = "interrupted: nothing half-written is left; give the same command again"
AT_ONCE = "interrupted at once: what was half-written may lie beside the output"

_ENDING = (signal.SIGINT, signal.SIGTERM)

# A terminal, or timeout(1), tells a process and those that it has started of one and the same end.
_SAME_SECONDS = 0.3


@contextmanager
def interruptible(said: str = AT_ONCE) -> Iterator[None]:
    """Raise KeyboardInterrupt for the first signal; for a second one end the process, with code 1.

    The same one again at once is not a second one. To be used in the main thread; within another
    such block the first signal is the first of both.

    Args:
        said: where a second one ends the process.
    """
    first = _First(said)
    before = {number: signal.signal(number, first) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            if not (first.came and isinstance(handler, _First)):
                signal.signal(number, handler)


def end_at_once(code: int) -> None:
    """From now on a signal ends the process as it ends anyway: all is done and said, libraries may take their time."""

    def end(number: int, frame: FrameType | None) -> None:
        os._exit(code)

    for ending in _ENDING:
        signal.signal(ending, end)


class _First:
    """What is done at the first signal.

    Args:
        said: where a second one ends the process.
    """

    def __init__(self, said: str) -> None:
        self.said, self.came = said, False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        _once(number, self.said)


def _once(number: int, said: str) -> NoReturn:
    at = time.monotonic()

    def second(again: int, frame: FrameType | None) -> None:
        if again == number and time.monotonic() - at < _SAME_SECONDS:
            return
        os.write(2, f"{said}\n".encode())
        os._exit(1)

    for ending in _ENDING:
        signal.signal(ending, second)
    raise KeyboardInterrupt
