"""Memory of the host that does not suffice: the same work with less of it.

Tasks then take turns in their process, with one read at a time and one tile a batch. Where the
kernel ends the process instead of refusing memory to it, whoever starts the next one says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, RLock
from typing import TypeVar

from landcover.errors import ModelError
from landcover.models.runtimes.memory import out_of_memory

R = TypeVar("R")

_log = logging.getLogger(__name__)

_short = Event()
_turn = RLock()


def spare_memory() -> None:
    """Do all that follows in this process with little memory."""
    _short.set()


def within_memory(work: Callable[[bool], R]) -> R:
    """Do some work; where memory does not suffice do it again with less, and so all that follows.

    Args:
        work: called with whether it must spare memory; nothing remains of a call that fails.

    Raises:
        MemoryError: not even so does it suffice.
    """
    if not _short.is_set():
        try:
            return work(False)
        except (MemoryError, ModelError) as error:
            if not out_of_memory(error):
                raise
            _log.warning(
                "memory is short (%s): going on with one task, one read and one tile at a time",
                str(error) or "MemoryError",
            )
            spare_memory()
    with _turn:
        try:
            return work(True)
        except ModelError as error:
            if out_of_memory(error):
                raise MemoryError(str(error)) from error
            raise
