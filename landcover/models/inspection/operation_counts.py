"""How many operations of which kinds a model file holds."""

from __future__ import annotations

from collections import Counter

import onnx

from landcover.models.formats.detection import ModelFile
from landcover.models.inspection.description import fixed_shape

_WINDOW = 256  # where a network reads windows of any size: no operation depends on it


def operations_of(file: ModelFile) -> Counter[str]:
    """Count the operations of a file by their kinds, in the words of its format.

    Those of TensorFlow and Keras are counted in the graph that is executed.

    Raises:
        ModelError: the file cannot be read.
    """
    if file.format in ("cntk", "cntk-v1"):
        from landcover.models.cntk import mapped, read

        graph = read(mapped(file.path), file.path.name)
        return Counter(function.operation for function in graph.functions.values())
    if file.format == "onnx":
        model = onnx.load(str(file.path), load_external_data=False)
        return Counter(node.op_type for node in model.graph.node)
    from landcover.models.runtimes.tensorflow.runtime import TensorflowRuntime
    from landcover.models.runtimes.tensorflow.start import tensorflow

    network = TensorflowRuntime().open(file, None)
    frozen = network.frozen(fixed_shape(network.signature.shape, _WINDOW))
    definition = tensorflow().compat.v1.GraphDef.FromString(frozen)
    return Counter(node.op for node in definition.node if node.op != "Const")
