"""Where in its window what a network returns lies: strides told from halos.

Of a network that reads 512 pixels and returns 128 it may be that it labels every fourth pixel, or
only the 128 in the middle. Which pixels an element depends on tells them apart: from one element to
the next they move by the stride.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.models.graph_analysis.pixel_dependencies import NOTHING, Spans

# Cells that pixels are changed under, as shares of the window, or of what a halo would leave of it.
_SHARES: Final = (-0.35, -0.175, 0.0, 0.175, 0.35)
# A change that answers less than this share of the strongest answer lies in a halo.
_HEARD: Final = 0.2


@dataclass(frozen=True)
class Cells:
    """What a network returns, along one axis of its window.

    Args:
        stride: pixels from one element to the next.
        first: the centre of what the first element depends on; pixel 0 has its centre at 0.
        reach: pixels on either side of that centre that an element depends on; None: not known.
        blur: how far the centres lie off their line, in pixels.
    """

    stride: float
    first: float
    reach: float | None
    blur: float


def followed(spans: Spans, axis: int, edges: tuple[int, int], along: int) -> Cells | None:
    """Read the cells of one axis from the pixels that elements depend on.

    Args:
        spans: of the network's output.
        axis: of the output, rows or columns.
        edges: rows and columns of the window.
        along: 0 for rows, 1 for columns.

    Returns:
        None where elements depend on all of the window, or on pixels that do not move on.
    """
    others = tuple(at for at in range(1, spans.ndim) if at != axis + 1)
    low = spans[2 * along].min(axis=tuple(at - 1 for at in others))
    high = -spans[2 * along + 1].min(axis=tuple(at - 1 for at in others))
    # Of elements that would depend on more than there is of the window, the centres are not known.
    whole = np.flatnonzero((low > 0) & (high < edges[along] - 1) & (low < NOTHING))
    if len(whole) < 2:
        whole = np.flatnonzero((low >= 0) & (high <= edges[along] - 1) & (low < NOTHING))
        whole = whole[(low[whole] > 0) | (high[whole] < edges[along] - 1)]
        if len(whole) < 2 or np.any(high[whole] - low[whole] != high[whole[0]] - low[whole[0]]):
            return None
    line = _line(whole, (low[whole] + high[whole]) / 2)
    return None if line is None else Cells(*line[:2], float((high - low)[whole].max()) / 2, line[2])


def tried(
    run: Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]],
    image: npt.NDArray[Any],
    axis: int,
    noise: Callable[[Sequence[int]], npt.NDArray[Any]],
) -> Cells | None:
    """Find the cells of one axis by changing pixels, and looking where the answer changes.

    Args:
        run: from pixels, dims (1, band, y, x), to what the network returns, dims (1, class, y, x).
        image: dims (1, band, y, x).
        axis: 2 for rows, 3 for columns.
        noise: pixels of a shape.

    Returns:
        None where the answer does not move on with the pixels.
    """
    base = run(image)
    edge, count = image.shape[axis], base.shape[axis]
    width = max(1, min(edge // 32, count // 4))
    for extent in (edge, count):
        heard: list[tuple[float, npt.NDArray[np.float64]]] = []
        for share in _SHARES:
            at = round((edge - width) / 2 + share * (extent - width))
            changed = image.copy()
            place = [slice(None)] * 4
            place[axis] = slice(at, at + width)
            changed[tuple(place)] = noise(changed[tuple(place)].shape)
            heard.append((at + (width - 1) / 2, _answer(run(changed), base, axis)))
        loudest = max(answer.sum() for _, answer in heard)
        if loudest > 0 and min(answer.sum() for _, answer in heard) >= _HEARD * loudest:
            return _fitted(heard, width, edge)
    return None


def _answer(
    returned: npt.NDArray[np.float32], base: npt.NDArray[np.float32], axis: int
) -> npt.NDArray[np.float64]:
    """How much each row or column has changed; what all of them change by counts for nothing."""
    others = tuple(at for at in range(4) if at != axis)
    change = np.nan_to_num(returned.astype(np.float64) - base, posinf=0.0, neginf=0.0)
    answer: npt.NDArray[np.float64] = np.sqrt(np.square(change).mean(axis=others))
    return np.clip(answer - np.median(answer), 0, None)


def _fitted(
    heard: Sequence[tuple[float, npt.NDArray[np.float64]]], width: int, edge: int
) -> Cells | None:
    centres = [float(np.arange(len(a)) @ a / a.sum()) for _, a in heard]
    line = _line(np.array(centres), np.array([place for place, _ in heard]))
    if line is None:
        return None
    reach, stride = 0.0, max(1, round(line[0]))
    for place, answer in heard:
        touched = np.flatnonzero(answer > 1e-4 * answer.max())
        # The line is as good as five answers; that through the middle of the window is exact.
        middle = (edge - 1) / 2 + stride * (touched - (len(answer) - 1) / 2)
        far = np.abs(middle - place).max()
        reach = max(reach, float(far) - (width - 1) / 2)
    return Cells(*line[:2], max(reach - line[2], 0.0), line[2])


def _line(
    elements: npt.NDArray[Any], centres: npt.NDArray[Any]
) -> tuple[float, float, float] | None:
    """Slope and start of the line through the centres, and how far they lie off it at most."""
    if np.ptp(elements) < 1e-6:
        return None
    slope, start = np.polyfit(elements.astype(np.float64), centres.astype(np.float64), 1)
    off = float(np.abs(start + slope * elements - centres).max())
    return (float(slope), float(start), off) if slope > 0 else None
