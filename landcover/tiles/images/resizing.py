"""Images that are not as large as the network's window, made so in a stated way."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.config import Resize
from landcover.tiles.grid import Size, reflected
from landcover.tiles.rasters.reader import MaskedPixels
from landcover.tiles.rasters.resampling import Axis, resample

Pixels = npt.NDArray[Any]


def resized(pixels: Pixels, window: Size, how: Resize) -> Pixels | None:
    """Make an image as large as the network's window.

    Args:
        pixels: dims (band, y, x).
        window: rows and columns that are wanted.
        how: "fit" resamples rows and columns apart, so that the whole image fills the window (as
            rasters are resampled: bilinear, averaged where it gets smaller); "crop" takes the
            middle; "pad" puts the image into the middle and mirrors it at its edges; "none" takes
            images of that size only.

    Returns:
        dims (band, y, x), in the dtype of the image; None where that cannot be: the image is too
        small to crop, too large to pad.
    """
    height, width = pixels.shape[1:]
    if (height, width) == window:
        return pixels
    if how == "fit":
        return _fitted(pixels, window)
    if how == "crop" and height >= window.rows and width >= window.cols:
        top, left = (height - window.rows) // 2, (width - window.cols) // 2
        return pixels[:, top : top + window.rows, left : left + window.cols]
    if how == "pad" and height <= window.rows and width <= window.cols:
        top, left = (window.rows - height) // 2, (window.cols - width) // 2
        rows = reflected(-top, window.rows - top, height)
        cols = reflected(-left, window.cols - left, width)
        return np.ascontiguousarray(pixels[:, rows[:, None], cols])
    return None


def _fitted(pixels: Pixels, window: Size) -> Pixels:
    height, width = pixels.shape[1:]

    def read(ys: tuple[int, int], xs: tuple[int, int]) -> MaskedPixels:
        return MaskedPixels(pixels[:, slice(*ys), slice(*xs)], None)

    vertical = Axis(window.rows, height, height / window.rows)
    horizontal = Axis(window.cols, width, width / window.cols)
    return resample(read, vertical, horizontal, (0, window.rows), (0, window.cols)).pixels
