"""Files of a local disk: written under another name, flushed, read back, and only then given theirs."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from landcover.errors import OutputError

TEMPORARY = ".writing-"
_CHUNK = 2**22

_ROOM = "make room there, then give the same command again"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EIO: "mend the disk, or name another place, then give the same command again",
    errno.EROFS: "name another place, or let it be written to",
}

OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""What disks say that are full, or fail."""

# What file systems without hard links say: FAT, FUSE (blobfuse), some shares.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)


def with_remedy(error: OSError) -> str:
    """What a disk says, and what helps, where that is known."""
    said, remedy = error.strerror or str(error), _REMEDIES.get(error.errno or 0)
    return f"{said}: {remedy}" if remedy else said


@contextmanager
def neighbour(path: Path) -> Iterator[Path]:
    """A temporary neighbour of a file, to take its place; else it is removed at the end.

    Raises:
        OSError: it has no name, as "." has none; or in its place is a device, a pipe or a socket, which
            no file replaces.
    """
    if not path.name:
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
            raise OSError(errno.EINVAL, "is no regular file, and is not replaced", str(path))
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch(beside: Path | None = None, prefix: str = "landcover-") -> Iterator[Path]:
    """A folder for work in progress, removed at the end; what the disk does not let go of stays there.

    Args:
        beside: the folder that it is in; None: that of the system for such things.
        prefix: of its name.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix=prefix, dir=beside, ignore_cleanup_errors=True)
    except OSError as error:
        if beside is not None:
            raise OutputError(str(beside), f"cannot be written: {with_remedy(error)}") from error
        raise OutputError("work in progress", without_room(error)) from error
    with made as folder:
        yield Path(folder)


@contextmanager
def scratch_file() -> Iterator[IO[bytes]]:
    """A file for work in progress, which is gone at the end.

    Raises:
        OutputError: it cannot be made.
    """
    with scratch() as folder, (folder / "file").open("w+b") as file:
        yield file


def without_room(error: Exception) -> str:
    """What is said where a system's folder of temporary files takes nothing."""
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    helps = "make room there, or name another folder in TMPDIR; then give the same command again"
    return f"cannot be kept ({said}): {helps}"


def linked(temporary: Path, path: Path) -> bool:
    """Give a file its name, unless there is one of that name; whether that was done."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            return False
        temporary.replace(path)
    flush_folder(path.parent)
    return True


def write_whole(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file that others see whole or not at all, read back before it gets its name.

    Raises:
        OSError: it cannot be written; nothing is left behind then.
    """
    with neighbour(path) as temporary:
        write_checked(temporary, chunks)
        temporary.replace(path)
        flush_folder(path.parent)


def write_checked(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file, and make sure that it holds what was meant.

    Raises:
        OSError: if it does not.
    """
    meant = found = 0
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            meant = zlib.crc32(chunk, meant)
        file.flush()
        os.fsync(file.fileno())  # else a power cut may leave a name without content
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found = zlib.crc32(chunk, found)
    if found != meant:
        raise OSError(errno.EIO, "what is read back is not what was written")


def flush_folder(path: Path) -> None:
    """Make the names in a folder last; some file systems know no such thing."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(folder)


def remove_tree(path: Path) -> None:
    """Remove a folder, if there is one; others may be writing to it or removing it meanwhile."""
    for last in (*[False] * 9, True):
        if path.is_symlink() or not path.is_dir():
            return
        try:
            shutil.rmtree(path)
        except OSError as error:
            if last or error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                raise
