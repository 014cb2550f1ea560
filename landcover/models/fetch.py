"""Models behind URLs: fetched once per host and kept in the cache, with all of their files."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path, PurePosixPath
from typing import Any

from landcover.errors import ModelError, SourceError, StoreError
from landcover.models.cache import cached
from landcover.models.formats import checkpoints
from landcover.models.formats.sizes import check_bytes
from landcover.redaction import redacted
from landcover.small_files import MOST_BYTES, read_regular
from landcover.stores.asking import Store
from landcover.stores.urls import file_system

# What storages call the version of a file; the first that is there decides with the size.
_VERSIONS = (
    *("etag", "ETag", "content_md5", "md5Hash", "version_id"),
    *("mtime", "last_modified", "LastModified", "created"),
)


def shown(path: str) -> str:
    """A model's path for messages and records: without the secrets that a URL may hold."""
    return redacted(path)


def local_path(path: str) -> Path:
    """Where a model lies on this host.

    Args:
        path: a local path, or an fsspec URL, whose files are fetched unless the cache holds the
            same version of them. The prefix of a TensorFlow 1 checkpoint stands for its files.

    Raises:
        ModelError: there is nothing at the URL, or it cannot be read.
    """
    if "://" not in path:
        return Path(path).expanduser()
    try:
        files, inside = file_system(path)
        if "file" in files.protocol:
            return Path(inside)
        return _fetched(files, inside, path)
    except FileNotFoundError:
        raise ModelError(shown(path), "no such file or folder") from None
    except (StoreError, ModelError):
        raise
    except SourceError as error:
        raise ModelError(shown(path), error.reason) from error
    except (OSError, ValueError) as error:
        reason = str(error).splitlines() or [type(error).__name__]
        raise ModelError(shown(path), f"cannot be fetched: {reason[0]}") from error


def read_text(path: str) -> str | None:
    """The text of a file, local or behind an fsspec URL; None if there is none.

    Raises:
        OSError: it is there but cannot be read, or is too large.
        UnicodeDecodeError: it is no text in UTF-8.
    """
    try:
        if "://" not in path:
            return read_regular(path).decode("utf-8")
        files, inside = file_system(path)
        content = files.head(inside, MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            reason = f"has more than the {MOST_BYTES:,} bytes of such a file"
            raise OSError(errno.EFBIG, reason)
        return content.decode("utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _fetched(files: Store, inside: str, url: str) -> Path:
    inside = inside.rstrip("/")
    folder = _is_folder(files, inside)
    found = _listed(files, inside, folder)
    if not found:
        raise FileNotFoundError(url)
    check_bytes(sum(info.get("size") or 0 for info in found.values()), shown(url))
    root = inside if folder else inside.rpartition("/")[0]
    name = _plain(inside).rpartition("/")[2]
    # A signature that was renewed is no other file.
    version = [shown(url), *(f"{shown(at)} {_version(info)}" for at, info in sorted(found.items()))]
    key = hashlib.sha256("\n".join(version).encode()).hexdigest()[:32]

    def fetch(kept: Path) -> None:
        kept.mkdir()
        for at in found:
            below = PurePosixPath(_plain(at).removeprefix(root).lstrip("/"))
            if ".." in below.parts:  # keys of a store may be called anything
                raise ModelError(shown(url), f"holds a file {str(below)!r}, which leads elsewhere")
            target = kept / below
            target.parent.mkdir(parents=True, exist_ok=True)
            files.get_file(at, str(target))

    kept = cached(f"fetched/{key}/{name}", fetch)
    return kept if folder else kept / name


def _is_folder(files: Store, inside: str) -> bool:
    """Web servers have none: to ask fsspec would fetch the whole file and look for links in it."""
    return "http" not in files.protocol and bool(files.isdir(inside))


def _plain(path: str) -> str:
    """A path in a file system, or the URL of a web server without its query."""
    return path.split("?")[0] if "://" in path else path


def _listed(files: Store, inside: str, folder: bool) -> dict[str, Any]:
    """The files of a model by their paths: a file, those below a folder, or of a checkpoint."""
    parent, _, name = inside.rpartition("/")
    if folder or name == "saved_model.pb":
        return dict(files.find(inside if folder else parent, detail=True))
    parts = checkpoints.prefix_in(_plain(name))
    if parts is None and files.exists(inside):
        return {inside: files.info(inside)}
    beside = {info["name"]: info for info in files.ls(parent, detail=True)}
    prefix = parts or name
    wanted = (f"{prefix}.meta", f"{prefix}.index", f"{prefix}.data-")
    return {n: info for n, info in beside.items() if PurePosixPath(n).name.startswith(wanted)}


def _version(info: dict[str, Any]) -> str:
    stated = next((info[key] for key in _VERSIONS if info.get(key)), None)
    return f"{info.get('size')} {stated}"
