"""Operators of ONNX Runtime's own, as its quantizer and optimizer write them, told by those of ONNX that make results of the same shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import onnx

_DOMAIN: Final = "com.microsoft"
# https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md: which operator, and which inputs it gets.
_LIKE: Final[Mapping[str, tuple[str, slice | tuple[int, ...]]]] = {
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), ("Add", (0, 3))),
    **dict.fromkeys(("BiasGelu", "FastGelu", "Gelu", "QuickGelu"), ("Identity", (0,))),
    **dict.fromkeys(("DequantizeLinear", "QuantizeLinear"), ("Identity", (0,))),
    **dict.fromkeys(("QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax"), ("Identity", (0,))),
    "QLinearAveragePool": ("AveragePool", (0,)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)),
    "QLinearConcat": ("Concat", slice(2, None, 3)),
    "FusedConv": ("Conv", (0, 1, 2)),
    "FusedGemm": ("Gemm", (0, 1, 2)),
    "QGemm": ("Gemm", (0, 3)),
    **dict.fromkeys(("DynamicQuantizeMatMul", "MatMulIntegerToFloat"), ("MatMul", (0, 1))),
}


def say_in_onnx(node: onnx.NodeProto) -> None:
    """Make a node of ONNX Runtime's own one of ONNX's, of the same shapes; others stay as they are."""
    found = _LIKE.get(node.op_type) if node.domain == _DOMAIN else None
    if found is None or any(a.name == "channels_last" and a.i for a in node.attribute):
        return
    node.op_type, which = found
    node.domain = ""
    inputs = list(node.input)
    kept = (
        inputs[which] if isinstance(which, slice) else [inputs[i] for i in which if i < len(inputs)]
    )
    node.input[:] = kept
