"""A position in the binary of a legacy (v1) model file, which reads what comes next."""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from landcover.models.cntk.reader.dictionary import Shape, Tensor
from landcover.models.formats.protobuf import Malformed

_LONGEST_TEXT: Final = 4096  # characters
_MOST_AXES: Final = 64
_DENSE: Final = b"d"
_WIDTHS: Final[dict[int, np.dtype[Any]]] = {4: np.dtype(np.float32), 8: np.dtype(np.float64)}


class LegacyStream:
    """Reads numbers (little-endian), texts (UTF-16, ended by a zero), shapes and matrices.

    Every method raises :class:`Malformed` where the file ends or holds something else.
    """

    def __init__(self, data: memoryview) -> None:
        self._data, self.at = data, 0

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def take(self, size: int) -> memoryview:
        """Return the next ``size`` bytes."""
        if not 0 <= size <= len(self._data) - self.at:
            left = len(self._data) - self.at
            raise Malformed(f"{size} bytes are expected at byte {self.at}, and {left} are left")
        self.at += size
        return self._data[self.at - size : self.at]

    def boolean(self) -> bool:
        """Return a truth value (one byte)."""
        return bool(self._number("<B"))

    def int32(self) -> int:
        """Return a signed integer of 4 bytes."""
        return int(self._number("<i"))

    def int64(self) -> int:
        """Return a signed integer of 8 bytes."""
        return int(self._number("<q"))

    def float32(self) -> float:
        """Return a number of 4 bytes."""
        return float(self._number("<f"))

    def float64(self) -> float:
        """Return a number of 8 bytes."""
        return float(self._number("<d"))

    def count(self, smallest: int) -> int:
        """Return a number of items (8 bytes), each of which takes ``smallest`` bytes or more."""
        found = self.int64()
        if not 0 <= found <= (len(self._data) - self.at) // smallest:
            raise Malformed(f"{found} items at byte {self.at} are more than the file can hold")
        return found

    def text(self) -> str:
        """Return the text up to the next zero."""
        start = self.at
        for end in range(start, min(len(self._data) - 1, start + 2 * _LONGEST_TEXT), 2):
            if self._data[end] == 0 == self._data[end + 1]:
                self.at = end + 2
                return str(self._data[start:end], "utf-16-le", "replace")
        raise Malformed(f"a name that begins at byte {start} has no end")

    def marked(self, marker: str) -> bool:
        """Step over a marker, if that is what comes next."""
        raw = (marker + "\0").encode("utf-16-le")
        found = self._data[self.at : self.at + len(raw)] == raw
        self.at += len(raw) if found else 0
        return found

    def expect(self, marker: str) -> None:
        """Step over a marker that must come next."""
        if not self.marked(marker):
            raise Malformed(f"the marker {marker} is missing at byte {self.at}")

    def texts(self) -> list[str]:
        """Return a list of texts."""
        return [self.text() for _ in range(self.count(2))]

    def booleans(self) -> list[bool]:
        """Return a list of truth values."""
        return [self.boolean() for _ in range(self.count(1))]

    def shape(self) -> Shape:
        """Return a shape, turned into C order."""
        rank = self.int32()
        if not 0 <= rank <= _MOST_AXES:
            raise Malformed(f"a shape of {rank} axes at byte {self.at}")
        return Shape(reversed([self.int32() for _ in range(rank)]))

    def matrix(self, shape: tuple[int, ...]) -> Tensor:
        """Return a dense matrix, whose numbers fill ``shape`` (C order)."""
        if bytes(self.take(1)) != _DENSE:
            raise Malformed(f"a sparse matrix at byte {self.at}")
        self.expect("BMAT")
        width = self.int64()
        self.text()  # its name: that of the node
        self.int32()  # flags of how it lay in memory
        rows, columns = self.int64(), self.int64()
        if width not in _WIDTHS or rows < 0 or columns < 0 or min(shape, default=1) < 0:
            raise Malformed(
                f"a matrix of {rows} x {columns} numbers of {width} bytes, where 4 or 8 are expected"
            )
        flat: NDArray[Any] = np.frombuffer(self.take(rows * columns * width), _WIDTHS[width])
        self.expect("EMAT")
        expected = 1
        for extent in shape:
            expected *= extent
        if expected != flat.size:
            raise Malformed(f"a tensor of shape {shape} with {flat.size} values")
        return Tensor(flat, shape, flat.dtype)
