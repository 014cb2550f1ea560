"""Microsoft's own CNTK 2.7 as a runtime: the reference that conversions are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnx

from landcover.errors import ModelError
from landcover.models.cntk.library.evaluation import LibraryNetwork
from landcover.models.cntk.library.install import locate
from landcover.models.cntk.onnx_file import onnx_of
from landcover.models.cntk.reader.dictionary import FREE
from landcover.models.cntk.reader.graph import Graph, Output
from landcover.models.cntk.reader.model_file import mapped, read
from landcover.models.cntk.reader.outputs import choose
from landcover.models.formats.detection import Format, ModelFile
from landcover.models.graph_analysis.facts import Facts, onnx_facts
from landcover.models.network import Network
from landcover.models.preprocessing.numpy import after, before
from landcover.models.preprocessing.onnx import find_ends
from landcover.models.preprocessing.specification import Pixels, Probabilities, Signature, Steps

_NAME: Final = "runtime 'cntk'"


class CntkRuntime:
    """Executes CNTK files with the genuine library; the steps around the network run in numpy.

    Args:
        threads: CPU threads that one network computes with; 0: one a processor.
        precision: only "f32".

    Raises:
        ModelError: another precision.
        LibraryUnavailable: the library is not here; the sentence says what fetches it.
    """

    formats: tuple[Format, ...] = ("cntk", "cntk-v1")

    def __init__(self, threads: int = 0, precision: str = "f32") -> None:
        if precision != "f32":
            raise ModelError(_NAME, f"computes in f32, not in {precision}")
        locate()
        self._threads = threads or None
        self._opened: tuple[Path, LibraryNetwork, Graph | None] | None = None

    def open(self, file: ModelFile, head: str | int | None) -> CntkGraph:
        """Find the network of a CNTK file; see :class:`~landcover.models.network.Runtime`.

        Raises:
            ModelError: also where a layer is asked for that is no output of the file: the library
                computes outputs only.
        """
        # Several outputs of one file are computed by one network, which is opened once.
        if self._opened is None or self._opened[0] != file.path:
            self._opened = (file.path, LibraryNetwork(file.path, 0, self._threads), _graph_of(file))
        _, network, graph = self._opened
        return CntkGraph(network, graph, head, file)


class CntkGraph:
    """A CNTK network that the genuine library has opened.

    Args:
        network: of the library.
        graph: the network as landcover reads it; None where only the library can.
        head: the wanted output; the same one is meant as for the other runtimes.
        file: what the library has opened.
    """

    def __init__(
        self, network: LibraryNetwork, graph: Graph | None, head: str | int | None, file: ModelFile
    ) -> None:
        self._network, self._file, self._head = network, file, head
        shown = str(file.path)
        self._output: int | str = head or 0
        fed = None
        if graph is not None:
            self._output, fed = _ends(graph, head)
        # A network that was saved with its loss reads labels too, which its scores do not need.
        ports = {port.name: port for port in network.inputs}
        port = ports.get(fed or "", network.inputs[0])
        shape = [None if extent == FREE else extent for extent in port.shape]
        if len(shape) not in (2, 3):
            raise ModelError(
                shown,
                f"must have one input, a batch of images; its input {port.name!r} has samples of "
                f"shape {tuple(shape)}",
            )
        self._input = port.name
        self.signature = Signature((None, *shape), "float32")

    def facts(self) -> Facts:
        """What its conversion to ONNX says of it; nothing where it has none."""
        try:
            path = onnx_of(self._file, self._head, "plain")
        except ModelError:
            return Facts()
        head = None if self._head is None else 0
        ends = find_ends(onnx.load(str(path)), head, str(path))
        return onnx_facts(lambda: onnx.load(str(path)), ends.input, ends.output)

    def compile(self, steps: Steps) -> Network:
        """Make the network ready; the library has nothing left to do."""
        return _NetworkWithSteps(self, steps)

    def run(self, images: Pixels) -> Probabilities:
        """What the library returns for images in the layout of the network."""
        return self._network.evaluate({self._input: images}, [self._output])[0]


class _NetworkWithSteps:
    """The network with the steps around it."""

    def __init__(self, graph: CntkGraph, steps: Steps) -> None:
        self._graph, self._steps = graph, steps

    def run(self, pixels: Pixels) -> Probabilities:
        images = before(pixels, self._steps, self._graph.signature.dtype)
        return after(self._graph.run(images), self._steps)


def _graph_of(file: ModelFile) -> Graph | None:
    try:
        return read(mapped(file.path), str(file.path))
    except ModelError:
        return None


def _ends(graph: Graph, head: str | int | None) -> tuple[int, str | None]:
    """The position of the wanted output in the file, and the name of the input that it needs."""
    chosen = choose(graph, head)
    for position, output in enumerate(graph.outputs):
        if output.ref == chosen.ref:
            return position, _fed(graph, output)
    names = ", ".join(repr(output.name) for output in graph.outputs)
    raise ModelError(
        graph.file,
        f"{chosen.name!r} is a layer inside: CNTK computes outputs only, which are {names}",
    )


def _fed(graph: Graph, output: Output) -> str | None:
    used = {ref.uid for function in graph.order([output.ref]) for ref in function.inputs}
    labels = [leaf.label for leaf in graph.inputs if leaf.uid in used]
    return labels[0] if len(labels) == 1 else None
