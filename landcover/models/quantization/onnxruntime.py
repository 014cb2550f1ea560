"""Quantized by ONNX Runtime for itself: layers in 8 bits, but for those that change scores most."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
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


class OnnxQuantizer:
    """Puts as few layers back in f32 as labels need.

    Layers are ranked by how far scores go apart where each alone is in 8 bits; the worst 1, 2, 4 and so
    on are kept in f32.

    Args:
        network: with one input and one output.
        inputs: what it reads, each of as many tiles as it takes at once, for ranges and for the choice
            of layers.
        labels: from what it returns to labels.
        shown: the model's name in messages.
        folder: for its files, empty.

    Raises:
        ModelError: ONNX Runtime cannot quantize it.
    """

    def __init__(
        self,
        network: onnx.ModelProto,
        inputs: Sequence[Array],
        labels: Callable[[Array], Labels],
        shown: str,
        folder: Path,
    ) -> None:
        self._inputs, self._labels, self._shown = inputs, labels, shown
        self._plain, self._made = folder / "plain.onnx", folder / "i8.onnx"
        with _told(shown):
            for place, node in enumerate(network.graph.node):
                node.name = f"node{place}"
            whole = folder / "whole.onnx"
            onnx.save(network, str(whole))
            quant_pre_process(str(whole), str(self._plain), skip_symbolic_shape=True)
            nodes = onnx.load(str(self._plain)).graph.node
            self._layers = [node.name for node in nodes if node.op_type in _WEIGHTED]
            session = onnxruntime.InferenceSession(str(self._plain))
            self._image = session.get_inputs()[0].name
            self._exact = [labels(found) for found in self._run(self._plain, inputs)]

    def until(self, may_differ: float) -> Quantized:
        """See :class:`~landcover.models.quantization.quantized.Quantizer`."""
        with _told(self._shown):
            for kept in chain([0], _doubling(len(self._layers))):
                excluded = self._ranked[:kept] if kept else []
                self._quantize(self._inputs, nodes_to_exclude=excluded)
                found = self._run(self._made, self._inputs)
                both = zip(found, self._exact, strict=True)
                same = [(self._labels(one) == exact).mean() for one, exact in both]
                if float(np.mean(same)) >= 1 - may_differ:
                    break
            return Quantized(self._made.read_bytes(), len(self._layers), kept)

    @cached_property
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


@contextmanager
def _told(shown: str) -> Iterator[None]:
    """Failures of the library, as a sentence about the model; its errors have no root of their own."""
    try:
        yield
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        reason = f"cannot be quantized ({told}): set model.precision to f32"
        raise ModelError(shown, reason) from error


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
