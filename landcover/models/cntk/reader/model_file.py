"""Model files of CNTK, whatever their format."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Final

from landcover.errors import ModelError
from landcover.models.cntk.reader.graph import Graph
from landcover.models.cntk.reader.version1 import read_version1
from landcover.models.cntk.reader.version2 import read_version2

_LEGACY: Final = "BCN\0".encode("utf-16-le")


def mapped(path: Path) -> memoryview:
    """The content of a file, of which memory holds what is looked at: not what lies behind a network's end.

    Args:
        path: of a file that is not empty.
    """
    with path.open("rb") as stream:
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


def read(data: bytes | memoryview, name: str) -> Graph:
    """Return the network that a CNTK model file describes.

    Args:
        data: the whole file.
        name: its path, for messages.

    Raises:
        ModelError: the file is empty, damaged, no CNTK model, or holds something that cannot be
            read: the sentence names it.
    """
    view = memoryview(data).cast("B")
    if not len(view):
        raise ModelError(name, "the file is empty; copy it again")
    if bytes(view[: len(_LEGACY)]) == _LEGACY:
        return read_version1(view, name)
    return read_version2(view, name)
