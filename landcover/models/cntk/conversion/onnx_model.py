"""The finished graph as an ONNX model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from landcover.models.cntk.conversion.onnx_builder import BATCH, Node, OnnxBuilder, Value
from landcover.models.cntk.conversion.rewriting.simplification import simplify
from landcover.models.cntk.reader.graph import Graph

_OPSET: Final = 17  # the newest that all supported releases of the runtimes know
_IR_VERSION: Final = 8


def write(
    graph: Graph,
    builder: OnnxBuilder,
    inputs: Sequence[Value],
    results: Sequence[tuple[str, Value]],
    lrn: str,
) -> onnx.ModelProto:
    """Return the model whose inputs and named results are those that were built, simplified."""
    outputs = [_output(builder, name, value) for name, value in results]
    nodes = simplify(builder, outputs, lrn)
    feeds = [value.tensor for value in inputs]
    names = _names(builder, [*outputs, *feeds], nodes)
    used = {tensor: None for node in nodes for tensor in node.inputs}
    constants = [tensor for tensor in used if tensor in builder.constants]
    proto = helper.make_graph(
        [_node(node, names) for node in nodes],
        "network",
        [_info(names[tensor], value) for tensor, value in zip(feeds, inputs, strict=True)],
        [_info(names[o], value) for o, (_, value) in zip(outputs, results, strict=True)],
        [numpy_helper.from_array(builder.constants[tensor], names[tensor]) for tensor in constants],
    )
    model = helper.make_model(
        proto,
        producer_name="landcover",
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    helper.set_model_props(model, {"source": graph.format, "source_version": str(graph.version)})
    return model


def _output(builder: OnnxBuilder, name: str, value: Value) -> str:
    """Return a tensor that holds ``value`` and may bear the name that callers know it by."""
    tensor = builder.name(name)
    builder.nodes.append(Node("Identity", [value.tensor], [tensor]))
    return tensor


def _names(builder: OnnxBuilder, first: Sequence[str], nodes: Sequence[Node]) -> dict[str, str]:
    """Give every tensor the name wanted for it, and a number where several want the same.

    The inputs and outputs of the model come first, then the later nodes: what an operation of CNTK
    results in bears its name, and the steps on the way there the numbered ones.
    """
    tensors = [*first]
    for node in reversed(nodes):
        tensors += [*node.outputs, *node.inputs]
    names: dict[str, str] = {}
    taken: dict[str, int] = {}
    for tensor in dict.fromkeys(tensors):
        wanted = builder.wanted[tensor]
        name = wanted
        while name in taken:
            taken[wanted] += 1
            name = f"{wanted}_{taken[wanted]}"
        taken[name] = 0
        names[tensor] = name
    return names


def _node(node: Node, names: Mapping[str, str]) -> onnx.NodeProto:
    attributes = {
        key: _attribute(value) for key, value in node.attributes.items() if value is not None
    }
    inputs, outputs = ([names[t] for t in tensors] for tensors in (node.inputs, node.outputs))
    return helper.make_node(node.op, inputs, outputs, name=outputs[0], **attributes)


def _attribute(value: Any) -> Any:
    if isinstance(value, np.dtype):
        return helper.np_dtype_to_tensor_dtype(value)
    return numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value


def _info(name: str, value: Value) -> onnx.ValueInfoProto:
    shape = [BATCH, *value.shape] if value.batched else list(value.shape)
    # An extent that depends on free ones has no name that means the same elsewhere.
    dims = [None if isinstance(dim, str) and "'" in dim else dim for dim in shape]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), dims)
