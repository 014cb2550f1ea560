"""One run at a time in one directory."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from landcover.errors import LandcoverError, OutputError, StoreError
from landcover.local_files import with_remedy, write_checked
from landcover.runs.storage import HOLDER, LOCK, Storage
from landcover.small_files import open_lock

BEAT = 10.0

_log = logging.getLogger(__name__)

_held: set[str] = set()
_held_guard = threading.Lock()


@contextmanager
def only_run(storage: Storage, beat: float = BEAT) -> Iterator[str]:
    """Hold a run directory while the ``with`` block lasts.

    A local directory is held by a lock of the operating system, which dies with the process. Behind
    a URL there is no such thing: a file there is written anew every ``beat`` seconds, and one that
    stands still for two beats and a half is held to be left over. A holder that could not renew it
    for so long may have been replaced, and workers may go on when the process that held it is gone:
    the token is what their writes are told apart by.

    Args:
        storage: the directory; a local one exists.
        beat: seconds, used behind URLs.

    Yields:
        the token of this run (``Storage.fence``).

    Raises:
        OutputError: if another run holds it, or its file system knows no locks.
    """
    if storage.local is None:
        with _heartbeat(storage, beat) as token:
            yield token
    else:
        with (
            _held_here(str(storage.local.resolve())),
            _system_lock(storage.local / LOCK),
            _told(storage.local / HOLDER) as token,
        ):
            yield token


def forget_left_over(
    storage: Storage, others: Callable[[], Iterable[str]] = lambda: (), beat: float = BEAT
) -> None:
    """Remove what a command left that was killed after it had said that all is done.

    A command that finds all done must ask for this: it needs no lock, and so would leave that of the one
    before it. No error holds it up: where another one holds the directory, or it cannot be read or
    written, all stays as it is. Behind a URL it takes two beats and a half, where anything is left over,
    to see that nobody renews the lock.

    Args:
        storage: the directory, which exists.
        others: the names of files and folders that are to go with the lock; asked for again once the
            directory is held, as another command may have come between.
        beat: seconds between signs of life behind URLs.
    """
    with suppress(LandcoverError, OSError):
        if {LOCK, HOLDER} & {*storage.names()} or [*others()]:
            if storage.local is None:
                _log.warning(
                    "%s: a command was killed here, or is under way: %.0f s tell which, before what "
                    "it left is removed",
                    storage.root,
                    2.5 * beat,
                )
            with only_run(storage, beat) as token:
                held = replace(storage, fence=token)
                for name in others():
                    held.remove_folder(name)
                    held.remove(name)


@contextmanager
def _held_here(name: str) -> Iterator[None]:
    """Locks of the system do not keep threads of one process apart: a set of names does."""
    with _held_guard:
        if name in _held:
            raise _busy(name, "by this process")
        _held.add(name)
    try:
        yield
    finally:
        with _held_guard:
            _held.remove(name)


@contextmanager
def _system_lock(path: Path) -> Iterator[None]:
    try:
        handle = open_lock(path, 0o666)
    except OSError as error:
        raise OutputError(str(path.parent), f"cannot be written: {with_remedy(error)}") from error
    file = os.fdopen(handle, "r")
    try:
        try:
            # lockf, not flock: forked workers that outlive the run must not go on holding it.
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not path.exists() or not os.path.samestat(os.fstat(handle), path.stat()):
                raise BlockingIOError  # its holder removed the file while this one opened it
        except (BlockingIOError, PermissionError):
            raise _busy(str(path.parent), file.read().strip() or "elsewhere") from None
        except OSError as error:
            reason = (
                f"files cannot be locked there ({error.strerror}), and without locks two runs may "
                "mix: name an output on another file system"
            )
            raise OutputError(str(path.parent), reason) from error
        with suppress(OSError):  # where the disk is full, others are not told whose lock it is
            os.ftruncate(handle, 0)
            os.pwrite(handle, _holder().encode(), 0)
        try:
            yield
        finally:
            with suppress(OSError):  # one that is left over holds nobody up
                path.unlink(missing_ok=True)
    finally:
        with suppress(OSError):  # nothing of a lock could be lost
            file.close()


@contextmanager
def _told(path: Path) -> Iterator[str]:
    """Tell workers who holds a directory: whoever opens and closes the lock's own file gives it up.

    Where the disk is full nobody is told, and writes are not told apart.
    """
    token = uuid.uuid4().hex
    try:
        path.unlink(missing_ok=True)  # whoever made the directory may have put a link there
        write_checked(path, [token.encode()])
    except OSError:
        token = ""
    try:
        yield token
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def _heartbeat(storage: Storage, beat: float) -> Iterator[str]:
    mark = f"{_holder()} #{uuid.uuid4().hex}"
    stop = threading.Event()
    first = f"{mark} 0".encode()
    if _content(storage) or not storage.put_new(LOCK, first):
        _wait_for_silence(storage, beat)
        storage.put(LOCK, first)
    thread = threading.Thread(target=_beat, args=(storage, mark, beat, stop), daemon=True)
    thread.start()
    try:
        stop.wait(beat / 10)  # of two that start together the one that wrote last goes on
        if not (now := _content(storage)).startswith(mark):
            raise _busy(storage.root, now.split(" #")[0])
        yield mark
    finally:
        stop.set()
        thread.join()
        with suppress(StoreError, OutputError):  # one that is left over holds nobody up for long
            if _content(storage).startswith(mark):
                storage.remove(LOCK)


def _wait_for_silence(storage: Storage, beat: float) -> None:
    """Return at once where nothing holds the directory, later where its holder is gone."""
    before = _content(storage)
    if not before:
        return
    threading.Event().wait(2.5 * beat)
    if _content(storage) not in ("", before):
        raise _busy(storage.root, before.split(" #")[0])


def _beat(storage: Storage, mark: str, beat: float, stop: threading.Event) -> None:
    """Renew the lock until the run ends or is replaced, whatever the store does meanwhile."""
    count = 1
    while not stop.wait(beat):
        try:
            if _content(storage).startswith(mark):
                storage.put(LOCK, f"{mark} {count}".encode())
        except Exception as error:  # noqa: BLE001  (a thread that ends would give the lock away)
            _log.warning("the lock could not be kept fresh, and is tried again: %s", error)
        count += 1


def _content(storage: Storage) -> str:
    try:
        return storage.read(LOCK).decode(errors="replace")
    except FileNotFoundError:
        return ""


def _holder() -> str:
    return f"by process {os.getpid()} on {socket.gethostname()}"


def _busy(where: str, holder: str) -> OutputError:
    return OutputError(
        where, f"is being written {holder}: wait for that run, or name another output"
    )
