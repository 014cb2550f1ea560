"""Files of a run directory, local or behind any fsspec URL: written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from landcover.errors import LandcoverError, OutputError, RunReplaced, SourceError
from landcover.local_files import (
    TEMPORARY,
    flush_folder,
    linked,
    neighbour,
    remove_tree,
    scratch,
    with_remedy,
    without_room,
    write_checked,
    write_whole,
)
from landcover.small_files import open_regular, read_regular
from landcover.stores.asking import Store
from landcover.stores.urls import file_system, refuse_secrets

LOCK = ".lock"
HOLDER = ".holder"
"""Beside the lock of a local directory: the token of the run that holds it."""
MOST_BYTES = 2**30
"""Of a file that is read as a whole: a part, its pixels, a picture."""
GONE = (
    "its folder is gone, perhaps removed while the run was writing to it; "
    "the same command begins it anew"
)
"""What is said of a file that a run under way does not find, or finds no place for."""


@dataclass(frozen=True)
class Storage:
    """The files below one root; a few bytes that pickle.

    Args:
        root: a local folder (a path or ``file://``) or an fsspec URL such as
            ``abfs://container/folder``. Credentials come from the environment of the process that
            uses it.
        fence: the token of the run that holds it (:func:`landcover.runs.lock.only_run`); where
            another run has taken it over, nothing is written any more. "": not looked at.
    """

    root: str
    fence: str = ""

    @property
    def local(self) -> Path | None:
        """The root as a local folder, None for a URL."""
        if "://" not in self.root:
            return Path(self.root)
        return Path(self.root.removeprefix("file://")) if self._is_file_url else None

    def where(self, name: str) -> str:
        """The full path or URL of a file, for messages and for readers."""
        return str(self.local / name) if self.local else f"{self.root.rstrip('/')}/{name}"

    def prepare(self, *folders: str) -> None:
        """Make the root and folders in it, where that has a meaning (object stores have none).

        Raises:
            OutputError: if a folder cannot be made or written to.
        """
        if self.local is None:
            return
        for folder in ("", *folders):
            self._refuse_link(folder)
            try:
                (self.local / folder).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reason = f"this folder cannot be made ({error.strerror}): name another output"
                raise OutputError(self.where(folder), reason) from error
        if not os.access(self.local, os.W_OK | os.X_OK):
            raise OutputError(self.root, "this folder cannot be written to: name another output")

    def put(self, name: str, content: bytes) -> None:
        """Write a file: readers see all of it or nothing, whatever happens meanwhile.

        Raises:
            OutputError: if it cannot be written; nothing is left behind then.
        """
        if self.local is not None:
            self.put_chunks(name, [content])
            return
        with self._writing(name):
            self._check_held()
            # In one call: fsspec's memory:// shows others a file that is sent from one of the disk
            # while it is still empty.
            self._filesystem.pipe_file(self._key(name), content)
            self._check_size(name, len(content))

    def put_chunks(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file that need not fit into memory, as :meth:`put` does.

        What was written is read back before it gets its name: all of it from a local disk, its size
        from a store, which compares checksums by itself.

        Raises:
            OutputError: if it cannot be written; nothing is left behind then.
        """
        with self._writing(name):
            held = self._held_to_the_end(chunks)
            if self.local is None:
                self._send(name, held)
            else:
                write_whole(self.local / name, held)

    def put_quickly(self, name: str, content: bytes) -> None:
        """Write a file as :meth:`put` does, but without waiting until the disk holds it.

        For many small files, after which :meth:`settle` waits for all of them at once: the power may
        fail before, and leave some of them empty.

        Raises:
            OutputError: if it cannot be written; nothing is left behind then.
        """
        if self.local is None:
            self.put(name, content)
            return
        with self._writing(name):
            path = self.local / name
            with neighbour(path) as temporary:
                temporary.write_bytes(content)
                temporary.replace(path)

    def settle(self) -> None:
        """Wait until the disk holds all that was written; stores do by themselves."""
        if self.local is not None:
            os.sync()

    def settle_names(self, *folders: str) -> None:
        """Wait until the disk holds the names in folders: who gave them may have been killed before.

        Raises:
            OutputError: if the disk cannot.
        """
        for folder in folders if self.local else ():
            with self._writing(folder):
                if Path(self.where(folder)).is_dir():
                    flush_folder(Path(self.where(folder)))

    def put_new(self, name: str, content: bytes) -> bool:
        """Write a file as :meth:`put` does, unless there is one: of two writers the first one wins.

        Where a file system has no hard links, or a store of fsspec no conditional writes, writers
        that end within the same milliseconds are not told apart, and the last one wins.

        Returns:
            Whether it was written.

        Raises:
            OutputError: if it cannot be written; nothing is left behind then.
        """
        with self._writing(name):
            if self.local is None:
                return self._send_new(name, content)
            path = self.local / name
            with neighbour(path) as temporary:
                write_checked(temporary, [content])
                return linked(temporary, path)

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """The content of a file.

        Args:
            name: relative to the folder.
            most: bytes that it may have.

        Raises:
            FileNotFoundError: if there is none.
            OSError: it is no regular file, or has more.
        """
        if self.local is not None:
            return read_regular(self.local / name, most)
        # One more shows that there are more, without another request and without fetching all of them.
        content = self._filesystem.head(self._key(name), most + 1)
        if len(content) > most:
            raise OSError(errno.EFBIG, f"has more than {most:,} bytes", self.where(name))
        return content

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A file to read from at any place, without fetching all of it."""
        if self.local is not None:
            with open_regular(self.local / name) as file:
                yield file
        else:
            with self._filesystem.open(self._key(name)) as remote:
                yield remote

    def names(self, folder: str = "") -> list[str]:
        """The names of the files and folders in a folder, sorted; none where there is no folder."""
        try:
            if self.local is not None:
                return sorted(entry.name for entry in os.scandir(self.local / folder))
            self._filesystem.invalidate_cache()
            paths = self._filesystem.ls(self._key(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in paths)

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        if self.local is not None:
            return (self.local / name).is_file()
        self._filesystem.invalidate_cache()
        return bool(self._filesystem.exists(self._key(name)))

    def remove(self, name: str) -> None:
        """Remove a file if there is one."""
        with self._writing(name):
            if self.local is not None:
                (self.local / name).unlink(missing_ok=True)
            elif self.exists(name):
                self._check_held()
                with suppress(FileNotFoundError):  # the answer to a first try may have been lost
                    self._filesystem.rm_file(self._key(name))

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with all its files, if there is one.

        Raises:
            OutputError: if something in it cannot be removed.
        """
        with self._writing(folder):
            if self.local is not None:
                remove_tree(self.local / folder)
            elif self.names(folder):
                self._check_held()
                self._filesystem.rm(sorted(self._filesystem.find(self._key(folder))))

    def clear(self) -> None:
        """Remove everything but the lock: the root is held, and nothing there is anybody else's."""
        if self.local is not None:
            for name in set(self.names()) - {LOCK, HOLDER}:
                self.remove_folder(name)
                self.remove(name)
            return
        with self._writing(""):
            self._check_held()
            self._filesystem.invalidate_cache()
            keys = {*self._filesystem.find(self._key(""))} - {self._key(LOCK)}
            if keys:
                self._filesystem.rm(sorted(keys))

    def sweep(self, *folders: str) -> None:
        """Remove what processes that were killed left half-written."""
        for folder in folders if self.local else ():
            self._refuse_link(folder)
            with self._writing(folder):
                for path in Path(self.where(folder)).glob(f"{TEMPORARY}*"):
                    folded = path.is_dir() and not path.is_symlink()
                    # Workers that go on when their driver is gone may be removing it themselves.
                    remove_tree(path) if folded else path.unlink(missing_ok=True)

    def _refuse_link(self, folder: str) -> None:
        """Whoever made the run directory must not choose where else is written and removed.

        A folder above it may be a link: where runs lie is for their owner to say.
        """
        if not self.local or not (self.local / folder).is_symlink():
            return
        if folder:
            reason = "is a link out of the run directory: remove it, or name another output"
        else:
            there = os.path.realpath(self.local)
            reason = f"is a link to {there}: name that folder if it is meant, or another output"
        raise OutputError(self.where(folder), reason)

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        """Turn what a disk or a store raises into an error that says where."""
        try:
            if self.local is not None:
                self._check_held()
            yield
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(self.where(name), f"cannot be written: {_told(error)}") from error

    def _check_held(self) -> None:
        """Write nothing where another run has taken the directory over."""
        if not self.fence:
            return
        try:
            held = self.read(HOLDER if self.local else LOCK).startswith(self.fence.encode())
        except FileNotFoundError:
            held = self.local is not None  # other hosts may see late what is new on a shared disk
        if not held:
            reason = (
                "another run has taken this directory over, or removed it, as this one was gone or "
                "could not renew its lock: the same command goes on once that run has ended"
            )
            raise RunReplaced(self.root, reason)

    def _held_to_the_end(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The directory may be taken over while a large file is made, too."""
        yield from chunks
        self._check_held()

    def _send(self, name: str, chunks: Iterable[bytes]) -> None:
        with scratch() as folder:
            path = folder / "file"
            try:
                write_checked(path, chunks)
            except LandcoverError:
                raise
            except OSError as error:
                raise OutputError("work in progress", without_room(error)) from error
            size = path.stat().st_size
            self._filesystem.put_file(str(path), self._key(name))
        self._check_size(name, size)

    def _send_new(self, name: str, content: bytes) -> bool:
        self._check_held()
        try:
            self._filesystem.pipe_file(self._key(name), content, mode="create")
        except FileExistsError:
            # The store's answer to the first of several tries may have been lost on its way.
            return self.read(name) == content
        self._check_size(name, len(content))
        return True

    def _check_size(self, name: str, size: int) -> None:
        self._filesystem.invalidate_cache()
        if (stored := self._filesystem.size(self._key(name))) != size:
            raise OSError(f"{stored} of {size} bytes have arrived")

    @property
    def _is_file_url(self) -> bool:
        return self.root.startswith("file://")

    @property
    def _filesystem(self) -> Store:
        return _filesystem_of(self.root)[0]

    def _key(self, name: str) -> str:
        return "/".join(part for part in (_filesystem_of(self.root)[1], name) if part)


@cache
def _filesystem_of(root: str) -> tuple[Store, str]:
    try:
        refuse_secrets(root)
        filesystem, key = file_system(root)
    except SourceError as error:
        raise OutputError(error.where, error.reason) from error
    return filesystem, key.rstrip("/")


def _told(error: OSError) -> str:
    if error.errno != errno.ENOENT:
        return with_remedy(error)
    return f"{error.strerror or error}: {GONE}"
