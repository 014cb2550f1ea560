"""Overviews of a map of class codes: which pixels each of theirs stands for, and the most frequent
class of those.

The rules are those of GDAL's driver for cloud-optimized GeoTIFFs (3.10), so that a map made in
pieces has the bytes of one that GDAL makes as a whole: each level has half the rows and columns of
the one before, rounded down, and each of its pixels stands for all pixels of the level before that
it touches.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from landcover.runs.map_format.area import BLOCK, Area, Codes, Size

# Rows of the next level that are made at a time.
_ROWS = 256
# GDAL takes so many bytes of a level at a time, in rows of blocks that it doubles as long as they
# are fewer: overview.cpp, GDALRegenerateOverviewsEx.
_CHUNK_BYTES = 10 * 2**20


def reduced(
    codes: Codes, have: Area, want: Area, size: Size, following: Size, nodata: int
) -> Codes:
    """Pixels of a level from those of the level before: of each, the most frequent class.

    Of classes that are equally frequent the one counts that comes to its number first, row after
    row. Nodata counts only where there is nothing else.

    Args:
        codes: of the level before, dims (y, x).
        have: the pixels that ``codes`` holds; all that ``want`` stands for.
        want: the pixels asked for, of the next level.
        size: of the level before.
        following: of the next level.
        nodata: the code of pixels without a class.
    """
    result = np.empty(want.shape, codes.dtype)
    cols = _windows(want.col0, want.col1, size.width, following.width)
    for row0 in range(want.row0, want.row1, _ROWS):
        row1 = min(row0 + _ROWS, want.row1)
        rows = _windows(row0, row1, size.height, following.height)
        rows = _in_chunks(rows, row0, size, following, codes.itemsize)
        planes = _planes(codes, rows - have.row0, cols - have.col0, nodata)
        result[row0 - want.row0 : row1 - want.row0] = _mode(planes, nodata)
    return result


def sources(area: Area, size: Size, following: Size) -> Area:
    """The pixels of a level that pixels of the next one stand for.

    Args:
        area: pixels of the next level, not none.
        size: of the level.
        following: of the next one.
    """
    rows = _windows(area.row0, area.row1, size.height, following.height)
    cols = _windows(area.col0, area.col1, size.width, following.width)
    return Area(int(rows[0, 0]), int(rows[1, -1]), int(cols[0, 0]), int(cols[1, -1]))


def _windows(first: int, stop: int, size: int, following: int) -> npt.NDArray[np.intp]:
    """Where the pixels that each of the next level touches begin and stop: dims (2, pixel)."""
    # GDAL forgives rounding by as much: overview.cpp, GDALResampleChunk_Mode.
    slack, ratio = 1e-8, size / following
    index = np.arange(first, stop)
    starts = np.floor(index * ratio + slack).astype(np.intp)
    stops = np.ceil((index + 1) * ratio - slack).astype(np.intp)
    return np.stack([starts, np.minimum(stops, size)])


def _in_chunks(
    rows: npt.NDArray[np.intp], first: int, size: Size, following: Size, itemsize: int
) -> npt.NDArray[np.intp]:
    """Windows of rows cut off where GDAL does: it takes a level in chunks of whole rows.

    Only levels with an odd number of rows have windows that reach into the next chunk.
    """
    chunk = BLOCK
    while 2 * chunk * size.width * itemsize <= _CHUNK_BYTES:
        chunk *= 2
    # The last row of a chunk is rounded as in overview.cpp, GDALRegenerateOverviewsEx.
    ends = 0.5 + np.arange(1, size.height // chunk + 1) * chunk * (following.height / size.height)
    number = np.searchsorted(ends.astype(np.intp), first + np.arange(rows.shape[1]), "right")
    return np.stack(
        [np.maximum(rows[0], number * chunk), np.minimum(rows[1], (number + 1) * chunk)]
    )


def _planes(
    codes: Codes, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp], nodata: int
) -> list[Codes]:
    """The first pixel of each window, then the second ...; nodata where a window has no more."""
    planes = []
    for y in range(int((rows[1] - rows[0]).max())):
        line = codes[_picked(rows, y)]
        for x in range(int((cols[1] - cols[0]).max())):
            plane = line[:, _picked(cols, x)]
            outside = (rows[0] + y >= rows[1])[:, None] | (cols[0] + x >= cols[1])
            planes.append(
                np.where(outside, nodata, plane).astype(codes.dtype) if outside.any() else plane
            )
    return planes


def _picked(windows: npt.NDArray[np.intp], offset: int) -> slice | npt.NDArray[np.intp]:
    """The pixels at an offset of all windows: a slice where these are two pixels wide throughout."""
    first, count = int(windows[0, 0]), windows.shape[1]
    if windows[1, -1] - first == 2 * count and (windows[1] - windows[0] == 2).all():
        return slice(first + offset, first + 2 * count, 2)
    picked: npt.NDArray[np.intp] = np.minimum(windows[0] + offset, windows[1] - 1)
    return picked


def _mode(planes: list[Codes], nodata: int) -> Codes:
    """The most frequent code at each place of arrays of one shape."""
    result = planes[0].copy()
    mixed = np.zeros(result.shape, bool)
    for plane in planes[1:]:
        mixed |= plane != result
    if not mixed.any():
        return result
    some = [plane[mixed] for plane in planes]
    best, most = np.full_like(some[0], nodata), np.zeros(some[0].shape, np.uint8)
    for place, codes in enumerate(some):
        count = np.ones(codes.shape, np.uint8)
        for earlier in some[:place]:
            count += earlier == codes
        count[codes == nodata] = 0
        better = count > most
        best[better], most[better] = codes[better], count[better]
    result[mixed] = best
    return result
