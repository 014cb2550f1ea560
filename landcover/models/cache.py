"""What is fetched or converted once on a host and kept for the next process: a folder of files."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

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


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """A file or folder of the cache, made first where it is not there yet.

    It appears whole or not at all, and processes of one host that ask at the same time wait for
    the one that makes it.

    Args:
        name: relative to the cache's folder; it must change whenever the content would.
        make: writes the file or folder at the path that it is given, which does not exist yet.
    """
    path = cache_folder() / name
    if path.exists():
        return path
    cache_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(open_lock(path.with_name(f".{path.name}.lock")), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _make_whole(path, make)
    return path


def noted(path: Path, text: str) -> None:
    """Keep a few words in the cache, whole or not at all; where the disk refuses, they are found anew.

    Args:
        path: of the file, in the cache's folder.
        text: what it holds.
    """
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.touch(0o600)  # whatever the umask: what others may write is not believed
        scratch.write_text(text)
        scratch.replace(path)
    except OSError as error:
        _log.warning("%s: cannot be kept for the next time: %s", path, error.strerror or error)
    finally:
        with suppress(OSError):
            scratch.unlink()


def _make_whole(path: Path, make: Callable[[Path], None]) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=path.parent))
    try:
        made = scratch / path.name
        make(made)
        made.rename(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
