"""Quantized by ONNX Runtime for itself: layers in 8 bits, but for those that change scores most."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

from landcover.errors import ModelError
from landcover.models.quantization.quantized import Quantized

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.integer[Any]]

_WEIGHTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")
# Tiles that layers are ranked by: each layer is quantized alone, and their scores compared.
_RANKED_BY = 16


def quantized_for_onnxruntime(
    network: onnx.ModelProto,
    inputs: Sequence[Array],
    labels: Callable[[Array], Labels],
    may_differ: float,
    shown: str,
) -> Quantized:
    """Quantize a network; see :func:`~landcover.models.quantization.openvino.quantized_for_openvino`.

    Layers are ranked by how far scores go apart where each alone is in 8 bits; the worst 1, 2, 4 and so
    on are kept in f32.

    Args:
        network: with one input and one output.
        inputs: what it reads, each of as many tiles as it takes at once.
        labels: from what it returns to labels.
        may_differ: the share of labels that may be others than in f32, in (0, 1).
        shown: the model's name in messages.

    Raises:
        ModelError: ONNX Runtime cannot quantize it.
    """
    with tempfile.TemporaryDirectory(prefix="landcover-") as folder:
        try:
            return _Quantizer(network, inputs, Path(folder)).until(labels, may_differ)
        except Exception as error:  # the library's errors have no root of their own
            told = " ".join(str(error).split())[:200]
            reason = f"cannot be quantized ({told}): set model.precision to f32"
            raise ModelError(shown, reason) from error


class _Quantizer:
    def __init__(self, network: onnx.ModelProto, inputs: Sequence[Array], folder: Path) -> None:
        self._plain, self._made, self._inputs = folder / "plain.onnx", folder / "i8.onnx", inputs
        for place, node in enumerate(network.graph.node):
            node.name = f"node{place}"
        whole = folder / "whole.onnx"
        onnx.save(network, str(whole))
        quant_pre_process(str(whole), str(self._plain), skip_symbolic_shape=True)
        nodes = onnx.load(str(self._plain)).graph.node
        self._layers = [node.name for node in nodes if node.op_type in _WEIGHTED]
        self._image = onnxruntime.InferenceSession(str(self._plain)).get_inputs()[0].name

    def until(self, labels: Callable[[Array], Labels], may_differ: float) -> Quantized:
        """The network with the fewest layers in f32 of which no more labels differ."""
        exact = [labels(found) for found in self._run(self._plain, self._inputs)]
        ranked: list[str] = []
        for kept in chain([0], _doubling(len(self._layers))):
            ranked = ranked or (self._ranked() if kept else [])
            self._quantize(self._inputs, nodes_to_exclude=ranked[:kept])
            found = self._run(self._made, self._inputs)
            same = [(labels(o) == e).mean() for o, e in zip(found, exact, strict=True)]
            if float(np.mean(same)) >= 1 - may_differ:
                break
        return Quantized(self._made.read_bytes(), len(self._layers), kept)

    def _ranked(self) -> list[str]:
        """The layers, that first which takes scores furthest from f32 when it alone is quantized."""
        some = self._inputs[:_RANKED_BY]
        exact, apart = list(self._run(self._plain, some)), dict[str, float]()
        for layer in self._layers:
            self._quantize(some, nodes_to_quantize=[layer])
            found = self._run(self._made, some)
            squares = [float(((o - e) ** 2).mean()) for o, e in zip(found, exact, strict=True)]
            apart[layer] = float(np.mean(squares))
        return sorted(apart, key=lambda layer: apart[layer], reverse=True)

    def _quantize(self, inputs: Sequence[Array], **which: Any) -> None:
        quantization.quantize_static(
            str(self._plain),
            str(self._made),
            _Reader(self._image, inputs),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,  # 7 bits, as NNCF's for OpenVINO, and for the same reason
            **which,
        )

    def _run(self, path: Path, inputs: Sequence[Array]) -> Iterator[Array]:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return (np.asarray(session.run(None, {self._image: one})[0]) for one in inputs)


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Gives ONNX Runtime the inputs one by one."""

    def __init__(self, image: str, inputs: Sequence[Array]) -> None:
        self._left = iter([{image: one} for one in inputs])

    def get_next(self) -> dict[str, Array] | None:
        return next(self._left, None)


def _doubling(most: int) -> Iterator[int]:
    count = 1
    while count < most:
        yield count
        count *= 2
    yield most
