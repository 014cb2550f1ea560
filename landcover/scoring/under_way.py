"""Tasks that a process has begun and not ended: so the next one knows under which of them it died.

A decoder or a runtime that crashes in the driver's own process leaves nothing behind that could say
where, and the same command would die there again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from landcover.errors import WorkerDied
from landcover.models.cache import cache_folder, own_folder

# Under so many deaths a task is suspected: whoever kills a run by hand hardly hits the same one twice.
_DEATHS = 2

_crashed = False


def after_crash() -> None:
    """Note that the process before this one is known to have crashed, and was not killed by hand."""
    global _crashed
    _crashed = True


@dataclass(frozen=True)
class UnderWay:
    """The tasks of one run that are under way in this process, told by files of this host.

    A file stands for a task and has a byte for each time that it was begun.

    Args:
        run: the root of its directory.
    """

    run: str

    @contextmanager
    def noted(self, index: int, worker: str) -> Iterator[None]:
        """Note a task while the ``with`` block lasts.

        Args:
            index: its place in the plan.
            worker: this process, for the message.

        Raises:
            WorkerDied: it was under way when this process died before, so it must be done apart.
        """
        path = self._folder / str(index)
        deaths = path.stat().st_size if path.exists() else 0
        if deaths >= (1 if _crashed else _DEATHS):
            raise WorkerDied(worker, "the process that had it died each time")
        with suppress(OSError):  # a disk that is full is no reason to fail here
            own_folder(self._name)
            with _opened(path, os.O_APPEND) as file:
                file.write(b".")
        try:
            yield
        finally:
            self.clear(index)

    def suspect(self, index: int) -> None:
        """Do a task apart from now on, until nothing dies of it any more."""
        path = self._folder / str(index)
        with suppress(OSError), _opened(path, os.O_TRUNC) as file:
            file.write(b"." * _DEATHS)

    def clear(self, index: int) -> None:
        """Suspect a task no more: it was done apart, and nothing died."""
        with suppress(OSError):
            (self._folder / str(index)).unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        return cache_folder() / self._name

    @property
    def _name(self) -> str:
        return f"under-way/{hashlib.sha256(self.run.encode()).hexdigest()[:24]}"


def _opened(path: Path, how: int) -> BinaryIO:
    """A file to write to, never one elsewhere by a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags | how, 0o600), "wb")
