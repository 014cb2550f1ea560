"""Rewriting rules that fold constants into convolutions and dense layers.

What follows such a layer and only scales and shifts its maps (a bias, a batch normalization) becomes
part of its weights. The weights are computed in float64 and rounded once.
"""

from __future__ import annotations

import numpy as np

from landcover.models.cntk.conversion.onnx_builder import Array, Node
from landcover.models.cntk.conversion.rewriting.graph_rewriter import GraphRewriter
from landcover.models.cntk.conversion.rules.normalization import folded

_LAYERS = ("Conv", "ConvTranspose", "Gemm")
_FOLLOWERS = ("Add", "Sub", "Mul", "Div", "BatchNormalization")


def fold_into_layer(rewriter: GraphRewriter, node: Node) -> bool:
    """Turn a layer and the scaling or shift that follows it into one layer."""
    if node.op not in _FOLLOWERS:
        return False
    split = rewriter.split(node) if node.op != "BatchNormalization" else (node.inputs[0], None)
    if split is None or (node.op in ("Sub", "Div") and split[0] != node.inputs[0]):
        return False
    layer = rewriter.only(split[0], *_LAYERS)
    if layer is None or layer.inputs[1] not in rewriter.constants:
        return False
    weights = rewriter.constants[layer.inputs[1]]
    affine = _affine(rewriter, node, split[1], _maps(layer, weights), weights.ndim - 2)
    return affine is not None and _fold(rewriter, node, layer, weights, *affine)


def fold_padding(rewriter: GraphRewriter, node: Node) -> bool:
    """Let a convolution pad what was padded with zeros before it."""
    pad = rewriter.maker(node.inputs[0], "Pad") if node.op == "Conv" else None
    if (
        pad is None
        or len(pad.inputs) != 2
        or pad.attributes
        or pad.inputs[1] not in rewriter.constants
    ):
        return False
    amounts = rewriter.constants[pad.inputs[1]].tolist()
    half = len(amounts) // 2
    before, after = amounts[2:half], amounts[half + 2 :]
    others = amounts[:2] + amounts[half : half + 2]
    if any(others) or min(amounts) < 0 or 2 * len(before) != len(node.attributes["pads"]):
        return False
    pads = [a + b for a, b in zip(before + after, node.attributes["pads"], strict=True)]
    inputs = [pad.inputs[0], *node.inputs[1:]]
    return rewriter.rewrite(node, node.op, inputs, {**node.attributes, "pads": pads})


def plain_product(rewriter: GraphRewriter, node: Node) -> bool:
    """A dense layer without bias is a product of matrices."""
    if node.op != "Gemm" or len(node.inputs) != 2:
        return False
    return rewriter.rewrite(node, "MatMul", node.inputs, {})


def _maps(layer: Node, weights: Array) -> int:
    return int(weights.shape[0] if layer.op == "Conv" else weights.shape[1])


def _affine(
    rewriter: GraphRewriter, node: Node, constant: Array | None, maps: int, spatial: int
) -> tuple[Array, Array] | None:
    """Return the factor and the shift that ``node`` applies to each of the maps, in float64."""
    if constant is None:
        statistics = [rewriter.constants[name] for name in node.inputs[1:]]
        factor, shift = folded(statistics, node.attributes["epsilon"])
        return (factor, shift) if factor.size == maps else None
    per_map = constant.shape[-1 - spatial :] == (maps, *(1,) * spatial) and constant.size == maps
    if constant.ndim > spatial + 2 or not (per_map or constant.size == 1):
        return None
    values = np.broadcast_to(constant.astype(np.float64).reshape(-1), (maps,))
    one, zero = np.ones(maps), np.zeros(maps)
    with np.errstate(all="ignore"):
        return {
            "Add": (one, values),
            "Sub": (one, -values),
            "Mul": (values, zero),
            "Div": (1 / values, zero),
        }[node.op]


def _fold(
    rewriter: GraphRewriter, node: Node, layer: Node, weights: Array, factor: Array, shift: Array
) -> bool:
    scaled = weights
    if not (factor == 1).all():
        axis = 0 if layer.op == "Conv" else 1
        scale = np.expand_dims(factor, [n for n in range(weights.ndim) if n != axis])
        with np.errstate(all="ignore"):
            scaled = (weights.astype(np.float64) * scale).astype(weights.dtype)
    old = rewriter.constants[layer.inputs[2]].astype(np.float64) if len(layer.inputs) > 2 else 0.0
    with np.errstate(all="ignore"):
        bias = (old * factor + shift).astype(weights.dtype)
    if not (np.isfinite(scaled).all() and np.isfinite(bias).all()):
        return False
    kernel = (
        layer.inputs[1] if scaled is weights else rewriter.add_constant(scaled, layer.inputs[1])
    )
    if not bias.any():
        return rewriter.rewrite(node, layer.op, [layer.inputs[0], kernel], layer.attributes)
    return rewriter.rewrite(
        node,
        layer.op,
        [layer.inputs[0], kernel, _bias(rewriter, node, layer, bias)],
        layer.attributes,
    )


def _bias(rewriter: GraphRewriter, node: Node, layer: Node, bias: Array) -> str:
    if len(layer.inputs) > 2:
        return rewriter.add_constant(bias, layer.inputs[2])
    own = [tensor for tensor in node.inputs if tensor in rewriter.constants]
    return (
        rewriter.add_constant(bias, own[0])
        if node.op == "Add"
        else rewriter.add_constant(bias, layer.inputs[1], "b")
    )
