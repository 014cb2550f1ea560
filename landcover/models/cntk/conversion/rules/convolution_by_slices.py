"""Convolution written with slices and products of matrices.

ONNX Runtime convolves in float32 only, and along three axes at most. A float64 file, or one with
more axes, is written with operations that keep its precision: every tap of the kernel becomes a
slice of the padded input, and the taps are summed by one product of matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

import numpy as np

from landcover.models.cntk.conversion.onnx_builder import TO_END, Array, Dim, Value
from landcover.models.cntk.conversion.rules.windows import Axis, Placement
from landcover.models.cntk.conversion.step import Step

_MOST_TAPS: Final = 1024


def taps(step: Step, tensor: str, axes: Sequence[Axis]) -> Iterator[str]:
    """Yield one tensor a tap of the window, all of the result's extents.

    ``tensor`` is (batch, channels, extents...), padded already; the first tap varies slowest.
    """
    if np.prod([float(axis.kernel) for axis in axes]) > _MOST_TAPS:
        step.refuse(f"a window of more than {_MOST_TAPS} taps in float64 or along over 3 axes")
    dims = np.arange(2, 2 + len(axes))
    steps = np.array([axis.stride for axis in axes])
    for offsets in product(*(range(axis.kernel) for axis in axes)):
        starts = [o * axis.dilation for o, axis in zip(offsets, axes, strict=True)]
        left = [axis.reach - 1 - start for start, axis in zip(starts, axes, strict=True)]
        ends = np.array([-end if end else TO_END for end in left])
        yield step.emit("Slice", [tensor, np.array(starts), ends, dims, steps])


def padded(step: Step, x: Value, placements: Sequence[Placement]) -> str:
    """Return x with zeros around it, as ``placements`` ask."""
    before, after = [max(p.before, 0) for p in placements], [p.after for p in placements]
    if not any(before) and not any(after):
        return x.tensor
    return step.emit("Pad", [x, np.array([0, 0, *before, 0, 0, *after])])


def convolve(
    step: Step,
    w: Value,
    x: Value,
    axes: Sequence[Axis],
    placements: Sequence[Placement],
    groups: int,
) -> str:
    """Return the tensor (batch, maps, windows...) of a convolution of x with kernels w."""
    if w.constant is None:
        step.refuse("kernels that are computed, in float64 or along more than 3 axes")
    channels, maps = int(w.shape[1]), int(w.shape[0])
    columns = list(taps(step, padded(step, x, placements), axes))
    parts = []
    for group in range(groups):
        own = columns
        if groups > 1:
            bounds = [np.array([n * channels]) for n in (group, group + 1)]
            own = [step.emit("Slice", [c, *bounds, np.array([1])]) for c in columns]
        kernels = w.constant[group * maps // groups : (group + 1) * maps // groups]
        parts.append(_sum_of_taps(step, own, kernels, channels))
    y = parts[0] if len(parts) == 1 else step.emit("Concat", parts, axis=1)
    return _unflatten(step, y, columns[0], maps)


def spread(
    step: Step, w: Value, x: Value, axes: Sequence[Axis], sides: Sequence[tuple[Dim, int, int]]
) -> str:
    """Return a transposed convolution: x with zeros between its samples, convolved backwards."""
    if w.constant is None:
        step.refuse("kernels that are computed, in float64")
    extents = step.known(x)
    rank = len(axes)
    apart = step.emit("Unsqueeze", [x, np.arange(3, 3 + 2 * rank, 2)])
    gaps = [0, 0] + [0, 0] * rank + [0, 0] + [n for a in axes for n in (0, a.stride - 1)]
    apart = step.emit("Pad", [apart, np.array(gaps)])
    wide = [n * a.stride for n, a in zip(extents[1:], axes, strict=True)]
    dilated = step.emit("Reshape", [apart, np.array([0, extents[0], *wide])])
    around = []
    for axis, (_, before, after) in zip(axes, sides, strict=True):
        around.append((axis.kernel - 1 - before, axis.kernel - axis.stride - after))
    pads = [0, 0, *(b for b, _ in around), 0, 0, *(a for _, a in around)]
    ready = step.emit("Pad", [dilated, np.array(pads)])
    flipped = np.flip(w.constant, tuple(range(2, 2 + rank))).swapaxes(0, 1)
    kernels = np.ascontiguousarray(flipped)
    columns = list(taps(step, ready, [Axis(0, axis.kernel) for axis in axes]))
    y = _sum_of_taps(step, columns, kernels, kernels.shape[1])
    return _unflatten(step, y, columns[0], kernels.shape[0])


def _sum_of_taps(step: Step, columns: Sequence[str], kernels: Array, channels: int) -> str:
    stacked = step.emit("Concat", columns, axis=1) if len(columns) > 1 else columns[0]
    flat = step.emit("Reshape", [stacked, np.array([0, len(columns) * channels, -1])])
    weights = np.moveaxis(kernels.reshape(len(kernels), channels, -1), 1, 2)
    matrix = np.ascontiguousarray(weights).reshape(len(kernels), -1)
    return step.emit("MatMul", [matrix, flat])


def _unflatten(step: Step, y: str, like: str, maps: int) -> str:
    """Give ``y``: (batch, maps, positions) the extents of ``like``: (batch, any, extents...)."""
    shape = step.emit("Shape", [like])
    extents = step.emit("Slice", [shape, np.array([2]), np.array([TO_END])])
    return step.emit("Reshape", [y, step.emit("Concat", [np.array([0, maps]), extents], axis=0)])
