"""The graph made small: what CNTK spells out becomes what ONNX has an operator for."""

from __future__ import annotations

from collections.abc import Sequence

from landcover.models.cntk.conversion.onnx_builder import Node, OnnxBuilder
from landcover.models.cntk.conversion.rewriting import constant_folding, patterns
from landcover.models.cntk.conversion.rewriting.graph_rewriter import GraphRewriter


def simplify(builder: OnnxBuilder, outputs: Sequence[str], lrn: str) -> list[Node]:
    """Return the nodes that ``outputs`` need, in order.

    Args:
        builder: the graph as it was written, one function after the other; it is used up.
        outputs: the tensors that the model results in.
        lrn: "operator" or "plain": how local response normalization is written.
    """
    rewriter = GraphRewriter(builder, outputs)
    rewriter.sweep([patterns.product_with_one, patterns.division])
    rewriter.sweep([constant_folding.fold_padding, constant_folding.fold_into_layer])
    operators = [patterns.extreme, patterns.leaky, patterns.softmax, patterns.log_softmax]
    if lrn == "operator":
        operators.append(patterns.local_response)
    rewriter.sweep([*operators, constant_folding.plain_product])
    return rewriter.finish()
