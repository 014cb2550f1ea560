"""TensorFlow: runs Keras files, SavedModels, frozen graphs and TensorFlow 1 checkpoints."""

from __future__ import annotations

from collections.abc import Callable

from landcover.devices import Gpu
from landcover.models.formats.detection import Format, ModelFile
from landcover.models.network import refuse_less_than_the_file
from landcover.models.runtimes.keras.files import open_keras
from landcover.models.runtimes.tensorflow.graph import TensorflowGraph
from landcover.models.runtimes.tensorflow.saved_models import open_saved_model
from landcover.models.runtimes.tensorflow.start import show_gpu, tensorflow
from landcover.models.runtimes.tensorflow.tf1_graphs import open_checkpoint, open_graphdef


def _open_keras(file: ModelFile, head: str | int | None) -> TensorflowGraph:
    network = open_keras(file, head, "tensorflow")
    return TensorflowGraph(network.signature, network.call, network.shown, network.facts())


_OPEN: dict[Format, Callable[[ModelFile, str | int | None], TensorflowGraph]] = {
    "keras": _open_keras,
    "keras2": _open_keras,
    "h5": _open_keras,
    "savedmodel": open_saved_model,
    "graphdef": open_graphdef,
    "tf1-checkpoint": open_checkpoint,
}


class TensorflowRuntime:
    """Executes networks with TensorFlow.

    A SavedModel or a graph is a program. Of it only what computes the network's output is taken, and
    only if all of that is operations that compute; weights are read as arrays. Keras files are
    checked before they are loaded. None of them can run code.

    Args:
        threads: CPU threads that one network computes with; 0: as many as TensorFlow thinks fit.
        precision: only "f32": TensorFlow computes in the precision that the file states.
        gpu: what to compute on, held by this process; None: the CPU.
    """

    formats: tuple[Format, ...] = tuple(_OPEN)

    def __init__(self, threads: int = 0, precision: str = "f32", gpu: Gpu | None = None) -> None:
        refuse_less_than_the_file("tensorflow", precision)
        show_gpu(tensorflow(threads), gpu)

    def open(self, file: ModelFile, head: str | int | None) -> TensorflowGraph:
        """Find the network of a file; see :class:`~landcover.models.network.Runtime`."""
        return _OPEN[file.format](file, head)
