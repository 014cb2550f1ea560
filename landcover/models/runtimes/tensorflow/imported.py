"""A network that is imported from a graph of a file, with its weights as arrays."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from landcover.errors import ModelError
from landcover.models.formats.sizes import numbers_in
from landcover.models.preprocessing.specification import Shape, Signature
from landcover.models.runtimes.tensorflow.bounds import check_definition, check_graph
from landcover.models.runtimes.tensorflow.computing import node_name
from landcover.models.runtimes.tensorflow.graph import TensorflowGraph
from landcover.models.runtimes.tensorflow.tf1_ends import Ends
from landcover.models.runtimes.tensorflow.weights import first_line

_numbers = itertools.count()


def imported_graph(tf: Any, definition: Any, shown: str, producer: Any = None) -> Any:
    """A graph to look at; nothing of it is run.

    Args:
        tf: TensorFlow.
        definition: of operations that only compute.
        shown: the model's name in messages.
        producer: the operations as the release knew them that wrote the file, where it says so.

    Raises:
        ModelError: it is damaged, or of operations that this release does not have.
    """
    check_definition(definition, shown)
    graph = tf.Graph()
    with graph.as_default():
        _import(tf, definition, shown, producer)
    return graph


def needed_part(tf: Any, definition: Any, output: Any) -> Any:
    """The part of a definition that a tensor depends on."""
    return tf.compat.v1.graph_util.extract_sub_graph(definition, [output.op.name])


def network(
    tf: Any,
    definition: Any,
    ends: Ends,
    weights: Mapping[str, npt.NDArray[Any]],
    shown: str,
    producer: Any = None,
) -> TensorflowGraph:
    """A network that is ready to be traced.

    Args:
        tf: TensorFlow.
        definition: what its output depends on, and nothing else.
        ends: where it begins and ends.
        weights: the arrays of its variables, by the names of their nodes.
        shown: the model's name in messages.
        producer: see :func:`imported_graph`.
    """
    image = ends.image
    read = numbers_in(shape_of(image))
    check_graph(image.graph, read, shown, [node.name for node in definition.node])
    _own_functions(definition)
    held = {}
    for node in definition.node:
        if node.op == "VarHandleOp":
            held[f"{node.name}:0"] = tf.Variable(weights[node.name], trainable=False)
        elif node.name in weights:
            _make_constant(tf, node, weights[node.name])
    there = {node.name for node in definition.node}
    switches = {n: value for n, value in ends.switches.items() if node_name(n) in there}

    def traced(images: Any) -> Any:
        graph = tf.compat.v1.get_default_graph()
        fed = {name: tf.constant(value) for name, value in switches.items()}
        for name, variable in held.items():
            graph.watch_variable(variable)  # or freezing would not take it for one
            fed[name] = graph.capture(variable.handle)
        fed[ends.image.name] = images
        return _import(tf, definition, shown, producer, fed, ends.output.name)

    alone = tf.function(traced, autograph=False)

    def call(images: Any) -> Any:
        return alone(images) if tf.executing_eagerly() else traced(images)

    return TensorflowGraph(Signature(shape_of(image), image.dtype.name, True), call, shown)


def shape_of(spec: Any) -> Shape:
    """The shape of a tensor, () where not even its rank is known."""
    return () if spec.shape.rank is None else tuple(spec.shape.as_list())


def _make_constant(tf: Any, node: Any, array: npt.NDArray[Any]) -> None:
    """A variable as TensorFlow 1 had them becomes a constant in its place."""
    dtype = node.attr["dtype"].type
    node.op = "Const"
    node.attr.clear()
    node.attr["dtype"].type = dtype
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array, dtype))


def _own_functions(definition: Any) -> None:
    """Give the functions of a definition names that no other one has, and make them known.

    TensorFlow has one list of functions a process, and files that were saved by the same program
    call theirs alike.
    """
    from tensorflow.python.eager import context

    functions = definition.library.function
    number = next(_numbers)
    names = {f.signature.name: f"network_{number}_{f.signature.name}" for f in functions}
    del definition.library.gradient[:]
    for node in (*definition.node, *(node for f in functions for node in f.node_def)):
        node.op = names.get(node.op, node.op)
        _rename(node.attr, names)
    for function in functions:
        function.signature.name = names[function.signature.name]
        context.context().add_function_def(function)


def _rename(attributes: Any, names: Mapping[str, str]) -> None:
    for attribute in attributes.values():
        single = [attribute.func] if attribute.HasField("func") else []
        for function in (*single, *attribute.list.func):
            function.name = names.get(function.name, function.name)
            _rename(function.attr, names)


def _import(
    tf: Any,
    definition: Any,
    shown: str,
    producer: Any,
    fed: Mapping[str, Any] | None = None,
    wanted: str | None = None,
) -> Any:
    try:
        found = tf.graph_util.import_graph_def(
            definition,
            input_map=fed,
            return_elements=[wanted] if wanted else None,
            name="",
            producer_op_list=producer,
        )
    except Exception as error:  # TensorFlow raises a dozen kinds for damaged files
        raise ModelError(shown, f"cannot be loaded: {first_line(error)}") from error
    return found[0] if wanted else None
