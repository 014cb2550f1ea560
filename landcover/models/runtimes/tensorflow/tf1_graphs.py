"""TensorFlow 1: frozen graphs, and checkpoints with the graph that they were trained in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from landcover.errors import ModelError
from landcover.models.formats.detection import ModelFile
from landcover.models.runtimes.tensorflow.computing import Computing, computing_part
from landcover.models.runtimes.tensorflow.graph import TensorflowGraph
from landcover.models.runtimes.tensorflow.imported import imported_graph, needed_part, network
from landcover.models.runtimes.tensorflow.start import tensorflow
from landcover.models.runtimes.tensorflow.tf1_ends import Ends, find_ends
from landcover.models.runtimes.tensorflow.weights import (
    keys_by_name,
    message_of,
    read_weights,
    variables_of,
)


def open_graphdef(file: ModelFile, head: str | int | None) -> TensorflowGraph:
    """Find the network of a frozen graph.

    Raises:
        ModelError: it is damaged, not frozen, or where it begins and ends is not clear.
    """
    tf, shown = tensorflow(), str(file.path)
    definition = parsed(tf.compat.v1.GraphDef, file.path, shown)
    part = computing_part(definition)
    ends = _ends(part, imported_graph(tf, part.definition, shown), head, shown)
    needed = needed_part(tf, part.definition, ends.output)
    if variables_of(needed):
        raise ModelError(
            shown, "is a graph without its weights: name the checkpoint, or freeze the graph"
        )
    return network(tf, needed, ends, {}, shown)


def open_checkpoint(file: ModelFile, head: str | int | None) -> TensorflowGraph:
    """Find the network in the training graph of a checkpoint, and give it the checkpoint's weights.

    Raises:
        ModelError: it is damaged, or where the network begins and ends is not clear.
    """
    tf, shown = tensorflow(), str(file.path)
    path = file.path.with_name(file.path.name + ".meta")
    meta = parsed(tf.compat.v1.MetaGraphDef, path, shown)
    producer = meta.meta_info_def.stripped_op_list
    if not variables_of(meta.graph_def):
        raise ModelError(shown, "has no variables, and so no weights")
    part = computing_part(meta.graph_def)
    ends = _ends(part, imported_graph(tf, part.definition, shown, producer), head, shown)
    needed = needed_part(tf, part.definition, ends.output)
    keys = keys_by_name(meta.graph_def, variables_of(needed))
    weights = read_weights(tf, file.path, keys, shown)
    return network(tf, needed, ends, weights, shown, producer)


def parsed(kind: Any, path: Path, shown: str) -> Any:
    """A protobuf message of TensorFlow from a file.

    Raises:
        ModelError: it is damaged.
    """
    return message_of(kind, path.read_bytes(), f"graph in {path.name}", shown)


def _ends(part: Computing, graph: Any, head: str | int | None, shown: str) -> Ends:
    name = str(head).split(":")[0]
    if isinstance(head, str) and name in part.left_out:
        raise ModelError(shown, f"has an output {head!r}, but {part.why_not(name)}")
    try:
        return find_ends(graph, head, shown, part.consumed)
    except ModelError as error:
        raise ModelError(shown, error.reason + part.others()) from None
