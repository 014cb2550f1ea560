"""Why a file that could not be read cannot be had: it is asked for by a single byte.

GDAL tells a store that is down, a file that is gone and bytes that are damaged in words alone, which hold
the file's name. Its store, or the operating system, tells them apart by a status or an error number.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from landcover.errors import SourceError, StoreError
from landcover.stores.asking import is_down
from landcover.stores.errors import PASSING_ERRNOS
from landcover.stores.urls import file_of, file_system, is_remote, store_of


class Trouble(NamedTuple):
    """Why a file cannot be had.

    Args:
        reason: in a sentence, without the file's name.
        passing: asking later may help, or with other credentials.
    """

    reason: str
    passing: bool


def trouble(files: Iterable[str]) -> Trouble | None:
    """What keeps the first of some files from being read that cannot be; None where all answer."""
    found = ((file, _remote(file) if is_remote(file) else _local(file)) for file in files)
    first = next(((file, one) for file, one in found if one is not None), None)
    return None if first is None else first[1]


def known_trouble(files: Iterable[str]) -> Trouble | None:
    """What :func:`trouble` says, where a store was down before; else None, without asking."""
    down = [file for file in files if is_remote(file) and is_down(store_of(file))]
    return trouble(down[:1])


def alive(store: str) -> bool:
    """Whether a store answers, be it with a no, when it is asked for its root.

    Args:
        store: its name (:func:`landcover.stores.urls.store_of`).
    """
    try:
        system, path = file_system(f"{store}/")
        system.info(path)
    except StoreError as error:
        return not error.retryable
    except (OSError, SourceError):
        pass
    return True


def readable(file: str) -> None:
    """See that a local file is there, regular, and can be read: GDAL would wait for a pipe for ever.

    Raises:
        OSError: it is not; ``strerror`` says why.
    """
    handle = os.open(file_of(file), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        kind = os.fstat(handle).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise OSError(0, "is no regular file", file)
        if stat.S_ISREG(kind):
            os.read(handle, 1)
    finally:
        os.close(handle)


def _local(file: str) -> Trouble | None:
    try:
        readable(file)
    except OSError as error:
        return Trouble(error.strerror or str(error), error.errno in PASSING_ERRNOS)
    return None


def _remote(file: str) -> Trouble | None:
    try:
        system, path = file_system(file)
        system.cat_file(path, start=0, end=1)
    except FileNotFoundError:
        return Trouble("no such file", passing=False)
    except StoreError as error:
        return Trouble(error.reason, error.retryable or error.refused)
    except SourceError as error:  # here; another worker may have what is missing
        return Trouble(error.reason, passing=True)
    except OSError as error:
        return Trouble(error.strerror or str(error), passing=False)
    return None
