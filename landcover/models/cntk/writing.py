"""The finished sheet as an ONNX model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from landcover.models.cntk.graph import Graph
from landcover.models.cntk.sheet import BATCH, Node, Sheet, Value
from landcover.models.cntk.simplify import simplify

_OPSET: Final = 17  # the newest that all supported releases of the runtimes know
_IR_VERSION: Final = 8


def write(
    graph: Graph,
    sheet: Sheet,
    inputs: Sequence[Value],
    results: Sequence[tuple[str, Value]],
    lrn: str,
) -> onnx.ModelProto:
    """Return the model whose inputs and named results are those of ``sheet``, simplified."""
    named = _named(sheet, results)
    nodes, constants = simplify(sheet, [name for name, _ in named], lrn)
    proto = helper.make_graph(
        [_node(node) for node in nodes],
        "network",
        [_info(value.tensor, value) for value in inputs],
        [_info(name, value) for name, value in named],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(
        proto,
        producer_name="landcover",
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    helper.set_model_props(model, {"source": graph.format, "source_version": str(graph.version)})
    return model


def _named(sheet: Sheet, results: Sequence[tuple[str, Value]]) -> list[tuple[str, Value]]:
    """Give the results' tensors the names that callers know them by."""
    named = []
    for wanted, value in results:
        name = sheet.name(wanted)
        sheet.nodes.append(Node("Identity", [value.tensor], [name]))
        named.append((name, value))
    return named


def _node(node: Node) -> onnx.NodeProto:
    attributes = {
        key: _attribute(value) for key, value in node.attributes.items() if value is not None
    }
    return helper.make_node(node.op, node.inputs, node.outputs, name=node.output, **attributes)


def _attribute(value: Any) -> Any:
    if isinstance(value, np.dtype):
        return helper.np_dtype_to_tensor_dtype(value)
    return numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value


def _info(name: str, value: Value) -> onnx.ValueInfoProto:
    shape = [BATCH, *value.shape] if value.batched else list(value.shape)
    # An extent that depends on free ones has no name that means the same elsewhere.
    dims = [None if isinstance(dim, str) and "'" in dim else dim for dim in shape]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), dims)
