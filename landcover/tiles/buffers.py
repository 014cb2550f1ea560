"""Arrays for pixels, in memory that is used again.

Megabytes that come fresh from the operating system are filled with zeros page by page first, which
takes as long as copying pixels into them.
"""

from __future__ import annotations

import sys
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

# Buffers are multiples of this, so that reads of nearly the same size share them.
_UNIT = 2**20
# A process keeps no more than this; what is beyond comes and goes as any array does.
_MOST_BYTES = 128 * 2**20


class Buffers:
    """Memory that is lent as arrays, and free again when nothing refers to them any more.

    Args:
        most: bytes that are kept.
    """

    def __init__(self, most: int = _MOST_BYTES) -> None:
        self._most = most
        self._kept: list[npt.NDArray[np.uint8]] = []
        self._lock = Lock()

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array as ``numpy.empty`` makes it; it, and all views of it, may be kept for ever."""
        kind = np.dtype(dtype)
        size = kind.itemsize * int(np.prod(shape, dtype=np.int64))
        if not 0 < size <= self._most:
            return np.empty(shape, kind)
        with self._lock:
            buffer = self._free(size)
            return buffer[:size].view(kind).reshape(shape)

    def _free(self, size: int) -> npt.NDArray[np.uint8]:
        """A buffer that nobody uses; else a new one, kept in the place of others that are free."""
        wanted = -(-size // _UNIT) * _UNIT
        free = [index for index in range(len(self._kept)) if self._unused(index)]
        for index in free:
            if wanted <= self._kept[index].size <= 2 * wanted:
                return self._kept[index]
        held = sum(buffer.size for buffer in self._kept)
        for index in reversed(free):
            if held + wanted <= self._most:
                break
            held -= self._kept.pop(index).size
        buffer = np.empty(wanted, np.uint8)
        if held + wanted <= self._most:
            self._kept.append(buffer)
        return buffer

    def _unused(self, index: int) -> bool:
        return _references(self._kept, index) <= _KEPT_ALONE


def _references(kept: list[npt.NDArray[np.uint8]], index: int) -> int:
    """How many refer to a buffer of a list; each view of it does, as numpy sees to."""
    return sys.getrefcount(kept[index])


# What that is for an array that is in a list and nowhere else; Pythons count differently.
_KEPT_ALONE = _references([np.empty(0, np.uint8)], 0)

empty = Buffers().empty
"""``numpy.empty`` in memory of this process that is used again."""
