"""The parts of an ONNX file, wherever they sit: graphs within nodes, tensors within attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx


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


def _of_sparse(tensors: Any) -> Iterator[onnx.TensorProto]:
    for tensor in tensors:
        yield tensor.values
        yield tensor.indices
