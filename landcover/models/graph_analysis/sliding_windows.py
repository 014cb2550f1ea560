"""Convolution, pooling, padding and resampling: which elements a window covers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from landcover.models.graph_analysis import pixel_dependencies as pixels
from landcover.models.graph_analysis.pixel_dependencies import Spans

Array: TypeAlias = npt.NDArray[Any]
Rule: TypeAlias = Callable[[onnx.NodeProto, Spans, Sequence[Array | None]], Spans]

# Of an element: a place on one may be computed as one just beside it.
_ROUNDING: Final = 1e-6


@dataclass(frozen=True)
class Window:
    """A window along one axis.

    Args:
        size: elements that it covers.
        stride: elements that it moves at a time.
        dilation: elements from one that it covers to the next.
        before: padding before the first element.
        after: padding behind the last one.
        ceil: a last window that is only partly inside counts.
    """

    size: int
    stride: int
    dilation: int
    before: int
    after: int
    ceil: bool

    @property
    def reach(self) -> int:
        """Elements from the first that it covers to the last."""
        return (self.size - 1) * self.dilation

    def count(self, extent: int) -> int:
        """How many places the window takes along an axis."""
        free = extent + self.before + self.after - self.reach - 1
        whole = (-(-free // self.stride) if self.ceil else free // self.stride) + 1
        # A window that would begin in the padding behind the tensor is left out.
        beyond = self.ceil and (whole - 1) * self.stride >= extent + self.before
        return whole - 1 if beyond else whole


def _convolution(node: onnx.NodeProto, source: Spans, constants: Sequence[Array | None]) -> Spans:
    weights = _known(constants, 0)
    kernel, groups = weights.shape[2:], _attributes(node).get("group", 1)
    moved = _moved(_by_group(source, groups), windows_of(node, kernel, source.shape[3:]))
    return _channels(moved, weights.shape[0])


def _transposed(node: onnx.NodeProto, source: Spans, constants: Sequence[Array | None]) -> Spans:
    weights = _known(constants, 0)
    given, groups = _attributes(node), _attributes(node).get("group", 1)
    kernel = weights.shape[2:]
    more = given.get("output_padding", [0] * len(kernel))
    value = _by_group(source, groups)
    for axis, window in enumerate(windows_of(node, kernel, source.shape[3:], transposed=True), 2):
        value = pixels.spread(value, axis, window.stride)
        edges = [0] * (value.ndim - 1), [0] * (value.ndim - 1)
        edges[0][axis] = window.reach - window.before
        edges[1][axis] = window.reach - window.after + more[axis - 2]
        value = pixels.padded(value, *edges)
        count = value.shape[axis + 1] - window.reach
        value = pixels.windows(value, axis, window.size, 1, window.dilation, count)
    return _channels(value, weights.shape[1] * groups)


def _pooling(node: onnx.NodeProto, source: Spans, constants: Sequence[Array | None]) -> Spans:
    del constants
    return _moved(source, windows_of(node, _attributes(node)["kernel_shape"], source.shape[3:]))


def _padding(node: onnx.NodeProto, source: Spans, constants: Sequence[Array | None]) -> Spans:
    given = _attributes(node)
    pads = given.get("pads") or _known(constants, 0).tolist()
    rank = source.ndim - 1
    axes = list(range(rank))
    if len(constants) > 2 and constants[2] is not None:
        axes = [axis % rank for axis in constants[2].tolist()]
    before, after = [0] * rank, [0] * rank
    for place, axis in enumerate(axes):
        before[axis], after[axis] = pads[place], pads[place + len(pads) // 2]
    mode = given.get("mode", b"constant").decode()
    padded = pixels.padded(source, before, after)
    if mode == "constant":
        return padded
    return np.pad(source, [(0, 0), *zip(before, after, strict=True)], mode=mode)


def _resampling(node: onnx.NodeProto, source: Spans, constants: Sequence[Array | None]) -> Spans:
    """Interpolation: from every element to the neighbours that it lies between."""
    given = _attributes(node)
    told = [value for value in constants if value is not None and value.size == source.ndim - 1]
    if not told:
        raise ValueError("resampled to an unknown size")
    sizes = told[-1]
    whole = sizes.dtype.kind == "i"
    # Upsample and the first Resize, which know factors alone, had one way only.
    usual = b"asymmetric" if len(node.input) < 3 else b"half_pixel"
    mode = given.get("coordinate_transformation_mode", usual).decode()
    for axis, extent in enumerate(source.shape[1:]):
        wanted = int(sizes[axis]) if whole else int(np.floor(extent * float(sizes[axis])))
        if wanted == extent:
            continue
        step = extent / wanted if whole else 1 / float(sizes[axis])
        places = _places(mode, wanted, extent, step)
        reach = 2 if given.get("mode") == b"cubic" else 1
        if given.get("antialias"):  # the kernel is as wide as what it takes together
            reach = min(int(np.ceil(reach * max(1.0, step))), extent)
        pixels.check_followed(
            [2 * reach, wanted, *source.shape[1 : axis + 1], *source.shape[axis + 2 :]]
        )
        near = [np.floor(places + _ROUNDING) + each for each in range(1 - reach, reach + 1)]
        index = [np.clip(at, 0, extent - 1).astype(np.int64) for at in near]
        source = np.stack([source.take(at, axis=axis + 1) for at in index]).min(axis=0)
    return source


def _places(mode: str, wanted: int, extent: int, step: float) -> npt.NDArray[np.float64]:
    """Where elements of a result lie among those that are resampled, as ONNX's Resize has it.

    Raises:
        ValueError: they lie where another input says.
    """
    at = np.arange(wanted, dtype=np.float64)
    if mode == "align_corners":
        return at * (extent - 1) / max(1, wanted - 1)
    if mode == "asymmetric":
        return at * step
    if mode not in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel"):
        raise ValueError(f"resampled by {mode}")
    if mode == "pytorch_half_pixel" and wanted == 1:
        return at
    off = (extent - wanted * step) / 2 if mode == "half_pixel_symmetric" else 0.0
    return off + (at + 0.5) * step - 0.5


def _normalization(node: onnx.NodeProto, source: Spans, constants: Sequence[Array | None]) -> Spans:
    """Local response normalization: the neighbouring channels of the same place."""
    del node, constants
    return np.broadcast_to(pixels.union(source, [1]), source.shape)


RULES: Final[Mapping[str, Rule]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "MaxPool": _pooling,
    "AveragePool": _pooling,
    "LpPool": _pooling,
    "Pad": _padding,
    "Resize": _resampling,
    "Upsample": _resampling,
    "LRN": _normalization,
}


def _by_group(source: Spans, groups: int) -> Spans:
    """What depends on all channels of a group: dims (4, n, group, ...)."""
    n, channels, *rest = source.shape[1:]
    found: Spans = source.reshape(4, n, groups, channels // groups, *rest).min(axis=3)
    return found


def _channels(by_group: Spans, count: int) -> Spans:
    return by_group.repeat(count // by_group.shape[2], axis=2)


def _moved(source: Spans, windows: Sequence[Window]) -> Spans:
    value = source
    for axis, window in enumerate(windows, 2):
        count = window.count(source.shape[axis + 1])
        last = (count - 1) * window.stride + window.reach + 1
        edges = [0] * (value.ndim - 1), [0] * (value.ndim - 1)
        edges[0][axis] = window.before
        edges[1][axis] = max(last - source.shape[axis + 1] - window.before, 0)
        value = pixels.padded(value, *edges)
        value = pixels.windows(value, axis, window.size, window.stride, window.dilation, count)
    return value


def windows_of(
    node: onnx.NodeProto, kernel: Sequence[int], extents: Sequence[int], transposed: bool = False
) -> list[Window]:
    """The windows of a convolution or pooling, one an axis, with padding as it comes to be.

    Args:
        node: which one.
        kernel: extents of its kernel.
        extents: of the tensor that it reads, along the same axes.
        transposed: it is a transposed convolution.
    """
    given, rank = _attributes(node), len(kernel)
    strides = given.get("strides", [1] * rank)
    dilations = given.get("dilations", [1] * rank)
    pads = given.get("pads", [0] * 2 * rank)
    automatic = given.get("auto_pad", b"NOTSET").decode()
    found = []
    for axis, (size, stride, dilation) in enumerate(zip(kernel, strides, dilations, strict=True)):
        before, after = pads[axis], pads[axis + rank]
        if automatic.startswith("SAME"):
            reach = (size - 1) * dilation
            steps = extents[axis] if transposed else -(-extents[axis] // stride)
            total = max((steps - 1) * stride + reach + 1 - extents[axis], 0)
            total = max(reach + 1 - stride, 0) if transposed else total
            less, more = total // 2, total - total // 2
            before, after = (more, less) if automatic == "SAME_LOWER" else (less, more)
        ceil = bool(given.get("ceil_mode", 0))
        found.append(Window(size, stride, dilation, before, after, ceil))
    return found


def _known(constants: Sequence[Array | None], at: int) -> Array:
    value = constants[at] if at < len(constants) else None
    if value is None:
        raise ValueError("an operation whose weights are computed")
    return value


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}
