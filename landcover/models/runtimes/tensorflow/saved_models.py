"""TensorFlow SavedModels, of TensorFlow 2 and 1: read as graph and weights, never loaded as objects."""

from __future__ import annotations

from typing import Any

from landcover.errors import ModelError
from landcover.models.formats.detection import ModelFile
from landcover.models.formats.outputs import choose_head, likely_outputs
from landcover.models.runtimes.tensorflow.computing import (
    Computing,
    computing_part,
    node_name,
    tensor_name,
)
from landcover.models.runtimes.tensorflow.graph import TensorflowGraph
from landcover.models.runtimes.tensorflow.imported import imported_graph, needed_part, network
from landcover.models.runtimes.tensorflow.start import tensorflow
from landcover.models.runtimes.tensorflow.tf1_ends import Ends, find_ends, is_switch, off
from landcover.models.runtimes.tensorflow.tf1_graphs import parsed
from landcover.models.runtimes.tensorflow.weights import (
    Key,
    keys_by_name,
    keys_by_object,
    read_weights,
    variables_of,
)


def open_saved_model(file: ModelFile, head: str | int | None) -> TensorflowGraph:
    """Find the network of a SavedModel: its signature ``serving_default``, or the only one.

    Its operations lie in functions. A tensor there is found by the name that it has when these are
    unfolded, as messages about the network call it.

    Raises:
        ModelError: it is damaged, has no such signature, reads more than images, or does more than
            compute.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    tf, shown = tensorflow(), str(file.path)
    path = file.path / "saved_model.pb"
    meta = _for_serving(parsed(saved_model_pb2.SavedModel, path, shown).meta_graphs, shown)
    producer = meta.meta_info_def.stripped_op_list
    part = computing_part(meta.graph_def)
    signature = _signature(dict(meta.signature_def), shown)
    graph = imported_graph(tf, part.definition, shown, producer)
    image, switches = _inputs(part, graph, signature, shown)
    outputs, likely = _outputs(part, graph, signature, head, shown)

    def whole(output: Any) -> TensorflowGraph:
        needed = needed_part(tf, part.definition, output)
        keys = _keys(tf, meta, file, needed, shown)
        weights = read_weights(tf, file.path / "variables" / "variables", keys, shown)
        return network(tf, needed, Ends(image, output, switches), weights, shown, producer)

    if isinstance(head, str) and head not in outputs:
        for output in outputs.values():
            if (found := _cut_at(tf, whole(output), head, shown)) is not None:
                return found
    return whole(list(outputs.values())[choose_head(list(outputs), head, shown, likely)])


def _cut_at(tf: Any, whole: TensorflowGraph, head: str, shown: str) -> TensorflowGraph | None:
    """A network up to a tensor inside; None: it has none of that name."""
    definition = computing_part(tf.compat.v1.GraphDef.FromString(whole.frozen())).definition
    if node_name(head) not in {node.name for node in definition.node}:
        return None
    ends = find_ends(imported_graph(tf, definition, shown), head, shown)
    return network(tf, needed_part(tf, definition, ends.output), ends, {}, shown)


def _for_serving(graphs: Any, shown: str) -> Any:
    """The graph for serving on CPUs; a SavedModel may hold several."""
    tags = [sorted(meta.meta_info_def.tags) for meta in graphs]
    among = [meta for meta, its in zip(graphs, tags, strict=True) if its == ["serve"]]
    among = among or list(graphs)
    if len(among) != 1:
        reason = f"does not have one graph for serving: its graphs are for {tags}"
        raise ModelError(shown, f"{reason}; save the one that is meant alone, with the tag 'serve'")
    return among[0]


def _signature(signatures: dict[str, Any], shown: str) -> Any:
    found = {key: value for key, value in signatures.items() if not key.startswith("__saved_model")}
    if "serving_default" in found:
        return found["serving_default"]
    if len(found) == 1:
        return next(iter(found.values()))
    listed = ", ".join(sorted(found)) or "none"
    raise ModelError(
        shown,
        f"has no signature 'serving_default' and not exactly one other (its signatures: {listed}): "
        "save it with one (tf.saved_model.save(..., signatures=...), or model.export)",
    )


def _inputs(
    part: Computing, graph: Any, signature: Any, shown: str
) -> tuple[Any, dict[str, float | bool]]:
    """The tensor of images, and what switches such as dropout are set to."""
    inputs = {
        name: _tensor(part, graph, info.name, shown) for name, info in signature.inputs.items()
    }
    images = [tensor for tensor in inputs.values() if tensor.shape.rank in (3, 4)]
    others = [tensor for tensor in inputs.values() if tensor.shape.rank not in (3, 4)]
    if len(images) != 1 or not all(is_switch(tensor) for tensor in others):
        listed = ", ".join(f"{n!r} {t.dtype.name} {t.shape}" for n, t in inputs.items())
        raise ModelError(
            shown,
            f"must have one input, a batch of images; its inputs: {listed}: save it with a signature "
            "of such a one (tf.saved_model.save(..., signatures=...))",
        )
    return images[0], {tensor.name: off(tensor) for tensor in others}


def _outputs(
    part: Computing, graph: Any, signature: Any, head: str | int | None, shown: str
) -> tuple[dict[str, Any], list[int]]:
    """The outputs by name, and the indices of those that can be class probabilities."""
    held = {name: info.name for name, info in sorted(signature.outputs.items())}
    # What names classes, such as a table of texts, often stands beside their probabilities.
    computed = {n: t for n, t in held.items() if n == head or node_name(t) not in part.left_out}
    outputs = {name: _tensor(part, graph, t, shown) for name, t in (computed or held).items()}
    floats = [tensor.dtype.is_floating for tensor in outputs.values()]
    ranks = [tensor.shape.rank for tensor in outputs.values()]
    likely = [i for i in likely_outputs(ranks) if floats[i] or not any(floats)]
    return outputs, likely


def _tensor(part: Computing, graph: Any, name: str, shown: str) -> Any:
    if node_name(name) in part.left_out:
        reason = f"{name!r} cannot be computed: {part.why_not(node_name(name))}"
        raise ModelError(shown, f"{reason}; name another output in 'head', or save it without that")
    try:
        return graph.get_tensor_by_name(tensor_name(name))
    except (KeyError, ValueError):
        raise ModelError(
            shown, f"its signature names a tensor {name!r} that is not there"
        ) from None


def _keys(tf: Any, meta: Any, file: ModelFile, needed: Any, shown: str) -> dict[str, Key]:
    """Where the weights of the network lie in the SavedModel's checkpoint."""
    variables = variables_of(needed)
    if not variables:
        return {}
    if not meta.object_graph_def.nodes:  # of TensorFlow 1
        return keys_by_name(meta.graph_def, variables)
    return keys_by_object(tf, meta, file.path / "variables" / "variables", variables, shown)
