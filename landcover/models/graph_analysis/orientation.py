"""Whether a map lies over its image as it should, or transposed, mirrored or turned.

A network that swaps rows and columns last of all returns a map of the right size. That it lies wrong is
seen only where pixels are changed and the answer changes elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt

# Two places of the map, as shares of its rows and columns, whose mirror images lie well apart.
_PLACES: Final = ((1 / 8, 3 / 8), (5 / 8, 1 / 8))
_RADIUS: Final = 1 / 16
_FEWEST: Final = 12  # rows and columns that have room for them
# By how much more the answer must change elsewhere.
_CLEARLY: Final = 3


def is_turned(
    run: Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]],
    image: npt.NDArray[Any],
    noise: Callable[[Sequence[int]], npt.NDArray[Any]],
    stride: int,
) -> bool | None:
    """Whether what is changed in an image changes a map at a place that mirrors it.

    Args:
        run: from pixels, dims (1, band, y, x), to what the network returns, dims (1, class, y, x).
        image: dims (1, band, y, x).
        noise: pixels of a shape.
        stride: pixels from one element of the map to the next.

    Returns:
        None where nothing is seen: the answer does not change, or everywhere alike.
    """
    base = run(image)
    if min(base.shape[2:]) < _FEWEST:
        return None
    verdicts = {_strongest(run, image, base, place, noise, stride) for place in _PLACES}
    return None if len(verdicts) > 1 or verdicts == {None} else verdicts != {(False, False, False)}


_Turn = tuple[bool, bool, bool]  # rows and columns swapped, rows mirrored, columns mirrored


def _strongest(
    run: Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]],
    image: npt.NDArray[Any],
    base: npt.NDArray[np.float32],
    place: tuple[float, float],
    noise: Callable[[Sequence[int]], npt.NDArray[Any]],
    stride: int,
) -> _Turn | None:
    """The way of lying by which a place answers clearly more than by all others; None: there is none."""
    changed = image.copy()
    spans = [slice(None), slice(None)]
    for axis, share in zip((2, 3), place, strict=True):
        edge, count = image.shape[axis], base.shape[axis]
        half = max(stride // 2, edge // 32)
        centre = (edge - 1) / 2 + (share - 0.5) * (count - 1) * stride
        spans.append(slice(max(0, round(centre) - half), round(centre) + half + 1))
    changed[tuple(spans)] = noise(changed[tuple(spans)].shape)
    change = np.nan_to_num(run(changed).astype(np.float64) - base, posinf=0.0, neginf=0.0)
    answer = np.square(change).mean(axis=(0, 1))
    heard = {
        turn: _around(answer, _turned(place, turn))
        for turn in product((False, True), (False, True), (False, True))
    }
    first, second = sorted(heard, key=heard.__getitem__, reverse=True)[:2]
    clear = heard[first] > _CLEARLY**2 * heard[second]
    return first if clear else None


def _turned(place: tuple[float, float], turn: _Turn) -> tuple[float, float]:
    swapped, *mirrored = turn
    shares = place[::-1] if swapped else place
    row, column = (1 - s if m else s for s, m in zip(shares, mirrored, strict=True))
    return row, column


def _around(answer: npt.NDArray[np.float64], place: tuple[float, float]) -> float:
    """The mean of an answer around a place."""
    spans = []
    for count, share in zip(answer.shape, place, strict=True):
        centre, reach = share * (count - 1), _RADIUS * count
        spans.append(slice(max(0, round(centre - reach)), round(centre + reach) + 1))
    return float(answer[tuple(spans)].mean())
