"""What is in a file of TensorFlow or Keras."""

from __future__ import annotations

from landcover.errors import ModelError
from landcover.models.formats.detection import ModelFile
from landcover.models.inspection.description import NetworkDescription, Port, fixed_shape
from landcover.models.inspection.tensorflow_layers import (
    measured_field,
    tensorflow_layers,
    tensorflow_not_numbers,
)
from landcover.models.preprocessing.specification import Shape
from landcover.models.runtimes.tensorflow.graph import TensorflowGraph
from landcover.models.runtimes.tensorflow.runtime import TensorflowRuntime


def describe_tensorflow(file: ModelFile, head: str | int | None, window: int) -> NetworkDescription:
    """What a file of TensorFlow or Keras tells of the one output that would be run.

    Args:
        file: of a format that the runtime ``tensorflow`` opens.
        head: the wanted output.
        window: for free extents of rows and columns.
    """
    try:
        graph = TensorflowRuntime().open(file, head)
    except ModelError as error:
        return NetworkDescription((), refusal=error.reason)
    shape = fixed_shape(graph.signature.shape, window)
    layers = tuple(tensorflow_layers(graph, shape))
    returned = _returned(graph, shape)
    layout = graph.signature.layout()
    field: tuple[int, int] | None = None
    if returned is not None and len(returned) == 4 and layout == "NHWC":
        field = measured_field(graph, shape)
    elif returned is not None and len(returned) == 2:
        rows, columns = (layout.index(axis) for axis in "HW")
        field = shape[rows], shape[columns]
    output = Port("output" if head is None else str(head), returned, None, field)
    inputs = (Port("images", graph.signature.shape, graph.signature.dtype),)
    return NetworkDescription(
        inputs, (output,), layers, shape, tensorflow_not_numbers(graph, shape)
    )


def _returned(graph: TensorflowGraph, shape: tuple[int, ...]) -> Shape | None:
    from landcover.models.runtimes.tensorflow.start import tensorflow

    tf = tensorflow()
    spec = tf.TensorSpec(shape, graph.signature.dtype)
    traced = tf.function(graph.call, autograph=False).get_concrete_function(spec)
    found = traced.outputs[0].shape
    return None if found.rank is None else tuple(found.as_list())
