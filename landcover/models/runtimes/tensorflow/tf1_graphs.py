"""TensorFlow 1: frozen graphs, and checkpoints with the graph that they were trained in."""

from __future__ import annotations

from typing import Any

from landcover.errors import ModelError
from landcover.models.formats.detection import ModelFile
from landcover.models.preprocessing.specification import Signature
from landcover.models.runtimes.tensorflow.graph import TensorflowGraph
from landcover.models.runtimes.tensorflow.saved_models import refuse_programs, shape_of
from landcover.models.runtimes.tensorflow.start import tensorflow
from landcover.models.runtimes.tensorflow.tf1_ends import Ends, find_ends

_VARIABLES = {"Variable", "VariableV2", "VarHandleOp"}


def open_graphdef(file: ModelFile, head: str | int | None) -> TensorflowGraph:
    """Find the network of a frozen graph.

    Raises:
        ModelError: it is damaged, not frozen, or where it begins and ends is not clear.
    """
    from google.protobuf.message import DecodeError

    tf, shown = tensorflow(), str(file.path)
    try:
        definition = tf.compat.v1.GraphDef.FromString(file.path.read_bytes())
    except DecodeError as error:
        raise ModelError(shown, f"begins like a TensorFlow graph but is damaged: {error}") from None
    if any(node.op in _VARIABLES for node in definition.node):
        raise ModelError(
            shown, "is a graph without its weights: name the checkpoint, or freeze the graph"
        )
    graph = tf.Graph()
    with graph.as_default():
        _imported(lambda: tf.graph_util.import_graph_def(definition, name=""), shown)
    ends = find_ends(graph, head, shown)
    needed = tf.compat.v1.graph_util.extract_sub_graph(definition, [ends.output.op.name])
    return _network(tf, needed, ends, shown)


def open_checkpoint(file: ModelFile, head: str | int | None) -> TensorflowGraph:
    """Find the network in the training graph of a checkpoint, and give it the checkpoint's weights.

    Raises:
        ModelError: it is damaged, or where the network begins and ends is not clear.
    """
    tf, shown = tensorflow(), str(file.path)
    one = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default(), one.Session(graph=graph) as session:
        meta = f"{file.path}.meta"
        saver = _imported(lambda: one.train.import_meta_graph(meta, clear_devices=True), shown)
        if saver is None:
            raise ModelError(shown, "has no variables, and so no weights")
        ends = find_ends(graph, head, shown)
        _imported(lambda: saver.restore(session, str(file.path)), shown)
        frozen = one.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), [ends.output.op.name]
        )
    return _network(tf, frozen, ends, shown)


def _imported(action: Any, shown: str) -> Any:
    try:
        return action()
    except Exception as error:  # TensorFlow raises a dozen kinds for damaged files
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(shown, f"cannot be loaded: {reason}") from error


def _network(tf: Any, definition: Any, ends: Ends, shown: str) -> TensorflowGraph:
    refuse_programs({node.op for node in definition.node}, shown)

    def call(images: Any) -> Any:
        fed = {name: tf.constant(value) for name, value in ends.switches.items()}
        (returned,) = tf.graph_util.import_graph_def(
            definition,
            input_map={ends.image.name: images, **fed},
            return_elements=[ends.output.name],
            name="",
        )
        return returned

    image = ends.image
    return TensorflowGraph(Signature(shape_of(image), image.dtype.name, True), call, shown)
