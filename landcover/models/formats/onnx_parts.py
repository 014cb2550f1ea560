"""The parts of an ONNX file, wherever they sit: graphs within nodes, tensors within attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import onnx

Called: TypeAlias = tuple[str, str, str]
"""What tells a function from others: its domain, its name, and which of those of one name it is."""


def called_by(node: onnx.NodeProto) -> Called:
    """The function that a node calls, where the file has one that is called so."""
    return _plain_domain(node.domain), node.op_type, node.overload


def functions_in(model: onnx.ModelProto) -> dict[Called, onnx.FunctionProto]:
    """The functions of a model.

    Raises:
        ValueError: two of them are called alike.
    """
    found: dict[Called, onnx.FunctionProto] = {}
    for function in model.functions:
        key = _plain_domain(function.domain), function.name, function.overload
        if key in found:
            raise ValueError(f"two functions are called {function.name!r}")
        found[key] = function
    return found


def _plain_domain(domain: str) -> str:
    """ONNX's own operators have two names for where they are from."""
    return "" if domain == "ai.onnx" else domain


def extents_held(graph: onnx.GraphProto) -> Mapping[str, Sequence[int]]:
    """The extents of the weights of a graph, those included of which its file holds few numbers, by name."""
    found: dict[str, Sequence[int]] = {one.name: one.dims for one in graph.initializer}
    return found | {sparse.values.name: sparse.dims for sparse in graph.sparse_initializer}


def graphs_of(model: onnx.ModelProto) -> Iterator[onnx.GraphProto | onnx.FunctionProto]:
    """Every graph of a model: its own, those inside of nodes, of functions and for training."""
    waiting: list[Any] = [model.graph, *model.functions]
    waiting += [g for info in model.training_info for g in (info.initialization, info.algorithm)]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            waiting += graphs_in(node)


def graphs_in(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs that a node holds itself."""
    found = []
    for attribute in node.attribute:
        found += [attribute.g] if attribute.HasField("g") else []
        found += attribute.graphs
    return found


def tensors_of(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model, wherever it sits."""
    for graph in graphs_of(model):
        if isinstance(graph, onnx.GraphProto):
            yield from graph.initializer
            yield from _of_sparse(graph.sparse_initializer)
        for node in graph.node:
            yield from tensors_in(node)
        if isinstance(graph, onnx.FunctionProto):
            for attribute in graph.attribute_proto:
                yield from [attribute.t] if attribute.HasField("t") else []


def tensors_in(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    """The tensors that a node holds itself."""
    for attribute in node.attribute:
        yield from [attribute.t] if attribute.HasField("t") else []
        yield from attribute.tensors
        yield from _of_sparse(attribute.sparse_tensors)
        yield from _of_sparse([attribute.sparse_tensor])


def sparse_in(model: onnx.ModelProto) -> Iterator[onnx.SparseTensorProto]:
    """Every tensor of a model of which its file holds few of the numbers."""
    for graph in graphs_of(model):
        yield from getattr(graph, "sparse_initializer", ())
        for node in graph.node:
            for attribute in node.attribute:
                yield from attribute.sparse_tensors
                yield from [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []


def _of_sparse(tensors: Any) -> Iterator[onnx.TensorProto]:
    for tensor in tensors:
        yield tensor.values
        yield tensor.indices
