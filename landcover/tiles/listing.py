"""From paths, globs, folders and fsspec URLs to files: in a fixed order, one folder at a time."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from landcover.config import subdataset
from landcover.errors import SourceError, StoreError
from landcover.stores.urls import file_system, in_archive, is_remote, refuse_secrets
from landcover.tiles.opening.allowed import MRSID
from landcover.tiles.states import state_told

RASTERS = frozenset({".tif", ".tiff", ".jp2", ".img", ".vrt", ".ntf"})
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})

_SIDECARS = frozenset({".xml", ".ovr", ".msk", ".aux", ".tfw", ".prj", ".txt", ".md5"})
_MAGIC = re.compile(r"[*?\[]")
# Other ways to name an archive, or a file of one, than ours: zip://INSIDE.tif::ARCHIVE.zip
_ARCHIVES = re.compile(
    r"^(/vsi(zip|tar|7z|rar)/|(zip|tar)[:+])|\.(zip|tar|tgz|tar\.gz|7z|rar)$", re.IGNORECASE
)


@dataclass(frozen=True)
class Entry:
    """One entry of ``source.rasters`` or ``source.images``.

    Args:
        text: as it was given.
        root: the folder below which its files are; absolute, or a URL.
        segments: a pattern for each folder and file below it; ``**`` stands for any folders.
        literal: the only segment is the name of a file, not a pattern.
    """

    text: str
    root: str
    segments: tuple[str, ...]
    literal: bool = False

    def matches(self, path: str) -> bool:
        """Whether a file belongs to this entry."""
        if not path.startswith(self.root.rstrip("/") + "/"):
            return False
        *folders, name = path[len(self.root.rstrip("/")) + 1 :].split("/")
        states = _closure({0}, self.segments)
        for folder in folders:
            states = _enter(states, self.segments, folder)
        return self.takes(states, name)

    def takes(self, states: frozenset[int], name: str) -> bool:
        """Whether a file of this name is wanted where the given segments may come next."""
        if self.literal:
            return name == self.segments[0]
        last = len(self.segments) - 1
        return last in states and _fits(self.segments[last], name)


class Found(NamedTuple):
    """A file that an entry brings.

    Args:
        place: of the entry among the others.
        path: of the file, or its URL.
        state: what tells it from another of the same name, where its listing says that; else "".
    """

    place: int
    path: str
    state: str


def parse(text: str) -> Entry:
    """Read an entry: the path of a file or folder, a glob, or an fsspec URL of either.

    Raises:
        SourceError: if it is no glob and nothing is there, or holds a secret, or stands for more than
            one file of an archive.
    """
    refuse_secrets(text)
    if in_archive(text) or (_ARCHIVES.search(text) and not Path(text).is_dir()):
        return _parse_archived(text)
    if is_remote(text) and not text.startswith("file://"):
        return _parse_url(text)
    if (found := subdataset(text)) and Path(found.file).exists():
        absolute = os.path.abspath(found.file)  # noqa: PTH100
        return _literal(text, found._replace(file=absolute).text)
    path = os.path.abspath(os.path.expanduser(text.removeprefix("file://")))  # noqa: PTH100,PTH111
    if Path(path).is_dir():
        return Entry(text, path, ("**", "*"))
    if Path(path).exists():
        return _literal(text, path)
    return _parse_glob(text, path)


def files(entries: Sequence[Entry], suffixes: frozenset[str]) -> Iterator[str]:
    """List the files of all entries, as :func:`placed_files` does."""
    return (found.path for found in placed_files(entries, suffixes))


def placed_files(entries: Sequence[Entry], suffixes: frozenset[str]) -> Iterator[Found]:
    """List the files of all entries, each file once, in the order of entries and names.

    One folder is held in memory at a time, in about as many bytes as its names have.

    Args:
        entries: what is asked for.
        suffixes: which files of a folder are meant, or of a glob that names no suffix.

    Raises:
        SourceError: if an entry brings nothing, or a folder cannot be listed.
    """
    named, patterns = set[str](), list[Entry]()  # a list of files may be long, of patterns hardly
    for place, entry in enumerate(entries):
        found = False
        for path, state in _walk(entry, suffixes):
            found = True
            if path not in named and not any(other.matches(path) for other in patterns):
                yield Found(place, path, state)
        if not found:
            raise SourceError(entry.text, f"no file matches; {_what_is_there(entry)}")
        if entry.literal:
            named.add(f"{entry.root.rstrip('/')}/{entry.segments[0]}")
        else:
            patterns.append(entry)


def common_root(entries: Iterable[Entry]) -> str:
    """The deepest folder that holds the folders of all entries; "" where there is none."""
    parts = [entry.root.rstrip("/").split("/") for entry in entries]
    shared = takewhile(lambda level: len(set(level)) == 1, zip(*parts, strict=False))
    return "/".join(level[0] for level in shared)


def relative(path: str, root: str) -> str:
    """A path below a root of :func:`common_root`."""
    return path[len(root) + 1 :] if root or path.startswith("/") else path.replace("://", "/")


def told(path: str) -> str:
    """A path as text that can be written down: bytes of names that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _parse_url(text: str) -> Entry:
    if _MAGIC.search(text.split("://", 1)[1]):
        return _parse_glob(text, text)
    url = text.rstrip("/")
    named = not text.endswith("/") and PurePosixPath(url).suffix.lower() in RASTERS | IMAGES
    if named or (url == text and not _is_folder(url)):
        return _literal(text, url)
    return Entry(text, url, ("**", "*"))


def _parse_archived(text: str) -> Entry:
    """A file of an archive, the one way in which it may be named."""
    inside, _, archive = text.partition("::")
    name = inside.partition("://")[2]
    if not in_archive(text) or _MAGIC.search(name) or not PurePosixPath(name).suffix:
        reason = (
            "is an archive, or several files of one: name each as zip://INSIDE.tif::ARCHIVE.zip, or "
            "unpack it"
        )
        raise SourceError(text, reason)
    if "://" not in archive:
        archive = os.path.abspath(os.path.expanduser(archive))  # noqa: PTH100,PTH111
        if not Path(archive).exists():
            raise SourceError(text, f"there is no archive {archive}")
    return _literal(text, f"{inside}::{archive}")


def _is_folder(url: str) -> bool:
    system, path = file_system(url)
    try:
        # Web servers have none: to ask would fetch the file and look for links in it.
        return not url.startswith("http") and system.isdir(path)
    except StoreError:
        raise
    except OSError as error:
        raise SourceError(url, f"cannot be looked up: {error}") from error


def _literal(text: str, path: str) -> Entry:
    root, _, name = path.rpartition("/")
    return Entry(text, root, (name,), literal=True)


def _parse_glob(text: str, path: str) -> Entry:
    if not _MAGIC.search(path):
        raise SourceError(text, "no such file or folder")
    parts = path.split("/")
    first = next(i for i, part in enumerate(parts) if _MAGIC.search(part))
    segments = (*parts[first:], "*") if parts[-1] == "**" else tuple(parts[first:])
    return Entry(text, "/".join(parts[:first]), segments)


def _walk(entry: Entry, suffixes: frozenset[str]) -> Iterator[tuple[str, str]]:
    """List an entry's files: those of a folder first, then its folders in the order of names."""
    if entry.literal:
        yield f"{entry.root}/{entry.segments[0]}", ""
        return
    given = PurePosixPath(entry.segments[-1]).suffix.lower()
    wanted = suffixes if not given or _MAGIC.search(given) else frozenset({given})
    pending = [(entry.root, _closure({0}, entry.segments))]
    while pending:
        folder, states = pending.pop()
        last = len(entry.segments) - 1
        names, folders = _listed(folder, wanted if last in states else frozenset(), entry)
        for name, state in names:
            if entry.takes(states, name):
                yield f"{folder}/{name}", state
        below = ((f"{folder}/{name}", _enter(states, entry.segments, name)) for name in folders)
        pending.extend(reversed([(path, following) for path, following in below if following]))


_Listed: TypeAlias = tuple[Iterator[tuple[str, str]], list[str]]


def _listed(folder: str, wanted: frozenset[str], entry: Entry) -> _Listed:
    """The names and states of a folder's wanted files, and the names of its folders, all sorted."""
    try:
        if is_remote(folder):
            return _listed_remote(folder, wanted)
        return _listed_local(folder or "/", wanted)
    except FileNotFoundError:
        if folder != entry.root:
            raise SourceError(folder, "the folder vanished while it was listed") from None
        return iter(()), []
    except StoreError:
        raise
    except OSError as error:
        raise SourceError(folder, f"the folder cannot be listed: {error}") from error


def _listed_local(folder: str, wanted: frozenset[str]) -> _Listed:
    folders: list[str] = []

    def found() -> Iterator[bytes]:
        with os.scandir(folder) as items:
            for item in items:
                if item.is_dir():
                    if not (item.is_symlink() and _leads_back(item.path, folder)):
                        folders.append(item.name)
                elif _wanted(item.name, wanted):
                    yield os.fsencode(item.name)

    names = _sorted(found())
    return ((os.fsdecode(bytes(name)), "") for name in names), sorted(folders)


def _listed_remote(folder: str, wanted: frozenset[str]) -> _Listed:
    system, path = file_system(folder)
    names, folders = list[tuple[str, str]](), list[str]()
    for item in system.ls(path, detail=True):
        name = str(item["name"]).rstrip("/").rpartition("/")[2]
        if item["type"] == "directory":
            folders += [name] if name else []
        elif _wanted(name, wanted):
            names.append((name, state_told(item)))
    system.invalidate_cache(path)
    return iter(sorted(names)), sorted(folders)


def _sorted(names: Iterator[bytes]) -> npt.NDArray[np.bytes_]:
    """Sort names in little memory: a million of them take some 20 MB, as objects five times that."""
    parts = []
    while part := list(islice(names, 65536)):
        parts.append(np.array(part))
    together = np.concatenate(parts) if parts else np.array([], dtype="S1")
    together.sort()
    return together


def _leads_back(link: str, folder: str) -> bool:
    target = os.path.realpath(link)
    return f"{os.path.realpath(folder)}/".startswith(f"{target}/")


def _wanted(name: str, wanted: frozenset[str]) -> bool:
    return os.path.splitext(name)[1].lower() in wanted  # noqa: PTH122 (a million times)


def _closure(states: Iterable[int], segments: tuple[str, ...]) -> frozenset[int]:
    """With the segments that may come next, those behind a ``**``, which may stand for nothing."""
    reached = set(states)
    for state in range(len(segments) - 1):
        if state in reached and segments[state] == "**":
            reached.add(state + 1)
    return frozenset(reached)


def _enter(states: frozenset[int], segments: tuple[str, ...], folder: str) -> frozenset[int]:
    """Which segments may come next inside a folder."""
    following = set()
    for state in states:
        if segments[state] == "**" and not folder.startswith("."):
            following.add(state)
        elif state < len(segments) - 1 and _fits(segments[state], folder):
            following.add(state + 1)
    return _closure(following, segments)


def _fits(pattern: str, name: str) -> bool:
    if name.startswith(".") and not pattern.startswith("."):
        return False
    return _compiled(pattern).match(name) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


def _what_is_there(entry: Entry) -> str:
    """A sentence on the folder where an entry begins, for somebody who mistyped it."""
    folder = entry.root
    try:
        if is_remote(folder):
            system, path = file_system(folder)
            items = system.ls(path, detail=True)
            kinds = Counter(_kind(str(i["name"]), i["type"] == "directory") for i in items)
        else:
            with os.scandir(folder or "/") as found:
                kinds = Counter(_kind(item.name, item.is_dir()) for item in found)
    except FileNotFoundError:
        return f"there is no folder {folder}"
    except OSError as error:
        return f"{folder} cannot be listed: {error}"
    most = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))[:4]
    held = ", ".join(f"{n} {kind}" for kind, n in most)
    sids = f": {MRSID}" if any(".sid" in kind for kind, _ in most) else ""
    return f"{folder} holds {held or 'nothing'}{sids}"


def _kind(name: str, is_folder: bool) -> str:
    if is_folder:
        return "folder(s)"
    return f"{PurePosixPath(name).suffix or 'other'} file(s)"
