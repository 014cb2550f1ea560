"""A sheet made small: what CNTK spells out becomes what ONNX has an operator for."""

from __future__ import annotations

from collections.abc import Sequence

from landcover.models.cntk import folding, patterns
from landcover.models.cntk.draft import Draft
from landcover.models.cntk.sheet import Node, Sheet


def simplify(sheet: Sheet, outputs: Sequence[str], lrn: str) -> list[Node]:
    """Return the nodes that ``outputs`` need, in order.

    Args:
        sheet: the graph as it was written, one function after the other; it is used up.
        outputs: the tensors that the model results in.
        lrn: "operator" or "plain": how local response normalization is written.
    """
    draft = Draft(sheet, outputs)
    draft.sweep([patterns.product_with_one, patterns.division])
    draft.sweep([folding.fold_padding, folding.fold_into_layer])
    operators = [patterns.extreme, patterns.leaky, patterns.softmax, patterns.log_softmax]
    if lrn == "operator":
        operators.append(patterns.local_response)
    draft.sweep([*operators, folding.plain_product])
    return draft.finish()
