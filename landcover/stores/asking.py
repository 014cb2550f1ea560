"""Stores behind URLs: asked again where that may help, and failing in one way, whatever their library."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from landcover.errors import StoreError
from landcover.stores.errors import as_ours, retry_after

R = TypeVar("R")

_log = logging.getLogger(__name__)

# Seconds before a store is asked again. Where one request in five fails, one call in 80,000 still does
# after these.
_WAITS = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0)
# The most that is waited because a store says so (Retry-After).
_LONGEST = 60.0

# Stores that failed to the last when they were asked before: until one answers, it is asked once.
_down: set[str] = set()


class Store:
    """A file system of fsspec whose methods ask again, and raise what :func:`asked` raises.

    Args:
        system: of fsspec.
        name: the store, as in "https://host" or "abfs://account".
        connect: makes the file system with the credentials that there are by then: where the store
            refuses those that it was made with, they may have run out. None: it stays as it is.
    """

    def __init__(self, system: Any, name: str, connect: Callable[[], Any] | None = None) -> None:
        self.system, self.name, self._connect = system, name, connect
        _ask_once(system)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.system, name)
        if not callable(found):
            return found

        def ask(*arguments: Any, **options: Any) -> Any:
            path = arguments[name == "put_file"] if arguments else None
            where = self.system.unstrip_protocol(path) if isinstance(path, str) else self.name

            def by(system: Any) -> Any:
                return asked(self.name, where, lambda: getattr(system, name)(*arguments, **options))

            used = self.system
            try:
                return by(used)
            except StoreError as error:
                if not (error.refused and self._renewed(used)):
                    raise
            return by(self.system)

        return ask

    def _renewed(self, used: Any) -> bool:
        """Take the credentials that there are now; whether they are others than those just used."""
        system = used if self._connect is None else self._connect()
        if system is used:  # fsspec keeps one for the same arguments
            return False
        if system is not self.system:
            _log.warning("%s refuses the credentials it took before: others are there", self.name)
            self.system = system
            _ask_once(system)
        return True

    def exists(self, path: str) -> bool:
        """Whether there is something; some libraries say no where the store has not answered."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def isdir(self, path: str) -> bool:
        """Whether there is a folder, or what stands for one."""
        try:
            return bool(self.info(path)["type"] == "directory")
        except FileNotFoundError:
            return False

    def head(self, path: str, most: int) -> bytes:
        """What a file begins with.

        Args:
            path: of the file.
            most: bytes of it; a server that knows no ranges sends all of it.

        Raises:
            FileNotFoundError: there is none.
            StoreError: the store fails.
        """
        try:
            content: bytes = self.cat_file(path, start=0, end=most)
        except StoreError as error:
            if error.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            return b""  # of no bytes, not even the first can be had
        return content[:most]

    def open(self, path: str) -> io.BufferedReader:
        """A file to read from at any place; a request brings at least 64 KiB."""
        return io.BufferedReader(_File(self, path), 65536)


class _File(io.RawIOBase):
    """A file in a store, read by ranges."""

    def __init__(self, store: Store, path: str) -> None:
        self._store, self._path, self._at = store, path, 0
        self._size = int(store.info(path)["size"])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        start, stop = self._at, min(self._at + len(buffer), self._size)
        if stop <= start:
            return 0
        content = self._store.cat_file(self._path, start=start, end=stop)
        if len(content) > stop - start:  # a server that knows no ranges sends all of it
            content = content[start:stop]
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def is_down(store: str) -> bool:
    """Whether a store failed to the last when it was asked before."""
    return store in _down


def down() -> list[str]:
    """The stores that failed to the last when they were asked before."""
    return sorted(_down)


def asked(store: str, where: str, call: Callable[[], R]) -> R:
    """What a call to a store returns; it is called again where the store fails for a moment.

    Args:
        store: its name; one that is down is asked once until it answers again.
        where: what it is asked for, for messages.
        call: with one effect, however often it is called.

    Raises:
        FileNotFoundError: the store says that there is no such thing.
        StoreError: it fails, also after half a minute, or says no.
        OSError: what else is no fault of the store, such as FileExistsError.
    """
    waits = iter(() if store in _down else _WAITS)
    while True:
        try:
            result = call()
        except Exception as error:
            found = as_ours(error, where)
            if found is error:
                raise
            wait = next(waits, None) if getattr(found, "retryable", False) else None
            if wait is None:
                (_down.add if getattr(found, "retryable", False) else _down.discard)(store)
                raise found from error
            _log.debug("asked again: %s", found)
            time.sleep(max(wait, min(retry_after(error), _LONGEST)))
        else:
            _down.discard(store)
            return result


def _ask_once(system: Any) -> None:
    """Let Azure's client not ask again by itself: it would for 90 s, whatever Retry-After says."""
    client = getattr(system, "service_client", None)
    for policy in getattr(getattr(client, "_pipeline", None), "_impl_policies", ()):
        if hasattr(policy, "total_retries"):
            policy.total_retries = 0
