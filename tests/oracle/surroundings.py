"""What lies around a scene: others beside it, or its mirror image."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from oracle.cases import Case
from oracle.reading import Read

Floats: TypeAlias = npt.NDArray[np.float64]

_NEIGHBOURS_SIZE = 1e-4
_MOST_SHARED = 0.5


def surrounded(case: Case, reads: list[Read], place: int, rows: int, cols: int) -> Floats:
    """A scene with all that its tiles read around it, dims (band, y, x).

    Where no scene has data, the mirror image is: upwards or downwards, then sideways, then both.
    """
    scene, halo = reads[place], case.halo
    window = case.network.window
    ys = np.arange(-halo, (rows - 1) * case.stride.rows - halo + window.rows)
    xs = np.arange(-halo, (cols - 1) * case.stride.cols - halo + window.cols)
    mirrored_ys, mirrored_xs = (_mirrored(*axis) for axis in zip((ys, xs), scene.size, strict=True))
    others = [one for i, one in enumerate(reads) if i != place] if halo else []
    around = np.zeros((len(case.bands), len(ys), len(xs)))
    open_ = np.ones(around.shape[1:], bool)
    for rows_, cols_ in (
        (ys, xs),
        (mirrored_ys, xs),
        (ys, mirrored_xs),
        (mirrored_ys, mirrored_xs),
    ):
        found, there = _joined(scene, others, halo, rows_, cols_)
        around = np.where(open_ & there, found, around)
        open_ &= ~there
    return around


def _joined(
    scene: Read, others: list[Read], halo: int, ys: npt.NDArray[Any], xs: npt.NDArray[Any]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Pixels of a scene, beyond it of the first one listed that has data; and where any is."""
    found, there = _part(scene, ys, xs, scene.pixels, np.ones(scene.size, bool))
    for other in others:
        offset = _beside(scene, other, halo)
        if offset is None:
            continue
        values, held = _part(other, ys - offset[0], xs - offset[1], other.pixels, other.valid)
        found = np.where(held & ~there, values, found)
        there |= held
    return found, there


def _part(
    scene: Read,
    ys: npt.NDArray[Any],
    xs: npt.NDArray[Any],
    pixels: Floats,
    held: npt.NDArray[np.bool_],
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The pixels of some rows and columns, and which of them are inside and held."""
    height, width = scene.size
    inside = ((ys >= 0) & (ys < height))[:, None] & ((xs >= 0) & (xs < width))[None, :]
    picked = np.ix_(ys.clip(0, height - 1), xs.clip(0, width - 1))
    return pixels[:, *picked], inside & held[picked]


def _mirrored(index: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """Mirrored at the outermost pixels, which are not repeated."""
    if size == 1:
        return np.zeros_like(index)
    folded = index % (2 * size - 2)
    return np.where(folded < size, folded, 2 * size - 2 - folded)


def _beside(scene: Read, other: Read, halo: int) -> tuple[int, int] | None:
    """Rows and columns to a scene that completes this one; None where it does not."""
    same = (other.crs, other.dtype) == (scene.crs, scene.dtype)
    sizes = abs(other.wide / scene.wide - 1), abs(other.high / scene.high - 1)
    if not same or max(sizes) > _NEIGHBOURS_SIZE:
        return None
    down = round((scene.top - other.top) / scene.high)
    right = round((other.left - scene.left) / scene.wide)
    (height, width), (height2, width2) = scene.size, other.size
    rows = min(height, down + height2) - max(0, down)
    cols = min(width, right + width2) - max(0, right)
    if rows <= -halo or cols <= -halo:  # no pixel of it lies within a halo
        return None
    shared = max(0, rows) * max(0, cols)
    if shared > _MOST_SHARED * min(height * width, height2 * width2):
        return None
    return down, right
