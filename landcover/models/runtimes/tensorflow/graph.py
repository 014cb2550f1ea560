"""Networks of TensorFlow: the steps around them are traced into one function with the network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from landcover.errors import ModelError
from landcover.models.formats.sizes import numbers_in
from landcover.models.graph_analysis.arithmetic import Operation, tensorflow_arithmetic
from landcover.models.graph_analysis.ending import ending_of
from landcover.models.graph_analysis.facts import Facts
from landcover.models.network import CacheByDtype, Network
from landcover.models.preprocessing.rendering import after, before
from landcover.models.preprocessing.specification import (
    Pixels,
    Probabilities,
    Shape,
    Signature,
    Steps,
)
from landcover.models.preprocessing.tensorflow import TensorflowOperations
from landcover.models.runtimes.batches import Batches
from landcover.models.runtimes.keras.errors import reason_of
from landcover.models.runtimes.tensorflow.bounds import check_graph, has_loops
from landcover.models.runtimes.tensorflow.products import products_in_floats
from landcover.models.runtimes.tensorflow.start import tensorflow


@dataclass(frozen=True)
class TensorflowGraph:
    """A network as a function of a tensor.

    Args:
        signature: what it reads.
        call: from a tensor of that shape to its output.
        shown: the model's name in messages.
        told: what its graph says, where there is another than TensorFlow's to read it from.
    """

    signature: Signature
    call: Callable[[Any], Any]
    shown: str
    told: Facts | None = None

    def facts(self) -> Facts:
        """What its graph says of itself."""
        return _facts(self.frozen()) if self.told is None else self.told

    def compile(self, steps: Steps) -> Network:
        """Make the network ready; it is traced when the first pixels arrive."""
        return _TracedNetwork(self, steps)

    def frozen(self, shape: Shape | None = None) -> bytes:
        """The network as a frozen graph with one input and one output, serialized.

        Args:
            shape: of the input; default: as the file leaves it.

        Raises:
            ModelError: the network cannot be traced for this shape: some layers of Keras must know
                rows and columns.
        """
        from tensorflow.python.framework.convert_to_constants import (
            convert_variables_to_constants_v2,
        )

        tf = tensorflow()
        spec = tf.TensorSpec(shape or self.signature.shape, self.signature.dtype)
        try:
            traced = tf.function(self.call, autograph=False).get_concrete_function(spec)
        except (*_NOT_TRACED, tf.errors.OpError) as error:
            raise ModelError(self.shown, _reason(error)) from error
        check_graph(traced.graph, numbers_in(spec.shape.as_list()), self.shown)
        if has_loops(traced.graph):
            # Others cannot end a loop: whether it comes to an end is seen where it can be ended.
            extents = [extent or (_WINDOW if at else 1) for at, extent in enumerate(spec.shape)]
            try:
                ended(tf, traced, tf.ones(extents, spec.dtype), shown=self.shown)
            except tf.errors.OpError as error:
                raise ModelError(self.shown, _reason(error)) from error
        frozen = convert_variables_to_constants_v2(traced)
        needed = tf.compat.v1.graph_util.extract_sub_graph(
            frozen.graph.as_graph_def(), [frozen.outputs[0].op.name]
        )
        return bytes(products_in_floats(tf, needed).SerializeToString())


class _TracedNetwork:
    """A network whose functions, one a dtype of pixels, run on several threads at once."""

    def __init__(self, graph: TensorflowGraph, steps: Steps) -> None:
        self._graph, self._steps = graph, steps
        self._functions = CacheByDtype(self._trace)
        self._batches = Batches(graph.signature.batch, graph.shown)

    def run(self, pixels: Pixels) -> Probabilities:
        function = self._functions(pixels.dtype)
        native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        return self._batches.run(lambda some: self._once(function, some), native)

    def _once(self, function: Callable[[Any], Any], pixels: Pixels) -> Probabilities:
        tf = tensorflow()
        try:
            return np.asarray(function(tf.constant(pixels)).numpy())
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            raise ModelError(self._graph.shown, _reason(error)) from error

    def _trace(self, dtype: np.dtype[Any]) -> Any:
        tf = tensorflow()
        graph, steps, operations = self._graph, self._steps, TensorflowOperations(tf)

        def whole(pixels: Any) -> Any:
            reads = before(operations, pixels, dtype, steps, graph.signature.dtype)
            return after(operations, graph.call(reads), steps)

        spec = tf.TensorSpec((graph.signature.batch, steps.bands, *steps.size), dtype)
        try:
            traced = tf.function(whole, autograph=False).get_concrete_function(spec)
        except (*_NOT_TRACED, tf.errors.OpError) as error:
            raise ModelError(graph.shown, _reason(error)) from error
        check_graph(traced.graph, numbers_in(spec.shape.as_list()), graph.shown)
        if has_loops(traced.graph):
            return partial(ended, tf, traced, shown=graph.shown)
        return traced


def ended(tf: Any, function: Any, images: Any, *, shown: str) -> Any:
    """What a network with loops makes of images.

    Args:
        tf: TensorFlow.
        function: a concrete one.
        images: its argument.
        shown: the model's name in messages.

    Raises:
        ModelError: it is not done after a while that is long for any network.
    """
    from tensorflow.python.eager.cancellation import CancellationManager

    manager = CancellationManager()
    seconds = _PATIENCE + int(images.shape[0])
    timer = threading.Timer(seconds, manager.start_cancel)
    timer.daemon = True
    options = tf.config.optimizer.get_experimental_options()
    # It takes the place out of a loop at which it could be ended, where it finds that there is no end.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    timer.start()
    try:
        return manager.get_cancelable_function(function)(images)
    except tf.errors.CancelledError:
        reason = f"its loops did not come to an end within {seconds} s: it is no network for images"
        raise ModelError(shown, reason) from None
    finally:
        timer.cancel()
        usual = options.get("disable_meta_optimizer", False)
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": usual})


# Rows and columns of a window that a network leaves open.
_WINDOW = 64
# Seconds, and one more for each image.
_PATIENCE = 15

# What Keras and TensorFlow raise while they trace: also for a condition on a tensor.
_NOT_TRACED = (ValueError, TypeError, RuntimeError)


def _facts(frozen: bytes) -> Facts:
    """What a frozen graph with one input and one output says."""
    tf = tensorflow()
    definition = tf.compat.v1.GraphDef.FromString(frozen)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
    nodes = graph.get_operations()
    operations = [
        Operation(node.type, *(tuple(t.name for t in ts) for ts in (node.inputs, node.outputs)))
        for node in nodes
    ]
    images = [node.outputs[0].name for node in nodes if node.type == "Placeholder"]
    (last,) = [node for node in nodes if node.outputs and not node.outputs[0].consumers()][-1:]
    ending = replace(
        ending_of(operations, last.outputs[0].name, images), whole=last.outputs[0].dtype.is_integer
    )
    if ending.kind == "numbers" and ending.moved_by is None:
        argmax = [node for node in nodes if node.type == ending.operation][-1]
        axis = int(tf.get_static_value(argmax.inputs[1]))
        shape = argmax.inputs[0].shape
        ending = replace(ending, classes=None if shape.rank is None else shape[axis])
    return Facts(ending, tensorflow_arithmetic(definition))


def _reason(error: Exception) -> str:
    return f"TensorFlow does not run it: {reason_of(error)}"
