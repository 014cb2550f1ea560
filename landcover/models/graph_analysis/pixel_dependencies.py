"""Which pixels of a network's window each element of a tensor depends on, as rows and columns.

Spans of a tensor are an array with dims (4, *shape of the tensor): for each element the first row,
the negative of the last row, the first column and the negative of the last column of the pixels
that can change it. What depends on several elements has their minimum; :data:`NOTHING`, which is
larger than any pixel, stands for no pixel at all (padding, weights).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from landcover.models.formats.sizes import numbers_in

Spans: TypeAlias = npt.NDArray[np.float32]

NOTHING: Final = np.float32(1e9)
# Elements of a tensor that are followed, of which each has four numbers: half a gigabyte.
_MOST: Final = 2**25


def check_followed(extents: Sequence[int]) -> None:
    """Refuse to follow a tensor of any number of elements.

    Raises:
        ValueError: it has too many.
    """
    if numbers_in(extents) > _MOST:
        raise ValueError(f"has {numbers_in(extents):,} elements")


def of_window(shape: Sequence[int], rows: int, columns: int) -> Spans:
    """The spans of the input: each element depends on its own pixel.

    Args:
        shape: of the input.
        rows: which axis of it runs over rows.
        columns: likewise.
    """
    index = np.indices(shape, np.float32, sparse=True)
    planes = [index[rows], -index[rows], index[columns], -index[columns]]
    return np.stack([np.broadcast_to(plane, shape) for plane in planes])


def of_nothing(shape: Sequence[int]) -> Spans:
    """The spans of what depends on no pixel."""
    return np.broadcast_to(NOTHING, (4, *shape))


def union(spans: Spans, axes: Sequence[int]) -> Spans:
    """What depends on all elements along some axes (of the tensor); they keep the extent 1."""
    found: Spans = spans.min(axis=tuple(axis + 1 for axis in axes), keepdims=True)
    return found


def padded(spans: Spans, before: Sequence[int], after: Sequence[int]) -> Spans:
    """The tensor with elements that depend on nothing around it; negative numbers cut off."""
    cut = [slice(None)]
    for extent, low, high in zip(spans.shape[1:], before, after, strict=True):
        cut.append(slice(max(-low, 0), extent - max(-high, 0)))
    grown = [(max(low, 0), max(high, 0)) for low, high in zip(before, after, strict=True)]
    check_followed([n + sum(more) for n, more in zip(spans.shape[1:], grown, strict=True)])
    return np.pad(spans[tuple(cut)], [(0, 0), *grown], constant_values=NOTHING)


def spread(spans: Spans, axis: int, stride: int) -> Spans:
    """The tensor with ``stride - 1`` elements that depend on nothing between any two of an axis."""
    shape = list(spans.shape)
    shape[axis + 1] = (shape[axis + 1] - 1) * stride + 1
    check_followed(shape[1:])
    found = np.full(shape, NOTHING, np.float32)
    found[_along(axis + 1, slice(None, None, stride))] = spans
    return found


def windows(spans: Spans, axis: int, size: int, stride: int, dilation: int, count: int) -> Spans:
    """What depends on a window that moves along an axis.

    Args:
        spans: of the tensor, padded.
        axis: of the tensor.
        size: elements of the window.
        stride: elements that it moves at a time.
        dilation: elements from one of the window to the next.
        count: how many places it takes.
    """
    found: Spans | None = None
    for at in range(0, size * dilation, dilation):
        some = slice(at, at + (count - 1) * stride + 1, stride)
        part = spans[_along(axis + 1, some)]
        found = part if found is None else np.minimum(found, part)
    assert found is not None
    return found


def extent(spans: Spans) -> tuple[int, int]:
    """The most rows and columns of pixels that any element depends on; 0 where on none."""
    flat = spans.reshape(4, -1)
    flat = flat[:, flat[0] < NOTHING]
    if not flat.size:
        return 0, 0
    return int((-flat[1] - flat[0]).max()) + 1, int((-flat[3] - flat[2]).max()) + 1


def _along(axis: int, index: slice) -> tuple[slice, ...]:
    return (*[slice(None)] * axis, index)
