"""HDF5 files: whether all that is in them is in them.

A dataset may lie in other files ("external storage"), be put together of those of others ("virtual"), or be a
link to one; libraries of HDF5 open whatever is named so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# netCDF files of satellites have some thousand.
_MOST_OBJECTS = 100_000


class Elsewhere(OSError):
    """An HDF5 file names others, or has no end; a sentence."""


def datasets(stream: Any) -> Iterator[tuple[str, Any]]:
    """The datasets of a file, each with its name, all of which lie in the file itself.

    Args:
        stream: an ``h5py.File`` that is open to read.

    Raises:
        Elsewhere: one is kept in another file, or there are more than any file has.
    """
    import h5py

    waiting, seen, count = [stream], {hash(stream.id)}, 0
    while waiting:
        group = waiting.pop()
        for name in group:
            label, count = f"{group.name.rstrip('/')}/{name}", count + 1
            if count > _MOST_OBJECTS:
                raise Elsewhere(f"has more than {_MOST_OBJECTS:,} groups and datasets")
            if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
                raise Elsewhere(f"{label!r} links to another file")
            inner = group.get(name)
            if isinstance(inner, h5py.Dataset):
                if inner.external or inner.is_virtual:
                    raise Elsewhere(f"{label!r} lies in another file")
                yield label, inner
            elif isinstance(inner, h5py.Group) and hash(inner.id) not in seen:
                seen.add(hash(inner.id))
                waiting.append(inner)
