"""Mean files of CNTK's image reader: a number for every pixel, which networks get subtracted.

The format is OpenCV's storage as XML: ``Channel``, ``Row`` and ``Col``, and the numbers in
``MeanImg/data``. CNTK's reader takes them by row, then column, then channel, and the channels as
OpenCV orders images, blue first, which is the order of the network. (CNTK's own script for CIFAR-10
wrote them by channel first. Networks were trained on them as the reader took them all the same, and
so that is what they are given here.)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from landcover.errors import ModelError
from landcover.models.fetch import local_path, shown
from landcover.small_files import read_regular

# A number of 2,000 x 2,000 pixels has some 20 characters.
_MOST_BYTES = 500_000_000


@dataclass(frozen=True, eq=False)
class MeanImage:
    """What is subtracted from every image.

    Args:
        pixels: float32, dims (band, y, x), in the order of the network's bands.
        digest: SHA-256 of the file, in hexadecimal digits.
    """

    pixels: npt.NDArray[np.float32]
    digest: str

    def for_bands(self, order: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """The pixels in the order of the bands that are given.

        Args:
            order: for each band of the network, which of the bands given it is.
        """
        return self.pixels[np.argsort(order)]


def read_mean_image(path: str, digest: str | None = None) -> MeanImage:
    """Read a mean file.

    Args:
        path: local or an fsspec URL.
        digest: what the SHA-256 of the file must be; None: anything.

    Raises:
        ModelError: it cannot be read, is no mean file, or is another one than it must be.
    """
    try:
        content = read_regular(local_path(path), _MOST_BYTES)
    except OSError as error:
        reason = f"the mean image cannot be read: {error.strerror or error}"
        raise ModelError(shown(path), reason) from None
    found = hashlib.sha256(content).hexdigest()
    if digest not in (None, found):
        reason = "the mean image has changed since the run was planned: hosts must see the same"
        raise ModelError(shown(path), reason)
    try:
        return MeanImage(_pixels(ElementTree.fromstring(content)), found)
    except (ElementTree.ParseError, ValueError) as error:
        reason = (
            f"is no mean file of CNTK's image reader ({error}): XML with Channel, Row, Col and "
            "MeanImg/data is expected"
        )
        raise ModelError(shown(path), reason) from None


def _pixels(root: ElementTree.Element) -> npt.NDArray[np.float32]:
    bands, rows, columns = (int(_text(root, name)) for name in ("Channel", "Row", "Col"))
    values = np.array(_text(root, "MeanImg/data").split(), np.float32)
    if min(bands, rows, columns) < 1 or values.size != bands * rows * columns:
        raise ValueError(f"{values.size} numbers for {bands} x {rows} x {columns}")
    if not np.isfinite(values).all():
        raise ValueError("not all numbers are finite")
    return np.ascontiguousarray(values.reshape(rows, columns, bands).transpose(2, 0, 1))


def _text(root: ElementTree.Element, name: str) -> str:
    text = root.findtext(name)
    if text is None:
        raise ValueError(f"{name} is missing")
    return text
