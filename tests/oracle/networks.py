"""Networks whose answers NumPy works out in double precision, written as ONNX files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import TensorProto, helper, numpy_helper

Floats: TypeAlias = npt.NDArray[np.float64]
Weights: TypeAlias = dict[str, npt.NDArray[np.float32]]

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

    def probabilities(self, images: Floats) -> Floats:
        """Of images (n, band, y, x): (n, class), or (n, class, y, x)."""
        found = _probable(_ANSWERS[self.kind](images, self.weights()), self.ending)
        if self.single:
            found = _moved(found, self.threshold)
        if self.kind == "strided":
            inner = slice(self.halo, -self.halo)
            found = _interpolated(found, 2 * self.reach)[:, :, inner, inner]
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
            + [numpy_helper.from_array(np.float32(_LEAST), "least")] * ("stand" in self.kind),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))


# What a window's spread is at least, so that a window of one colour is no division by zero.
_LEAST = 0.25
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


def _convolved(images: Floats, kernel: npt.NDArray[np.float32], pad: int) -> Floats:
    padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(padded, kernel.shape[2:], axis=(2, 3))
    return np.einsum("nbyxij,cbij->ncyx", windows, kernel.astype(np.float64), optimize=True)


def _probable(logits: Floats, ending: str) -> Floats:
    if "sigmoid" in ending:
        return np.asarray(1 / (1 + np.exp(-logits)))
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _moved(second: Floats, threshold: float) -> Floats:
    """Of the probability of the second class those of both, which meet at the threshold."""
    yes, no = second * (1 - threshold), (1 - second) * threshold
    share = yes / (yes + no)
    return np.concatenate([1 - share, share], axis=1)


def _interpolated(found: Floats, step: int) -> Floats:
    """Between the centres of labels that stand for ``step`` pixels, dims (n, class, y, x)."""
    for axis in (2, 3):
        size = found.shape[axis]
        at = ((np.arange(size * step) + 0.5) / step - 0.5).clip(0, size - 1)
        first = np.floor(at).astype(int)
        after = np.minimum(first + 1, size - 1)
        share = (at - first).reshape([-1 if i == axis else 1 for i in range(4)])
        found = found.take(first, axis) * (1 - share) + found.take(after, axis) * share
    return found


def _strided(images: Floats, weights: Weights) -> Floats:
    features = np.maximum(_convolved(images, weights["first"], 1), 0)
    step = weights["second"].shape[2]
    return _convolved(features, weights["second"], 0)[:, :, ::step, ::step]


def _flat(images: Floats, weights: Weights) -> Floats:
    return np.asarray(images.reshape(len(images), -1) @ weights["dense"].astype(np.float64))


def _pooled(images: Floats, weights: Weights) -> Floats:
    features = np.maximum(_convolved(images, weights["first"], 0), 0).mean(axis=(2, 3))
    return np.asarray(features @ weights["dense"].astype(np.float64))


def _convolutions(images: Floats, weights: Weights, pad: int) -> Floats:
    features = np.maximum(_convolved(images, weights["first"], pad), 0)
    return _convolved(features, weights["second"], pad)


def _standardised(images: Floats, weights: Weights) -> Floats:
    centred = images - images.mean(axis=(2, 3), keepdims=True)
    spread = np.abs(centred).mean(axis=(2, 3), keepdims=True) + _LEAST
    return _convolutions(centred / spread, weights, 1)


_ANSWERS: dict[str, Callable[[Floats, Weights], Floats]] = {
    "flat": _flat,
    "pooled": _pooled,
    "same": lambda images, weights: _convolutions(images, weights, 1),
    "valid": lambda images, weights: _convolutions(images, weights, 0),
    "standardised": _standardised,
    "strided": _strided,
}
