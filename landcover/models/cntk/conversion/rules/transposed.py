"""Transposed convolution: every input sample adds its multiple of the kernel to the result."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from landcover.models.cntk.conversion.onnx_builder import Dim, Value
from landcover.models.cntk.conversion.rules import convolution_by_slices
from landcover.models.cntk.conversion.rules.windows import Axis
from landcover.models.cntk.conversion.step import Step


def transposed(step: Step, w: Value, x: Value, axes: Sequence[Axis]) -> Value:
    """Each input sample adds its multiple of the kernel W: (channels, maps, ...) to the result."""
    if step.attribute("groups", int, 1) != 1 or any(a.dilation > 1 and a.kernel > 1 for a in axes):
        step.refuse("a transposed convolution with groups or dilation")
    if x.shape[0] != w.shape[0] or x.rank < 2:
        step.refuse(f"kernels of shape {w.shape} on an input of shape {x.shape}")
    wanted = step.numbers("outputShape", (0,))
    given = wanted if wanted[-1:] != (0,) and wanted else (0,) * x.rank
    if len(given) != x.rank:
        step.refuse(f"outputShape {given} for an input with {x.rank} axes")
    sides = [_spread(step, axis, out) for axis, out in zip(axes[1:], given[1:], strict=True)]
    shape = (w.shape[1], *(out for out, _, _ in sides))
    if x.dtype == np.float64:
        return step.result(convolution_by_slices.spread(step, w, x, axes[1:], sides), shape, x)
    return _conv_transpose(step, w, x, axes[1:], sides, shape)


def _spread(step: Step, axis: Axis, wanted: int) -> tuple[Dim, int, int]:
    """Return extent, and how much of the full result is cut off before and after (or added)."""
    n = axis.extent
    if isinstance(n, str) and (wanted or (axis.auto and axis.stride > 1 and axis.kernel > 1)):
        step.refuse(f"an extent of {wanted} from a free one; fix the extents in CNTK")
    whole = 0 if isinstance(n, str) else (n - 1) * axis.stride + axis.kernel
    least = whole - axis.kernel + 1
    out = wanted or (least if axis.auto else whole - axis.lower - axis.upper)
    extra = out - least
    before = (axis.kernel - 1) // 2 - int(extra / 2) if axis.auto else axis.lower
    after = whole - out - before
    if out < 1 and not isinstance(n, str):
        step.refuse(f"an extent of {out} from one of {n}")
    return (f"{n}'" if isinstance(n, str) else out), before, after


def _conv_transpose(
    step: Step,
    w: Value,
    x: Value,
    axes: Sequence[Axis],
    sides: Sequence[tuple[Dim, int, int]],
    shape: tuple[Dim, ...],
) -> Value:
    added = [max(-after, 0) for _, _, after in sides]
    padded = [0 if a < axis.stride else a for a, axis in zip(added, axes, strict=True)]
    before = [max(-b, 0) for _, b, _ in sides]
    tensor = step.emit(
        "ConvTranspose",
        [x, w],
        kernel_shape=[axis.kernel for axis in axes],
        strides=[axis.stride for axis in axes],
        pads=[max(b, 0) for _, b, _ in sides] + [max(a, 0) for _, _, a in sides],
        output_padding=[a - p for a, p in zip(added, padded, strict=True)],
    )
    if any(before) or any(padded):
        tensor = step.emit("Pad", [tensor, np.array([0, 0, *before, 0, 0, *padded])])
    return step.result(tensor, shape, x)
