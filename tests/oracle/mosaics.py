"""The map of several scenes, worked out pixel by pixel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from oracle.reference import NO_CLASS, Map

# A place so near to the line between two pixels, in pixels, may fall on either side.
_ON_THE_LINE = 1e-3


def mosaic(maps: list[Map]) -> Map:
    """All maps on the grid of the first, begun at the corner of them all.

    The nearest pixel counts; the first listed wins where several have a class. ``open`` also says
    where a place lies on the line between two pixels.
    """
    wide, left, high, top = maps[0].transform
    boxes = [_box(one, maps[0]) for one in maps]
    first_col, first_row = (int(np.floor(min(box[i] for box in boxes) + 1e-6)) for i in (0, 1))
    last_col, last_row = (int(np.ceil(max(box[i] for box in boxes) - 1e-6)) for i in (2, 3))
    xs = left + wide * (np.arange(first_col, last_col) + 0.5)
    ys = top - high * (np.arange(first_row, last_row) + 0.5)
    classes = np.full((len(ys), len(xs)), NO_CLASS, np.int64)
    unsure = np.zeros(classes.shape, bool)
    for one in maps:
        wide1, left1, high1, top1 = one.transform
        col, row = (xs - left1) / wide1, (top1 - ys) / high1
        codes, ties = _taken(one, row, col)
        beside = _near(row)[:, None] | _near(col)[None, :]
        free = classes == NO_CLASS
        unsure |= free & (ties | (beside & _touched(one, row, col)))
        classes = np.where(free, codes, classes)
    corner = (wide, left + wide * first_col, high, top - high * first_row)
    unknown = np.full(classes.shape, np.nan)
    return Map(classes, unsure, unknown, unknown, corner, maps[0].crs)


def share(maps: list[Map]) -> float:
    """How many times their own area the maps' mosaic would take."""
    boxes = np.array([_box(one, maps[0]) for one in maps])
    whole = np.prod(boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0))
    return float(whole / np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).sum())


def _box(one: Map, first: Map) -> tuple[float, float, float, float]:
    """Left, top, right and bottom in pixels of the first map."""
    wide, left, high, top = first.transform
    wide1, left1, high1, top1 = one.transform
    rows, cols = one.classes.shape
    x, y = (left1 - left) / wide, (top - top1) / high
    return x, y, x + cols * wide1 / wide, y + rows * high1 / high


def _taken(
    one: Map, row: npt.NDArray[np.float64], col: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    height, width = one.classes.shape
    y, x = np.floor(row).astype(int), np.floor(col).astype(int)
    inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))[None, :]
    picked = np.ix_(y.clip(0, height - 1), x.clip(0, width - 1))
    return np.where(inside, one.classes[picked], NO_CLASS), inside & one.open[picked]


def _touched(
    one: Map, row: npt.NDArray[np.float64], col: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    height, width = one.classes.shape
    near = _ON_THE_LINE
    rows, cols = (row > -near) & (row < height + near), (col > -near) & (col < width + near)
    return np.asarray(rows[:, None] & cols[None, :])


def _near(place: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.abs(place - np.round(place)) < _ON_THE_LINE)
