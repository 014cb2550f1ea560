"""Networks whose answers NumPy works out in double precision, written as ONNX files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from oracle.answers import ANSWERS, LEAST, Weights, interpolated, moved, probable
from oracle.rounding import Rounded

KINDS = ("flat", "pooled", "same", "valid", "standardised", "strided")
PIXEL_KINDS = ("same", "valid", "standardised", "strided")
ENDINGS = ("softmax", "logits", "sigmoid", "logits of sigmoid")
_HIDDEN = 6


class Size(NamedTuple):
    """Rows and columns, in pixels."""

    rows: int
    cols: int

    def less(self, margin: int) -> Size:
        """What is left inside a margin on each side."""
        return Size(self.rows - 2 * margin, self.cols - 2 * margin)


@dataclass(frozen=True)
class Network:
    """A network of one kind.

    Args:
        kind: "flat": a dense layer over all pixels of the window; "pooled": a convolution and the
            mean of its features; "same": two convolutions padded with zeros, a label a pixel;
            "valid": two without padding, so that less comes out than goes in; "standardised": each
            window less its own mean and divided by its spread, then as "same"; "strided": a label
            for every few pixels, between which probabilities are interpolated.
        bands: that it reads.
        window: what it reads.
        classes: that it tells apart.
        ending: of ``ENDINGS``: in probabilities, or in the logits that lead to them.
        single: it returns one number, of the second of two classes.
        threshold: of such a network: from which probability on it is the second.
        fixed: the file says how large the window is.
        reach: of the second convolution of "valid": pixels it looks at on each side; the margin of
            "strided" that gets no label is twice that, and so is its output stride.
        seed: of its weights.
    """

    kind: str
    bands: int
    window: Size
    classes: int
    ending: str
    single: bool
    threshold: float
    fixed: bool
    reach: int
    seed: int

    @property
    def pixel(self) -> bool:
        """It labels pixels."""
        return self.kind in PIXEL_KINDS

    @property
    def halo(self) -> int:
        """Pixels on each side of its window that it does not return."""
        return {"valid": 1 + self.reach, "strided": 2 * self.reach}.get(self.kind, 0)

    @property
    def returned(self) -> int:
        """Numbers that it returns of a tile or pixel."""
        return 1 if self.single else self.classes

    def probabilities(self, images: Rounded) -> Rounded:
        """Of images (n, band, y, x): (n, class), or (n, class, y, x)."""
        found = probable(ANSWERS[self.kind](images, self.weights()), self.ending)
        if self.single:
            found = moved(found, self.threshold)
        if self.kind == "strided":
            inner = slice(self.halo, -self.halo)
            found = interpolated(found, 2 * self.reach)[:, :, inner, inner]
        return found

    def weights(self) -> Weights:
        rng = np.random.default_rng(self.seed)
        size = 2 * self.reach + 1
        first = (_HIDDEN, self.bands, 3, 3)
        shapes = {
            "flat": {"dense": (self.bands * self.window.rows * self.window.cols, self.returned)},
            "pooled": {"first": first, "dense": (_HIDDEN, self.returned)},
            "same": {"first": first, "second": (self.returned, _HIDDEN, 3, 3)},
            "valid": {"first": first, "second": (self.returned, _HIDDEN, size, size)},
            "standardised": {"first": first, "second": (self.returned, _HIDDEN, 3, 3)},
            "strided": {
                "first": first,
                "second": (self.returned, _HIDDEN, 2 * self.reach, 2 * self.reach),
            },
        }[self.kind]
        return {
            name: rng.normal(0, _spread(name, shape), shape).astype(np.float32)
            for name, shape in shapes.items()
        }

    @property
    def _labels(self) -> Size:
        """Rows and columns of a map that it returns."""
        if self.kind == "strided":
            step = 2 * self.reach
            return Size(self.window.rows // step, self.window.cols // step)
        return self.window.less(self.halo)

    def save(self, path: Path) -> None:
        stride = {"strides": [2 * self.reach] * 2} if self.kind == "strided" else {}
        nodes = [_node(*step) for step in _STEPS[self.kind]]
        nodes[-1] = _node(*_STEPS[self.kind][-1][:3], _STEPS[self.kind][-1][3] | stride)
        last = {"softmax": ("Softmax", {"axis": 1}), "sigmoid": ("Sigmoid", {})}.get(self.ending)
        if last is not None:
            nodes.append(_node(last[0], ["logits"], "shares", last[1]))
        edges: list[Any] = [*self.window] if self.fixed else ["rows", "columns"]
        inner: list[Any] = [*self._labels] if self.fixed else ["high", "wide"]
        returned = ["n", self.returned, *(inner if self.pixel else [])]
        graph = helper.make_graph(
            nodes,
            self.kind,
            [_tensor("image", ["n", self.bands, *edges])],
            [_tensor("shares" if last else "logits", returned)],
            [numpy_helper.from_array(value, name) for name, value in self.weights().items()]
            + [numpy_helper.from_array(np.float32(LEAST), "least")] * ("stand" in self.kind),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))


_Step: TypeAlias = tuple[str, list[str], str, dict[str, Any]]
_SAME: list[_Step] = [
    ("Conv", ["image", "first"], "features", {"pads": [1] * 4}),
    ("Relu", ["features"], "positive", {}),
    ("Conv", ["positive", "second"], "logits", {"pads": [1] * 4}),
]
_MEAN = {"axes": [2, 3], "keepdims": 1}
_STEPS: dict[str, list[_Step]] = {
    "flat": [
        ("Flatten", ["image"], "row", {"axis": 1}),
        ("MatMul", ["row", "dense"], "logits", {}),
    ],
    "pooled": [
        ("Conv", ["image", "first"], "features", {}),
        ("Relu", ["features"], "positive", {}),
        ("GlobalAveragePool", ["positive"], "means", {}),
        ("Flatten", ["means"], "row", {"axis": 1}),
        ("MatMul", ["row", "dense"], "logits", {}),
    ],
    "same": _SAME,
    "valid": [(name, inputs, output, {}) for name, inputs, output, _ in _SAME],
    "strided": [*_SAME[:2], ("Conv", ["positive", "second"], "logits", {})],
    "standardised": [
        ("ReduceMean", ["image"], "mean", _MEAN),
        ("Sub", ["image", "mean"], "centred", {}),
        ("Abs", ["centred"], "sizes", {}),
        ("ReduceMean", ["sizes"], "size", _MEAN),
        ("Add", ["size", "least"], "spread", {}),
        ("Div", ["centred", "spread"], "standard", {}),
        ("Conv", ["standard", "first"], "features", {"pads": [1] * 4}),
        *_SAME[1:],
    ],
}


def _node(name: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> onnx.NodeProto:
    return helper.make_node(name, inputs, [output], **attributes)


def _tensor(name: str, shape: list[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _spread(name: str, shape: tuple[int, ...]) -> float:
    """So large that logits differ by some units where pixels are about 1."""
    inputs = shape[0] if name == "dense" else int(np.prod(shape[1:]))
    return float({"first": 1.5, "second": 3.0, "dense": 3.0}[name] / np.sqrt(inputs))
