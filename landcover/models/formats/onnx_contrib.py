"""Operators of ONNX Runtime's own, as its quantizer and optimizer write them, told by those of ONNX that make results of the same shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import onnx

from landcover.errors import ModelError
from landcover.models.formats.onnx_parts import graphs_of

_DOMAIN: Final = "com.microsoft"
# https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md: which operator, which inputs it gets, and how
# many there are at the least.
_LIKE: Final[Mapping[str, tuple[str, slice | tuple[int, ...], int]]] = {
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), ("Add", (0, 3), 7)),
    **dict.fromkeys(("FastGelu", "Gelu", "QuickGelu"), ("Identity", (0,), 1)),
    **dict.fromkeys(("BiasGelu", "DequantizeLinear", "QuantizeLinear"), ("Identity", (0,), 2)),
    **dict.fromkeys(
        ("QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax"), ("Identity", (0,), 4)
    ),
    "QLinearAveragePool": ("AveragePool", (0,), 4),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,), 4),
    "QLinearConcat": ("Concat", slice(2, None, 3), 5),
    "FusedConv": ("Conv", (0, 1, 2), 2),
    "FusedGemm": ("Gemm", (0, 1, 2), 2),
    "QGemm": ("Gemm", (0, 3), 6),
    "DynamicQuantizeMatMul": ("MatMul", (0, 1), 3),
    "MatMulIntegerToFloat": ("MatMul", (0, 1), 4),
}


def check_known(model: onnx.ModelProto, shown: str) -> None:
    """Refuse operators of others than ONNX but for those above, with what they take: OpenVINO counts on it unseen.

    Args:
        model: with or without its weights.
        shown: the model's name in messages.

    Raises:
        ModelError: naming one.
    """
    own = {(function.domain, function.name) for function in model.functions}
    for node in (node for graph in graphs_of(model) for node in graph.node):
        known = node.domain in ("", "ai.onnx")
        if node.domain == _DOMAIN and node.op_type in _LIKE:
            known = len(node.input) >= _LIKE[node.op_type][-1]
        if not known and (node.domain, node.op_type) not in own:
            reason = f"OpenVINO does not run it: it holds {node.domain}'s {node.op_type}"
            raise ModelError(shown, f"{reason}; set model.runtime to onnxruntime")


def say_in_onnx(node: onnx.NodeProto) -> None:
    """Make a node of ONNX Runtime's own one of ONNX's, of the same shapes; others stay as they are."""
    found = _LIKE.get(node.op_type) if node.domain == _DOMAIN else None
    if (
        found is None
        or len(node.input) < found[-1]
        or any(a.name == "channels_last" and a.i for a in node.attribute)
    ):
        return
    node.op_type, which, _ = found
    node.domain = ""
    inputs = list(node.input)
    kept = (
        inputs[which] if isinstance(which, slice) else [inputs[i] for i in which if i < len(inputs)]
    )
    node.input[:] = kept
