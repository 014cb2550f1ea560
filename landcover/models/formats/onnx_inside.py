"""ONNX networks cut at a tensor inside, where that is what is wanted of them."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper, shape_inference

from landcover.models.formats.onnx_bounds import names_read


def cut_at(model: onnx.ModelProto, head: str | int | None) -> bool:
    """Make a tensor inside a network its output, and leave out all that only follows it.

    Args:
        model: the network, whose nodes do not wait for one another; it is changed.
        head: what is wanted of it. Only the name of a tensor that some node makes, and that is no
            output, changes anything.

    Returns:
        whether it was cut.
    """
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output if name}
    if not isinstance(head, str) or head not in makers or head in {o.name for o in graph.output}:
        return False
    # Of what other libraries add to ONNX no type is known: the scores of classes are floats.
    known = {value.name: value for value in shape_inference.infer_shapes(model).graph.value_info}
    output = known.get(head) or helper.make_tensor_value_info(head, TensorProto.FLOAT, None)
    waiting, needed = [head], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += names_read(makers[name]) if name in makers else ()
    kept = [node for node in graph.node if needed & set(node.output)]
    del graph.node[:], graph.output[:]
    graph.node.extend(kept)
    graph.output.append(output)
    return True
