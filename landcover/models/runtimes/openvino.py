"""OpenVINO: runs ONNX, CNTK by way of ONNX, and TensorFlow and Keras by way of a frozen graph."""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import onnx

from landcover.errors import LandcoverError, ModelError
from landcover.models.cache import cached, own_folder
from landcover.models.cropping.crop import Arithmetic, cropped
from landcover.models.formats.detection import Format, ModelFile
from landcover.models.formats.onnx_contrib import check_known
from landcover.models.formats.onnx_file import read_onnx, valid_onnx
from landcover.models.formats.onnx_inside import cut_at
from landcover.models.formats.outputs import choose_head, likely_outputs
from landcover.models.formats.quantized_file import unpacked
from landcover.models.graph_analysis.arithmetic import Operation
from landcover.models.graph_analysis.ending import Ending, called
from landcover.models.graph_analysis.facts import Facts, facts_of, onnx_facts
from landcover.models.network import CacheByDtype, Network
from landcover.models.openvino_library import (
    FAILURES,
    named_alike,
    openvino,
    operations,
    read_network,
    same_signal_stack,
)
from landcover.models.preprocessing.onnx import Ends, find_ends, narrowed, onnx_order
from landcover.models.preprocessing.onnx import with_steps as with_onnx_steps
from landcover.models.preprocessing.openvino import with_steps
from landcover.models.preprocessing.specification import (
    Layout,
    Pixels,
    Probabilities,
    Shape,
    Signature,
    Steps,
)
from landcover.models.runtimes.batches import Batches
from landcover.models.runtimes.frozen_onnx import onnx_of
from landcover.models.runtimes.memory import out_of_memory
from landcover.models.runtimes.openvino_places import keep_places_inside
from landcover.models.runtimes.openvino_sizes import check_results

if TYPE_CHECKING:
    from landcover.models.runtimes.tensorflow.graph import TensorflowGraph

# What OpenVINO calls our precisions: for the hint, and in the list of what a CPU can do.
# What is not quantized of a network in i8 is computed in f32.
_PRECISIONS = {
    "f32": ("f32", "FP32"),
    "bf16": ("bf16", "BF16"),
    "f16": ("f16", "FP16"),
    "i8": ("f32", "INT8"),
}

# Parts of a batch side by side: half of the threads for each is faster than all of them for one
# image after the other, the more so as reading threads take cores now and then.
_STREAMS = 2

_IMAGE_RANKS = (3, 4)

Kind: TypeAlias = Literal["onnx", "tf", "quantized"]
"""What OpenVINO reads: an ONNX file, a frozen graph of TensorFlow, or what was quantized."""


class OpenvinoRuntime:
    """Executes networks with OpenVINO on the CPU.

    Files of TensorFlow and Keras are opened with TensorFlow once per host; what is made of them is
    kept in the cache, and later starts do without TensorFlow.

    Args:
        threads: CPU threads that one network computes with; 0: one a core.
        precision: "f32"; or "bf16" or "f16" on CPUs that compute in them; or "i8", for what was
            quantized.
    """

    formats: tuple[Format, ...] = (
        *("onnx", "cntk", "cntk-v1", "keras", "keras2", "h5"),
        *("savedmodel", "graphdef", "tf1-checkpoint"),
    )

    def __init__(self, threads: int = 0, precision: str = "f32") -> None:
        hint, capability = _PRECISIONS[precision]
        with same_signal_stack():
            self._core = openvino.Core()
            able = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if capability not in able:
            raise ModelError(
                "runtime 'openvino'",
                f"this CPU does not compute in {precision} (it can: {', '.join(able)}): "
                "set model.precision to f32",
            )
        # The precision is always stated: left alone, OpenVINO takes bf16 wherever the CPU has it.
        self._settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": hint,
            # Every process would bind its threads to the same first cores.
            "ENABLE_CPU_PINNING": False,
        }
        if threads:
            self._settings["INFERENCE_NUM_THREADS"] = threads
        self._streams = 1 if threads == 1 else _STREAMS

    def open(self, file: ModelFile, head: str | int | None) -> OpenvinoGraph | WindowedGraph:
        """Find the network of a file; see :class:`~landcover.models.network.Runtime`."""
        if file.format == "onnx":
            return self._graph(file, file.path, head)
        if file.format in ("cntk", "cntk-v1"):
            from landcover.models.cntk import onnx_file  # for its files alone: it takes its time

            path = onnx_file.onnx_of(file, head, "operator")
            return self._graph(file, path, None if head is None else 0)
        try:
            frozen = _frozen(file, head)
        except ModelError:
            return self._windowed(file, head)
        return self._graph(file, frozen, None, "tf", lambda: _layers(file, head))

    def open_quantized(self, path: Path, shown: str) -> OpenvinoGraph:
        """The network of a file that :mod:`landcover.models.quantization` has made.

        Args:
            path: of the file.
            shown: the model's name in messages.
        """
        how = (self._core, self._settings, self._streams)
        return OpenvinoGraph(*how, path, "quantized", None, shown)

    def _graph(
        self,
        file: ModelFile,
        path: Path,
        head: str | int | None,
        kind: Kind = "onnx",
        layers: Callable[[], Ending | None] = lambda: None,
    ) -> OpenvinoGraph:
        how = (self._core, self._settings, self._streams)
        return OpenvinoGraph(*how, path, kind, head, str(file.path), layers)

    def _windowed(self, file: ModelFile, head: str | int | None) -> WindowedGraph:
        """A network that TensorFlow cannot freeze before it knows the window.

        Raises:
            ModelError: it cannot be frozen for another reason.
        """
        from landcover.models.runtimes.tensorflow.runtime import TensorflowRuntime

        graph = TensorflowRuntime().open(file, head)
        if None not in graph.signature.shape[1:]:
            graph.frozen()  # raises what it has raised before
        return WindowedGraph(
            graph, lambda shape: self._graph(file, _frozen(file, head, shape), None, "tf")
        )


class OpenvinoGraph:
    """The network of a file that OpenVINO reads; it is read when it is needed.

    Args:
        core: OpenVINO.
        settings: what networks are compiled with.
        streams: parts of a batch that are computed side by side, each by its share of the threads.
        path: of the file.
        kind: what it is.
        head: the wanted output.
        shown: the model's name in messages.
        layers: the ending by the names that 'head' knows, where those of the graph are others.

    Raises:
        ModelError: OpenVINO cannot read it, or it does not read one batch of images.
    """

    def __init__(
        self,
        core: openvino.Core,
        settings: Mapping[str, Any],
        streams: int,
        path: Path,
        kind: Kind,
        head: str | int | None,
        shown: str,
        layers: Callable[[], Ending | None] = lambda: None,
    ) -> None:
        self._layers = layers
        self._core, self._settings = core, settings
        self._path, self._kind, self._shown = path, kind, shown
        self._wanted = head
        model = self._read()
        self._fresh = [model]
        if len(model.inputs) != 1 or len(_shape(model.inputs[0]) or ()) not in _IMAGE_RANKS:
            listed = ", ".join(f"{i.any_name!r} {i.partial_shape}" for i in model.inputs)
            raise ModelError(
                shown,
                f"must have one input, a batch of images, and no other: export it so; its inputs: {listed}",
            )
        shapes = [_shape(output) for output in model.outputs]
        likely = likely_outputs([None if s is None else len(s) for s in shapes])
        self._head = choose_head([o.any_name for o in model.outputs], head, shown, likely)
        self.signature = Signature(
            _shape(model.inputs[0]) or (),
            _dtype(model.inputs[0], shown),
            channels_last=kind == "tf",
            order=_order(path) if kind == "onnx" else None,
        )
        self.arithmetic: Arithmetic | None = None
        # A network that insists on a number of images gets them all in one part.
        self._streams = streams if self.signature.batch is None else 1

    def facts(self) -> Facts:
        """What its graph says of itself; that of an ONNX file is read as it is written."""
        if self._kind == "tf":
            facts = _facts(self._read(), self._head)
            plain = facts.ending.kind in ("softmax", "sigmoid", "logits")
            named = None if plain else self._layers()
            if named is None:
                return facts
            return replace(facts, ending=called(facts.ending, named.source, named.probabilities))
        with valid_onnx(self._shown):
            ends = find_ends(self._read_onnx(), self._head, self._shown)
            return onnx_facts(self._read_onnx, ends.input, ends.output)

    def compile(self, steps: Steps) -> Network:
        """Make the network ready; it is compiled when the first pixels arrive."""
        batches = Batches(self.signature.batch, self._shown)
        return _RequestNetwork(self, steps, batches)

    def bare(self, steps: Steps) -> openvino.Model:
        """The network alone, for windows of the size that the steps have, with the wanted output.

        Of one that labels pixels it returns those that get a label, and computes no others, where its
        file tells how: :meth:`Steps.returning` has the steps around that.
        """
        found = self._less(steps, lambda model, ends: narrowed(model, ends, steps))
        model, head = (self._read(), self._head) if found is None else (found, 0)
        returned = model.outputs[head].get_node().input(0).get_source_output()
        bare = openvino.Model([operations.result(returned)], model.get_parameters(), "network")
        shape = _at_window(self.signature, steps)
        bare.reshape(openvino.PartialShape([-1 if extent is None else extent for extent in shape]))
        return named_alike(bare)

    def compiled(self, steps: Steps, dtype: np.dtype[Any]) -> _Requests:
        """The network with its steps, for pixels of a dtype."""
        settings = {**self._settings, "NUM_STREAMS": self._streams}
        if steps.output is not None:  # what is compiled only to be looked at is not kept
            settings["CACHE_DIR"] = str(own_folder("openvino"))
        try:
            model = self._less(steps, lambda one, ends: with_onnx_steps(one, ends, steps, dtype))
            if model is None:
                model = self._fresh.pop() if self._fresh else self._read()  # it is taken apart
                if self._kind == "quantized":
                    steps = self._around(model, steps)
                model = with_steps(model, self._head, self.signature, steps, dtype)
            keep_places_inside(model)
            check_results(model, self._shown)
            return _Requests(self._core.compile_model(model, "CPU", settings), self._streams)
        except LandcoverError:
            raise
        except FAILURES as error:
            raise self.refusal(error) from error

    def _around(self, model: openvino.Model, steps: Steps) -> Steps:
        """The steps around a network that may have been cropped before it was quantized."""
        shape = _shape(model.outputs[self._head])
        try:
            return steps if shape is None else steps.returning(shape)
        except ValueError as error:
            raise ModelError(self._shown, f"was quantized for another halo: {error}") from None

    def _less(
        self, steps: Steps, made: Callable[[onnx.ModelProto, Ends], onnx.ModelProto]
    ) -> openvino.Model | None:
        """The network as it is made, without what its labels do not need; None: nothing can go."""
        if steps.output is None or not steps.output.pixel:
            return None
        if steps.output.form == "numbers":  # NaN would pass for a class, as ONNX writes the steps
            return None
        try:
            with valid_onnx(self._shown):
                model = self._as_onnx(steps)
                if model is None:
                    return None
                found = cropped(made(model, find_ends(model, self._head, self._shown)))
        except ModelError:  # what OpenVINO has read all the same
            return None
        if found is None:
            return None
        self.arithmetic = found.arithmetic
        return named_alike(read_network("onnx", BytesIO(found.model.SerializeToString())))

    def _as_onnx(self, steps: Steps) -> onnx.ModelProto | None:
        """The network as ONNX, for windows of the size that the steps have; None: there is no such form."""
        if self._kind == "onnx":
            return self._read_onnx()
        if self._kind == "quantized":
            return None
        f32 = {**self._settings, "INFERENCE_PRECISION_HINT": "f32"}
        shape = _at_window(self.signature, steps)
        return onnx_of(
            self._path, shape, lambda network: self._core.compile_model(network, "CPU", f32)
        )

    def _read(self) -> openvino.Model:
        if self._kind == "quantized":
            return self._core.read_model(*unpacked(self._path, self._shown))
        source: str | BytesIO = str(self._path)
        if self._kind == "onnx":
            graph = onnx.load(source, load_external_data=False)
            cut = cut_at(graph, self._wanted)
            check_known(graph, self._shown)
            # OpenVINO follows no link to weights, which caches of hubs are made of.
            if cut or self._path.is_symlink():
                source = BytesIO(self._read_onnx().SerializeToString())
        try:
            return read_network(self._kind, source)
        except UnicodeDecodeError:  # of a complaint that quotes a name in the file
            raise ModelError(self._shown, "OpenVINO does not run it: it is damaged") from None
        except FAILURES as error:
            raise self.refusal(error) from error

    def _read_onnx(self) -> onnx.ModelProto:
        return read_onnx(self._path, self._shown, self._wanted)

    def refusal(self, error: Exception) -> ModelError:
        """What OpenVINO says, without the places in its sources that it says it from."""
        lines = [line.strip() for line in str(error).splitlines()]
        told = [x for x in lines if x and not x.startswith(_PLACES)]
        other = "onnxruntime" if self._kind == "onnx" else "tensorflow"
        said = next(iter([*told, *lines]), type(error).__name__)
        reason = f"OpenVINO does not run it: {said}"
        return ModelError(self._shown, f"{reason}; set model.runtime to {other}")


_PLACES = ("Exception from", "Check '", "FrontEnd API failed")


class WindowedGraph:
    """A network of TensorFlow or Keras that is frozen for its window, once that is known.

    Args:
        graph: as TensorFlow has opened it.
        frozen: from the shape of its input to what OpenVINO reads.
    """

    def __init__(self, graph: TensorflowGraph, frozen: Callable[[Shape], OpenvinoGraph]) -> None:
        self._graph, self._frozen = graph, frozen
        self.signature = graph.signature

    def facts(self) -> Facts:
        """What its layers say of it."""
        return self._graph.facts()

    def compile(self, steps: Steps) -> Network:
        """Make the network ready, for windows of the size that the steps have."""
        return self._for(steps).compile(steps)

    def bare(self, steps: Steps) -> openvino.Model:
        """See :meth:`OpenvinoGraph.bare`."""
        return self._for(steps).bare(steps)

    def _for(self, steps: Steps) -> OpenvinoGraph:
        return self._frozen(_at_window(self.signature, steps))


class _Requests:
    """A compiled network and its idle requests; each thread that runs it holds some meanwhile."""

    def __init__(self, compiled: openvino.CompiledModel, streams: int) -> None:
        self._compiled, self._streams = compiled, streams
        self._idle: queue.LifoQueue[openvino.InferRequest] = queue.LifoQueue()

    def run(self, pixels: Pixels) -> Probabilities:
        parts = np.array_split(pixels, min(self._streams, len(pixels)))
        requests = [self._request() for _ in parts]
        for request, part in zip(requests, parts, strict=True):
            # Not shared: of a network that returns what it reads, OpenVINO would write the next
            # images into the memory of these, whoever has that by then.
            request.start_async([part], share_inputs=False)
        for request in requests:
            request.wait()
        found = [request.get_output_tensor(0).data for request in requests]
        result = np.concatenate(found, dtype=np.float32)
        for request in requests:  # those of a run that failed are not used again
            self._idle.put(request)
        return result

    def _request(self) -> openvino.InferRequest:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._compiled.create_infer_request()


class _RequestNetwork:
    """A network that is compiled once a dtype of pixels, and runs on several threads at once."""

    def __init__(self, graph: OpenvinoGraph, steps: Steps, batches: Batches) -> None:
        self._graph = graph
        self._requests: CacheByDtype[_Requests] = CacheByDtype(partial(graph.compiled, steps))
        self._batches = batches

    @property
    def arithmetic(self) -> Arithmetic | None:
        """How much less it computes than its file says, once it has run; None: all of it."""
        return self._graph.arithmetic

    def run(self, pixels: Pixels) -> Probabilities:
        # What OpenVINO would convert to 32-bit integers first is converted to float32 here.
        dtype = pixels.dtype if pixels.dtype.name in _EXACT else np.dtype(np.float32)
        native = np.ascontiguousarray(pixels, dtype.newbyteorder("="))
        try:
            return self._batches.run(self._requests(native.dtype).run, native)
        except LandcoverError:
            raise
        except FAILURES as error:
            if out_of_memory(error):
                raise
            raise self._graph.refusal(error) from error


_EXACT = ("uint8", "int8", "uint16", "int16", "float32")


def _at_window(signature: Signature, steps: Steps) -> Shape:
    """The shape of what a network reads, for windows of the size that the steps have."""
    rows, columns = steps.size
    extents = {"N": signature.batch, "H": rows, "W": columns, "C": steps.bands}
    return tuple(extents[axis] for axis in steps.layout)


def _frozen(file: ModelFile, head: str | int | None, shape: Shape | None = None) -> Path:
    """A file of TensorFlow or Keras as a frozen graph with one input and one output.

    Args:
        file: the file.
        head: the wanted output.
        shape: of the input; default: as the file leaves it.
    """
    window = "" if shape is None else f" {shape}"
    # The word is for how it is frozen: what an earlier version has frozen otherwise is not used.
    key = hashlib.sha256(f"{file.digest} {head!r}{window} floats".encode()).hexdigest()[:32]

    def freeze(path: Path) -> None:
        from landcover.models.runtimes.tensorflow.runtime import TensorflowRuntime

        path.write_bytes(TensorflowRuntime().open(file, head).frozen(shape))

    return cached(f"frozen/{key}.pb", freeze)


def _layers(file: ModelFile, head: str | int | None) -> Ending | None:
    """How a network of Keras ends, by the names of its layers; None: other libraries name tensors."""
    if not file.format.startswith(("keras", "h5")):
        return None
    from landcover.models.runtimes.tensorflow.runtime import TensorflowRuntime

    return TensorflowRuntime().open(file, head).facts().ending


def _order(path: Path) -> Layout | None:
    model = onnx.load(str(path), load_external_data=False)
    weights = {tensor.name for tensor in model.graph.initializer}
    (image,) = [value.name for value in model.graph.input if value.name not in weights]
    return onnx_order(model, image)


def _facts(model: openvino.Model, head: int) -> Facts:
    """What the graph of a network says that OpenVINO has read from a frozen graph."""
    nodes = model.get_ordered_ops()
    operations = [
        Operation(
            node.get_type_name(),
            tuple(_port(i.get_source_output()) for i in node.inputs()),
            tuple(map(_port, node.outputs())),
        )
        for node in nodes
    ]
    result = model.outputs[head].get_node().input(0).get_source_output()
    found = facts_of(operations, _port(result), _port(model.inputs[0].get_node().output(0)))
    ending = replace(found.ending, whole=model.outputs[head].element_type.is_integral_number())
    if ending.kind == "numbers" and ending.moved_by is None:
        (node,) = [n for n in nodes if n.get_type_name() == ending.operation][-1:]
        extent = node.input(0).get_partial_shape()[node.get_axis()]
        ending = replace(ending, classes=None if extent.is_dynamic else extent.get_length())
    return replace(found, ending=ending)


def _port(output: Any) -> str:
    """One of the tensors that a node makes, as TensorFlow calls it."""
    return f"{output.get_node().get_friendly_name()}:{output.get_index()}"


def _dtype(port: Any, shown: str) -> str:
    """What the numbers of an input are, in NumPy's word.

    Raises:
        ModelError: no numbers that NumPy knows: the file leaves them open, or means texts.
    """
    try:
        return str(np.dtype(port.element_type.to_dtype()))
    except FAILURES:
        reason = f"its input is of type {port.element_type.get_type_name()}: pixels are none"
        raise ModelError(shown, reason) from None


def _shape(port: Any) -> Shape | None:
    """The shape of an input or output; None where not even its rank is known."""
    shape = port.partial_shape
    if shape.rank.is_dynamic:
        return None
    return tuple(None if dim.is_dynamic else dim.get_length() for dim in shape)
