"""HDF5 files: whether all that is in them is in them.

A dataset may lie in other files ("external storage"), be put together of those of others ("virtual"), or be a
link to one; libraries of HDF5 open whatever is named so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# netCDF files of satellites have some thousand.
_MOST_OBJECTS = 100_000


# What h5py raises for damaged files, apart from OSError.
_OF_H5PY = (LookupError, RuntimeError, TypeError, ValueError)


class Elsewhere(OSError):
    """An HDF5 file names others, or has no end; a sentence."""


def datasets(stream: Any) -> Iterator[tuple[str, Any]]:
    """The datasets of a file, each with its name, all of which lie in the file itself.

    Args:
        stream: an ``h5py.File`` that is open to read.

    Raises:
        Elsewhere: one is kept in another file, or there are more than any file has.
        OSError: it is damaged.
    """
    try:
        yield from _datasets(stream)
    except _OF_H5PY as error:
        raise OSError(" ".join(str(error).split())) from error


def _datasets(stream: Any) -> Iterator[tuple[str, Any]]:
    import h5py

    waiting, seen, count = [stream], {hash(stream.id)}, 0
    while waiting:
        group = waiting.pop()
        for name in group:
            label, count = f"{group.name.rstrip('/')}/{name}", count + 1
            if count > _MOST_OBJECTS:
                raise Elsewhere(f"has more than {_MOST_OBJECTS:,} groups and datasets")
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise Elsewhere(f"{label!r} links to another file")
            if isinstance(link, h5py.SoftLink):
                continue  # what it names has its own place, unless it lies behind a link to another file
            inner = group.get(name)
            if isinstance(inner, h5py.Dataset):
                if inner.external or inner.is_virtual:
                    raise Elsewhere(f"{label!r} lies in another file")
                yield label, inner
            elif isinstance(inner, h5py.Group) and hash(inner.id) not in seen:
                seen.add(hash(inner.id))
                waiting.append(inner)


def text_of(stream: Any, name: str) -> str | None:
    """What an attribute of a file says; None where there is none.

    Args:
        stream: an ``h5py.File`` that is open to read.
        name: of the attribute.

    Raises:
        OSError: it is no text, or damaged.
    """
    try:
        if name not in stream.attrs:
            return None
        kind = stream.attrs.get_id(name)
        found = stream.attrs[name] if kind.shape == () and kind.dtype.kind in "OS" else None
        if not isinstance(found, (str, bytes)):
            raise OSError(f"{name} is no text")
        # h5py gives bytes that are no text as surrogates, which nothing can write.
        return (found if isinstance(found, bytes) else found.encode()).decode()
    except _OF_H5PY as error:
        raise OSError(f"{name} is damaged: {error}") from error
