"""The rule for convolution.

To CNTK the channels are one more axis that the kernel slides along; usually the kernel is as deep as
the channels and there is one position. Then it is ONNX's convolution. Where it does slide over
channels, an axis of one channel is put before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from landcover.models.cntk.conversion.onnx_builder import TO_END, Dim, Value
from landcover.models.cntk.conversion.rules import convolution_by_slices
from landcover.models.cntk.conversion.rules.transposed import transposed
from landcover.models.cntk.conversion.rules.windows import Axis, Placement, place
from landcover.models.cntk.conversion.step import Step

_MOST_BANDED: Final = 1024  # channels: their square is how large a banded matrix gets


def convolution(step: Step) -> Value:
    """Correlate x with the kernels W, which have the C-order shape (maps, channels / groups, ...)."""
    w, x = step.take(2)
    step.of_one_type(w, x)
    if w.rank == x.rank and w.rank > 0:
        w = step.reshaped(w, (1, *w.shape))
    if w.rank != x.rank + 1 or x.rank < 1 or w.batched:
        step.refuse(f"kernels of shape {w.shape} on an input of shape {x.shape}")
    if step.attribute("sequential", bool, False):
        step.refuse("a convolution along a sequence; landcover runs networks on images only")
    if not all(step.function.attributes.get("sharing", [])):
        step.refuse("kernels that are not shared between positions")
    x = x if x.batched else _with_batch(step, x)
    if step.attribute("transpose", bool, False):
        return transposed(step, w, x, _axes(step, w, x))
    return _correlation(step, w, x)


def shifted(step: Step, x: Value, placements: Sequence[Placement], first: int) -> Value:
    """Leave out the samples that negative padding skips on the axes from ``first`` on."""
    skip = [(first + n, -p.before) for n, p in enumerate(placements) if p.before < 0]
    if not skip:
        return x
    axes = np.array([axis + int(x.batched) for axis, _ in skip])
    starts = np.array([count for _, count in skip])
    ends = np.full(len(skip), TO_END)
    shape = list(x.shape)
    for axis, count in skip:
        dim = shape[axis]
        shape[axis] = dim - count if isinstance(dim, int) else dim
    return step.result(step.emit("Slice", [x, starts, ends, axes]), shape, x)


def pads(placements: Sequence[Placement]) -> list[int]:
    """Return ONNX's list of pads: all that come before, then all that come after."""
    return [max(p.before, 0) for p in placements] + [p.after for p in placements]


def _correlation(step: Step, w: Value, x: Value) -> Value:
    axes, groups = _axes(step, w, x), step.attribute("groups", int, 1)
    placements = _placed(step, axes)
    channels = placements[0]
    deep = x.shape[0] == w.shape[1] * groups if isinstance(w.shape[1], int) else False
    if deep and channels.windows == 1 and channels.before == 0:
        if _is_banded(w, x, axes, placements):
            return _banded(step, w, x, placements[1])
        return _convolve(step, w, x, axes[1:], placements[1:], groups)
    if groups != 1 or (axes[0].dilation > 1 and axes[0].kernel > 1):
        step.refuse(f"kernels of shape {w.shape} in {groups} groups on channels {x.shape[0]}")
    single = step.reshaped(x, (1, *x.shape))
    kernels = step.reshaped(w, (w.shape[0], 1, *w.shape[1:]))
    y = _convolve(step, kernels, single, axes, placements, 1)
    return step.reshaped(y, (_product(step, y.shape[:2]), *y.shape[2:]))


def _axes(step: Step, w: Value, x: Value) -> list[Axis]:
    rank = x.rank
    kernel = step.known(w)[1:]

    def listed(key: str, default: int) -> tuple[int, ...]:
        found = step.numbers(key, ())
        if found in ((), (0,)):
            return (default,) * rank
        if len(found) > rank:
            step.refuse(f"attribute {key!r} has {len(found)} entries for {rank} axes")
        if len(found) == 1:  # legacy files: one for all axes but the channels
            found *= max(rank - 1, 1)
        return (default,) * (rank - len(found)) + found

    strides, dilations = listed("strides", 1), listed("dilation", 1)
    lower, upper = listed("lowerPad", 0), listed("upperPad", 0)
    auto = listed("autoPadding", 0)
    if strides[0] == -1 and kernel[0] * step.attribute("groups", int, 1) == x.shape[0]:
        # CNTK's converter from Caffe left the stride along the channels open. Kernels as deep as the
        # channels have one place there, whatever the stride.
        strides = (1, *strides[1:])
    if min(strides) < 1 or min(dilations) < 1 or min(lower) < 0 or min(upper) < 0:
        step.refuse("strides and dilations must be positive, and padding not negative")
    groups = step.attribute("groups", int, 1)
    return [
        Axis(x.shape[n], kernel[n] * (groups if n == 0 else 1), strides[n], dilations[n],
             bool(auto[n]), lower[n], upper[n])
        for n in range(rank)
    ]  # fmt: skip


def _placed(step: Step, axes: Sequence[Axis]) -> list[Placement]:
    placements = []
    for axis in axes:
        found = place(axis)
        if found is None:
            step.refuse(
                f"windows of {axis.reach} with stride {axis.stride} cannot be placed along an "
                f"extent of {axis.extent}"
            )
        placements.append(found)
    return placements


def _convolve(
    step: Step,
    w: Value,
    x: Value,
    axes: Sequence[Axis],
    placements: Sequence[Placement],
    groups: int,
) -> Value:
    """Write a convolution along all axes of x but the first."""
    if not axes:  # a vector: each map is a product with the whole of it
        y = _convolve(
            step,
            step.reshaped(w, (*w.shape, 1)),
            step.reshaped(x, (*x.shape, 1)),
            [Axis(1, 1)],
            [Placement(1, 0, 0)],
            groups,
        )
        return step.reshaped(y, y.shape[:-1])
    x = shifted(step, x, placements, 1)
    shape = (w.shape[0], *(p.windows for p in placements))
    if x.dtype == np.float64 or len(axes) > 3:
        return step.result(
            convolution_by_slices.convolve(step, w, x, axes, placements, groups), shape, x
        )
    tensor = step.emit(
        "Conv",
        [x, w],
        kernel_shape=[axis.kernel for axis in axes],
        strides=[axis.stride for axis in axes],
        dilations=[axis.dilation for axis in axes],
        pads=pads(placements),
        group=groups,
    )
    return step.result(tensor, shape, x)


def _is_banded(w: Value, x: Value, axes: Sequence[Axis], placements: Sequence[Placement]) -> bool:
    """Whether the kernel slides over channels only, as in local response normalization."""
    sliding = [axis for axis in axes[1:] if axis.slides]
    return (
        x.rank == 4
        and w.constant is not None
        and w.shape[:2] == (1, 1)
        and len(sliding) == 1
        and sliding[0] is axes[1]
        and axes[1].stride == axes[1].dilation == 1
        and placements[1].windows == x.shape[1]
        and isinstance(x.shape[1], int)
        and x.shape[1] <= _MOST_BANDED
    )


def _banded(step: Step, w: Value, x: Value, placement: Placement) -> Value:
    """Write a correlation over channels as a 1x1 convolution with a banded matrix."""
    assert w.constant is not None
    taps, channels = w.constant.reshape(-1), int(x.shape[1])
    band = np.zeros((channels, channels), w.dtype)
    for tap, weight in enumerate(taps):
        band += weight * np.eye(channels, k=tap - placement.before, dtype=w.dtype)
    flat = step.reshaped(x, x.shape[1:])
    matrix = step.builder.constant(band[:, :, None, None], f"{step.function.name}/taps")
    kernel = step.result(matrix, (channels, channels, 1, 1), w)
    axes = [Axis(x.shape[2], 1), Axis(x.shape[3], 1)]
    placements = [Placement(x.shape[2], 0, 0), Placement(x.shape[3], 0, 0)]
    return step.reshaped(_convolve(step, kernel, flat, axes, placements, 1), x.shape)


def _with_batch(step: Step, x: Value) -> Value:
    """A tensor without batch is a batch of one."""
    tensor = step.emit("Unsqueeze", [x, np.array([0])])
    return step.result(tensor, x.shape, x, batched=True)


def _product(step: Step, dims: Sequence[Dim]) -> Dim:
    known = [dim for dim in dims if isinstance(dim, int)]
    free = [dim for dim in dims if isinstance(dim, str)]
    if free and (len(free) > 1 or int(np.prod(known)) != 1):
        step.refuse(f"merges free extents {tuple(dims)}; fix them in CNTK")
    product = 1
    for dim in known:
        product *= dim
    return free[0] if free else product


RULES: Final[dict[str, Callable[[Step], Value]]] = {"Convolution": convolution}
