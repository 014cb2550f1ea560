"""From what a network returns of its window back to the pixels: cropped, or interpolated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def first_centre(edge: int, count: int, stride: int) -> float:
    """The centre of the first of a row of cells that lie evenly in a window.

    Pixel 0 has its centre at 0. Cells of ``stride`` pixels that fill the window begin at
    (stride - 1) / 2: half-pixel centres. Cells that begin in the window's first pixel and end in its
    last (513 pixels, 129 cells of stride 4) begin at 0. What a network without padding loses on
    each side comes on top.

    Args:
        edge: pixels of the window along this axis.
        count: cells along it.
        stride: pixels from one cell to the next.
    """
    return ((edge - 1) - stride * (count - 1)) / 2


def neighbours(
    edge: int, count: int, stride: int, halo: int
) -> tuple[tuple[int, ...], tuple[int, ...], npt.NDArray[np.float32]]:
    """The two cells that each pixel lies between, and the share of the second.

    Args:
        edge: pixels of the window along this axis.
        count: cells along it.
        stride: pixels from one cell to the next.
        halo: pixels on each side that are left out; no fewer than lie beyond the outermost centres.
    """
    pixels = np.arange(halo, edge - halo)
    at = np.clip((pixels - first_centre(edge, count, stride)) / stride, 0, count - 1)
    below = np.floor(at).astype(int)
    # No third cell has a part in it: what is undefined in one is undefined around that one only.
    above = np.ceil(at).astype(int)
    return tuple(below.tolist()), tuple(above.tolist()), (at - below).astype(np.float32)
