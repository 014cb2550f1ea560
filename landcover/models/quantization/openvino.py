"""Quantized by NNCF for OpenVINO: weights and activations in 8 bits, but for layers that cost labels."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.errors import ModelError
from landcover.models.formats.quantized_file import packed
from landcover.models.openvino_library import FAILURES, named_alike, openvino
from landcover.models.quantization.nncf_library import nncf, quiet
from landcover.models.quantization.quantized import Quantized

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.integer[Any]]

# Tiles that layers are ranked by: those whose labels quantizing changes most. NNCF ranks by 300,
# which takes a quarter of an hour for a ResNet-50 on two cores.
_RANKED_BY = 64


def quantized_for_openvino(
    network: openvino.Model,
    inputs: Sequence[Array],
    labels: Callable[[Array], Labels],
    may_differ: float,
    shown: str,
) -> Quantized:
    """Quantize a network.

    Weights get 7 bits: 8-bit instructions of processors without VNNI clamp sums that 8 bits may
    reach, and workers with it and without must give the same labels.

    Args:
        network: with one input and one output; it is not changed.
        inputs: what it reads, each of as many tiles as it takes at once, for ranges and for the choice
            of layers.
        labels: from what it returns to labels.
        may_differ: the share of labels that may be others than in f32, in (0, 1): layers are kept in
            f32 until no more are.
        shown: the model's name in messages.

    Raises:
        ModelError: NNCF cannot quantize it.
    """
    exact = _exact_labels(network, inputs, labels)
    samples = nncf.Dataset(list(range(len(inputs))), lambda at: inputs[at])

    def same(compiled: openvino.CompiledModel, places: Iterable[int]) -> tuple[float, list[float]]:
        shares = [float((labels(compiled(inputs[at])[0]) == exact[at]).mean()) for at in places]
        return float(np.mean(shares)), shares

    try:
        found = _quantized(network, samples, same, may_differ)
    except (*FAILURES, nncf.InternalError, nncf.UnsupportedModelError, ValueError) as error:
        reason = f"cannot be quantized ({' '.join(str(error).split())[:200]}): set model.precision to f32"
        raise ModelError(shown, reason) from error
    return Quantized(_content(found), *_layers(network, found))


def _quantized(
    network: openvino.Model, samples: Any, same: Callable[..., Any], may_differ: float
) -> openvino.Model:
    with quiet():
        return nncf.quantize_with_accuracy_control(
            network,
            samples,
            samples,
            same,
            max_drop=may_differ,
            subset_size=samples.get_length(),
            advanced_quantization_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE
            ),
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                ranking_subset_size=_RANKED_BY, num_ranking_workers=1
            ),
        )


def _exact_labels(
    network: openvino.Model, inputs: Sequence[Array], labels: Callable[[Array], Labels]
) -> list[Labels]:
    exact = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [labels(exact(one)[0]) for one in inputs]


def _layers(network: openvino.Model, found: openvino.Model) -> tuple[int, int]:
    """How many layers with weights there are, and how many of them stayed in f32."""
    layers = sum(node.get_type_name() in _WEIGHTED for node in network.get_ops())
    quantized = sum(
        _is_quantized(node) for node in found.get_ops() if node.get_type_name() in _WEIGHTED
    )
    return layers, max(0, layers - quantized)


_WEIGHTED = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")


def _is_quantized(layer: Any) -> bool:
    """Whether a layer reads quantized numbers; what only moves numbers hands them on."""
    node = layer.input(0).get_source_output().get_node()
    while node.get_type_name() in _MOVING:
        node = node.input(0).get_source_output().get_node()
    return bool(node.get_type_name() == "FakeQuantize")


_MOVING = ("Reshape", "Transpose", "MaxPool", "Squeeze", "Unsqueeze", "Concat")


def _content(network: openvino.Model) -> bytes:
    with tempfile.TemporaryDirectory(prefix="landcover-") as folder:
        path = Path(folder, "network.xml")
        openvino.save_model(named_alike(network), path, compress_to_fp16=False)
        return packed(path.read_bytes(), path.with_suffix(".bin").read_bytes())
