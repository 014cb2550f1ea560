"""Models behind URLs: fetched once per host and kept in the cache, with all of their files."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any

from landcover.errors import ModelError
from landcover.models.cache import cached
from landcover.models.formats import checkpoints

# What storages call the version of a file; the first that is there decides with the size.
_VERSIONS = (
    *("etag", "ETag", "content_md5", "md5Hash", "version_id"),
    *("mtime", "last_modified", "LastModified", "created"),
)


def shown(path: str) -> str:
    """A model's path for messages and records: a URL without its query, which may hold a secret."""
    return path.split("?")[0] if "://" in path else path


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
    import fsspec

    try:
        files, inside = fsspec.core.url_to_fs(path)
        if "file" in files.protocol:
            return Path(inside)
        return _fetched(files, inside, path)
    except FileNotFoundError:
        raise ModelError(shown(path), "no such file or folder") from None
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).replace(path, shown(path)).splitlines() or [type(error).__name__]
        raise ModelError(shown(path), f"cannot be fetched: {reason[0]}") from error


def read_text(path: str) -> str | None:
    """The text of a file, local or behind an fsspec URL; None if there is none.

    Raises:
        OSError: it is there but cannot be read.
    """
    import fsspec

    try:
        with fsspec.open(path, "rt", encoding="utf-8") as stream:
            return str(stream.read())
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _fetched(files: Any, inside: str, url: str) -> Path:
    found = _listed(files, inside)
    if not found:
        raise FileNotFoundError(url)
    name = PurePosixPath(inside).name
    root = inside.rstrip("/") if files.isdir(inside) else str(PurePosixPath(inside).parent)
    version = [shown(url), *(f"{at} {_version(info)}" for at, info in sorted(found.items()))]
    key = hashlib.sha256("\n".join(version).encode()).hexdigest()[:32]

    def fetch(folder: Path) -> None:
        folder.mkdir()
        for at in found:
            target = folder / at.removeprefix(root).lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            files.get_file(at, str(target))

    kept = cached(f"fetched/{key}/{name}", fetch)
    return kept if root == inside.rstrip("/") else kept / name


def _listed(files: Any, inside: str) -> dict[str, Any]:
    """The files of a model by their paths: a file, those below a folder, or of a checkpoint."""
    at = PurePosixPath(inside)
    if files.isdir(inside) or at.name == "saved_model.pb":
        return dict(files.find(inside if files.isdir(inside) else str(at.parent), detail=True))
    parts = checkpoints.prefix_in(at.name)
    if parts is None and files.exists(inside):
        return {inside: files.info(inside)}
    beside = {info["name"]: info for info in files.ls(str(at.parent), detail=True)}
    prefix = parts or at.name
    wanted = (f"{prefix}.meta", f"{prefix}.index", f"{prefix}.data-")
    return {n: info for n, info in beside.items() if PurePosixPath(n).name.startswith(wanted)}


def _version(info: dict[str, Any]) -> str:
    stated = next((info[key] for key in _VERSIONS if info.get(key)), None)
    return f"{info.get('size')} {stated}"
