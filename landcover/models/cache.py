"""What is fetched, converted or found out once on a host and kept for the next process: a folder of one user.

What lies there decides what is computed, so that nobody else may have put it there: the folder and what is in
it belong to this user, others may not write into it, and no link of it is followed.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from landcover.errors import OutputError
from landcover.local_files import OF_DISKS
from landcover.small_files import open_lock

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """The folder for fetched and converted models; it may be removed whenever no run is going on.

    ``LANDCOVER_CACHE`` names it; otherwise it is ``landcover`` in ``XDG_CACHE_HOME``, or in
    ``~/.cache``.
    """
    told = os.environ.get("LANDCOVER_CACHE")
    if told:
        return Path(told).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "landcover"


def own_folder(name: str) -> Path:
    """A folder of the cache, made where there is none.

    Args:
        name: relative to the cache's folder.

    Raises:
        OutputError: it is another user's, or a link, or others may write into the cache, or this
            user may not.
    """
    folder = cache_folder()
    with _told(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = folder.stat()  # the cache itself may be a link of the user's
    _check_own(folder, held)
    if held.st_mode & 0o022:
        reason = f"others may write into this cache (its mode is {stat.S_IMODE(held.st_mode):o})"
        raise OutputError(str(folder), f"{reason}: chmod go-w, or name another in LANDCOVER_CACHE")
    for part in PurePosixPath(name).parts:
        folder /= part
        with _told(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            held = folder.lstat()
        _check_own(folder, held)
    return folder


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """A file or folder of the cache, made first where it is not there yet.

    It appears whole or not at all, and processes of one host that ask at the same time wait for
    the one that makes it.

    Args:
        name: relative to the cache's folder; it must change whenever the content would.
        make: writes the file or folder at the path that it is given, which does not exist yet.

    Raises:
        OutputError: what is there is another user's, or a link, or the cache cannot be written to.
    """
    path = own_folder(str(PurePosixPath(name).parent)) / PurePosixPath(name).name
    if _is_there(path):
        return path
    with alone(path):
        if not _is_there(path):
            _make_whole(path, make)
    return path


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let processes of one host that would make the same file of the cache do so one after the other.

    Where files cannot be locked, as on some mounts, each of them makes it; it is whole all the same.

    Args:
        path: of the file or folder.

    Raises:
        OutputError: its folder is another user's, or a link, or the cache cannot be written to.
    """
    own_folder(str(path.parent.relative_to(cache_folder())))
    with _told(path):
        handle = open_lock(path.with_name(f".{path.name}.lock"))
    with os.fdopen(handle, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            _log.info("%s: cannot be locked, so others may make it too: %s", path, error.strerror)
        yield


def noted(path: Path, text: str) -> None:
    """Keep a few words in the cache, whole or not at all; where the disk refuses, they are found anew.

    Args:
        path: of the file, in the cache's folder.
        text: what it holds.
    """
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        own_folder(str(path.parent.relative_to(cache_folder())))
        scratch.touch(0o600)  # whatever the umask: what others may write is not believed
        scratch.write_text(text)
        scratch.replace(path)
    except OSError as error:
        _log.warning("%s: cannot be kept for the next time: %s", path, error.strerror or error)
    finally:
        with suppress(OSError):
            scratch.unlink()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say what helps where the cache takes nothing."""
    try:
        yield
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> OutputError:
    reason = f"this cache cannot be used ({error.strerror or error})"
    return OutputError(str(path), f"{reason}: name another one in LANDCOVER_CACHE")


def _is_there(path: Path) -> bool:
    try:
        _check_own(path, path.lstat())
    except FileNotFoundError:
        return False
    return True


def _check_own(path: Path, held: os.stat_result) -> None:
    """Raise where what lies in the cache may be somebody else's."""
    if stat.S_ISLNK(held.st_mode):
        raise OutputError(str(path), "is a link, and the cache has none: remove it")
    if held.st_uid not in (os.geteuid(), 0):  # who is root here may do all that this user may
        reason = "belongs to another user: remove it, or name another cache in LANDCOVER_CACHE"
        raise OutputError(str(path), reason)


def _make_whole(path: Path, make: Callable[[Path], None]) -> None:
    with _told(path):
        scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=path.parent))
    try:
        made = scratch / path.name
        try:
            make(made)
        except OSError as error:
            if error.errno not in OF_DISKS:
                raise
            raise _unusable(path, error) from error
        _take_place(made, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _take_place(made: Path, path: Path) -> None:
    try:
        made.rename(path)
    except OSError as error:
        # A folder takes no other's place: where none could wait, one was first.
        if not _is_there(path):
            raise _unusable(path, error) from error
