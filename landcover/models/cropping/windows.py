"""Operations whose results depend on a window: convolution, pooling, resampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from landcover.models.cropping.parts import Cut, Indivisible, Node, Part, Rule, Span, widened
from landcover.models.graph_analysis.sliding_windows import Window, windows_of

# Elements beside those that an interpolated one lies between, so that none is the last by mistake.
_MARGINS: Final = {b"nearest": 1, b"linear": 1, b"cubic": 3}
# How places of a result are those of what is resampled, whichever part of it is there.
_MOVING: Final = (b"half_pixel", b"pytorch_half_pixel", b"asymmetric")


def _convolution(node: Node, part: Part) -> Cut:
    return _moved(node, part, node.shape(1)[2:])


def _pooling(node: Node, part: Part) -> Cut:
    return _moved(node, part, node.attribute("kernel_shape"))


def _moved(node: Node, part: Part, kernel: Sequence[int]) -> Cut:
    shape = node.shape(0)
    windows = windows_of(node.proto, kernel, shape[2:])
    counts = tuple(window.count(extent) for window, extent in zip(windows, shape[2:], strict=True))
    if min(counts) < 1:  # libraries do not agree on a window larger than all that it moves over
        raise Indivisible
    if counts != node.result[2:]:  # nor on windows that begin in the padding
        raise ValueError(f"{counts} windows where ONNX infers {node.result[2:]}")
    each = [
        _covered(window, extent, span)
        for window, extent, span in zip(windows, shape[2:], part[2:], strict=True)
    ]
    pads = [before for _, before, _ in each] + [after for _, _, after in each]
    changed: dict[str, Any] = {"pads": pads, "auto_pad": None, "ceil_mode": None}
    reads = widened(part, shape, range(len(shape)))[:2] + tuple(span for span, _, _ in each)
    made = widened(part, node.result, [0, 1])
    return Cut(made, (reads, *(None for _ in node.inputs[1:])), changed)


def _covered(window: Window, extent: int, span: Span) -> tuple[Span, int, int]:
    """What windows cover of an axis, and how much of the padding on both sides of it."""
    low = span[0] * window.stride - window.before
    high = (span[1] - 1) * window.stride - window.before + window.reach + 1
    if high > extent + window.after:  # the last window, which is only partly inside
        raise Indivisible
    inside = max(low, 0), min(high, extent)
    if inside[0] >= inside[1]:
        raise Indivisible
    return inside, inside[0] - low, high - inside[1]


def _transposed(node: Node, part: Part) -> Cut:
    shape, kernel = node.shape(0), node.shape(1)[2:]
    if node.attribute("output_shape") is not None:
        raise Indivisible
    windows = windows_of(node.proto, kernel, shape[2:], transposed=True)
    more = node.attribute("output_padding", [0] * len(kernel))
    for window, extent, added, wanted in zip(
        windows, shape[2:], more, node.result[2:], strict=True
    ):
        made = (extent - 1) * window.stride + window.reach + 1 - window.before - window.after
        if made + added != wanted:
            raise Indivisible
    each = [
        _added_to(window, extent, span)
        for window, extent, span in zip(windows, shape[2:], part[2:], strict=True)
    ]
    changed = {
        "pads": [before for _, before, _ in each] + [max(after, 0) for _, _, after in each],
        "output_padding": [max(-after, 0) for _, _, after in each],
        "auto_pad": None,
    }
    reads = widened(part, shape, range(len(shape)))[:2] + tuple(span for span, _, _ in each)
    rest = (None for _ in node.inputs[1:])
    return Cut(widened(part, node.result, [0, 1]), (reads, *rest), changed)


def _added_to(window: Window, extent: int, span: Span) -> tuple[Span, int, int]:
    """What adds to a span of a transposed convolution's result, and what is cut off on both sides.

    Element i adds to i * stride - before and the ``reach`` elements behind it. Where what is cut off
    behind is negative, so many elements to which nothing adds are lacking.
    """
    stride, before = window.stride, window.before
    first = min(-((window.reach - span[0] - before) // stride), (span[0] + before) // stride)
    last = (span[1] - 1 + before) // stride
    first, last = max(min(first, extent - 1), 0), min(last, extent - 1)
    begins, ends = first * stride - before, last * stride - before + window.reach + 1
    if first > last or ends < span[1] - (stride - 1):
        raise Indivisible
    return (first, last + 1), span[0] - begins, ends - span[1]


def _resampled(node: Node, part: Part) -> Cut:
    """By whole factors; a margin is kept around what is needed, and cut off afterwards."""
    shape, result = node.shape(0), node.result
    mode = node.attribute("mode", b"nearest")
    if node.attribute("coordinate_transformation_mode", _usual_places(node)) not in _MOVING:
        raise Indivisible
    if node.attribute("antialias", 0) or (len(node.inputs) > 1 and node.opset < 7):
        raise Indivisible
    made, reads = [], []
    for extent, wanted, span in zip(shape, result, part, strict=True):
        factor, rest = divmod(wanted, extent)
        if rest or factor < 1:
            raise Indivisible
        margin = 0 if factor == 1 else _MARGINS[mode]
        low, high = span[0] // factor - margin, -(-span[1] // factor) + margin
        low, high = max(low, 0), min(high, extent)
        reads.append((low, high))
        made.append((low * factor, high * factor))
    scales = np.asarray([w / n for w, n in zip(result, shape, strict=True)], np.float32)
    return _by_scales(node, tuple(made), tuple(reads), scales)


def _usual_places(node: Node) -> bytes:
    return b"half_pixel" if node.opset >= 11 and node.proto.op_type == "Resize" else b"asymmetric"


def _by_scales(node: Node, made: Part, reads: Part, scales: Any) -> Cut:
    """Resampled by factors, not to sizes: these would be those of the whole."""
    rest = [None for _ in node.inputs[1:]]
    told = node.attribute("scales")
    if told is None and len(node.inputs) < 4:
        told = node.numbers(len(node.inputs) - 1)
    if told is not None and not np.array_equal(told, np.round(told)):
        raise Indivisible
    if len(node.inputs) < 3:  # of old, by factors alone
        return Cut(made, (reads, *rest))
    if node.attribute("keep_aspect_ratio_policy", b"stretch") != b"stretch":
        raise Indivisible
    changed = {"axes": None, "keep_aspect_ratio_policy": None}
    return Cut(made, (reads, *rest), changed, {2: scales, 3: None})


RULES: Final[Mapping[str, Rule]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _pooling),
    **dict.fromkeys(("Resize", "Upsample"), _resampled),
}
