"""Pictures inside the page: PNG files of one byte a pixel, which scripts read back exactly.

Rows are stored without PNG's filters (Pillow does so for pictures with a palette), so that the script
of the page needs nothing but to decompress them to know the class of every pixel.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from landcover.report.page.shown_classes import NOTHING, ShownClass

STEPS = 100
"""Scores are kept in hundredths."""


def class_picture(values: npt.NDArray[np.uint8], classes: Sequence[ShownClass]) -> str:
    """A view in the colours of its classes, as a data URI.

    Args:
        values: dims (y, x): places in ``classes``, 255 where there is none.
        classes: those of the report.
    """
    return _data_uri(values, [tuple(bytes.fromhex(item.color[1:])) for item in classes])


def score_picture(scores: npt.NDArray[np.float32]) -> str:
    """Scores from black (0) to white (1), as a data URI.

    Args:
        scores: dims (y, x), in [0, 1]; NaN where there is none.
    """
    steps = np.nan_to_num(np.rint(scores * STEPS), nan=NOTHING)
    return _data_uri(steps.astype(np.uint8), [(2 * step + 55,) * 3 for step in range(STEPS + 1)])


def _data_uri(values: npt.NDArray[np.uint8], colors: Sequence[tuple[int, ...]]) -> str:
    image = Image.fromarray(values, "L")
    padded = [*colors, *[(255, 255, 255)] * (NOTHING + 1 - len(colors))]
    image.putpalette([part for color in padded for part in color])  # makes it a mode of palettes
    written = io.BytesIO()
    image.save(written, "PNG", bits=8, transparency=NOTHING, optimize=True)
    return data_uri(written.getvalue())


def data_uri(png: bytes) -> str:
    """A PNG file as a URL that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
