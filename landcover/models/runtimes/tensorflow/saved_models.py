"""TensorFlow SavedModels, of TensorFlow 2 and 1."""

from __future__ import annotations

from typing import Any

from landcover.errors import ModelError
from landcover.models.formats.detection import ModelFile
from landcover.models.formats.outputs import choose_head, likely_outputs
from landcover.models.preprocessing.specification import Shape, Signature
from landcover.models.runtimes.tensorflow.graph import TensorflowGraph
from landcover.models.runtimes.tensorflow.start import tensorflow
from landcover.models.runtimes.tensorflow.tf1_ends import is_switch, off

# Operations that no network for images needs, and that run Python or touch files.
_NEVER = {"PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "MatchingFiles"}


def open_saved_model(file: ModelFile, head: str | int | None) -> TensorflowGraph:
    """Find the network of a SavedModel: its signature ``serving_default``, or the only one.

    Raises:
        ModelError: it cannot be loaded, has no such signature, or reads more than images.
    """
    tf, shown = tensorflow(), str(file.path)
    try:
        loaded = tf.saved_model.load(str(file.path), tags=_tags(file, shown))
    except Exception as error:  # TensorFlow raises a dozen kinds for damaged files
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(shown, f"cannot be loaded: {reason}") from error
    function = _signature(dict(loaded.signatures), shown)
    _, inputs = function.structured_input_signature
    image, others = _image_of(function, inputs, shown)
    outputs = dict(sorted(function.structured_outputs.items()))
    floats = [spec.dtype.is_floating for spec in outputs.values()]
    ranks = [spec.shape.rank for spec in outputs.values()]
    likely = [i for i in likely_outputs(ranks) if floats[i] or not any(floats)]
    name = list(outputs)[choose_head(list(outputs), head, shown, likely)]
    constants = {key: tf.constant(value) for key, value in others.items()}

    def call(images: Any) -> Any:
        # The loaded object owns the variables: it must live as long as its function does.
        assert loaded is not None
        return function(**{image: images}, **constants)[name]

    spec = inputs[image]
    return TensorflowGraph(Signature(shape_of(spec), spec.dtype.name, True), call, shown)


def refuse_programs(operations: set[str], shown: str) -> None:
    """Refuse a graph with operations that do more than compute.

    Raises:
        ModelError: naming them.
    """
    if found := sorted(operations & _NEVER):
        raise ModelError(
            shown, f"holds operations that run Python or touch files: {', '.join(found)}"
        )


def shape_of(spec: Any) -> Shape:
    """The shape of a tensor, () where not even its rank is known."""
    return () if spec.shape.rank is None else tuple(spec.shape.as_list())


def _tags(file: ModelFile, shown: str) -> list[str]:
    """The tags of the graph for serving on CPUs; a SavedModel may hold several graphs."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    try:
        parsed = saved_model_pb2.SavedModel.FromString((file.path / "saved_model.pb").read_bytes())
    except DecodeError as error:
        raise ModelError(shown, f"its saved_model.pb is damaged: {error}") from error
    graphs = {tuple(sorted(meta.meta_info_def.tags)): meta.graph_def for meta in parsed.meta_graphs}
    tags = ("serve",) if ("serve",) in graphs else next(iter(graphs))
    if len(graphs) > 1 and tags != ("serve",):
        raise ModelError(shown, f"has several graphs, none of them for serving: {sorted(graphs)}")
    nodes = {node.op for node in graphs[tags].node}
    inner = {node.op for function in graphs[tags].library.function for node in function.node_def}
    refuse_programs(nodes | inner, shown)
    return list(tags)


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


def _image_of(function: Any, inputs: dict[str, Any], shown: str) -> tuple[str, dict[str, Any]]:
    """The name of the input for images, and what the others, switches of dropout, are fed with."""
    images = [name for name, spec in inputs.items() if spec.shape.rank in (3, 4)]
    others = {name: spec for name, spec in inputs.items() if name not in images}
    if len(images) != 1 or not all(is_switch(spec) for spec in others.values()):
        listed = ", ".join(f"{n!r} {s.dtype.name} {s.shape}" for n, s in inputs.items())
        raise ModelError(shown, f"must have one input, a batch of images; its inputs: {listed}")
    tensors = {tensor.op.name: tensor for tensor in function.inputs}
    return images[0], {name: off(tensors[spec.name]) for name, spec in others.items()}
