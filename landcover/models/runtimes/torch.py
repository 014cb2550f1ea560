"""PyTorch: runs Keras 3 files."""

from __future__ import annotations

from typing import Any

import numpy as np

from landcover.devices import Gpu
from landcover.errors import ModelError
from landcover.models.formats.detection import Format, ModelFile
from landcover.models.network import Network, in_batches_of, refuse_less_than_the_file
from landcover.models.preprocessing.keras import plain
from landcover.models.preprocessing.specification import Pixels, Probabilities, Steps
from landcover.models.runtimes.keras.files import open_keras
from landcover.models.runtimes.keras.graph import KerasGraph
from landcover.models.runtimes.keras.start import start_keras


class TorchRuntime:
    """Executes networks with Keras 3 on PyTorch, operation by operation.

    Args:
        threads: CPU threads that one network computes with; 0: as many as PyTorch thinks fit. It
            is one number a process: the last one that was asked for.
        precision: only "f32": Keras computes in the precision that the file states.
        gpu: what to compute on, held by this process; None: the CPU.

    Raises:
        ModelError: Keras computes with another library in this process, or PyTorch finds no such
            GPU.
    """

    formats: tuple[Format, ...] = ("keras", "h5")

    def __init__(self, threads: int = 0, precision: str = "f32", gpu: Gpu | None = None) -> None:
        refuse_less_than_the_file("torch", precision)
        self._keras = start_keras("torch")
        import torch

        if threads:
            torch.set_num_threads(threads)
        keep_f32(torch)
        self._device = device_of(torch, gpu)

    def open(self, file: ModelFile, head: str | int | None) -> TorchGraph:
        """Find the network of a file; see :class:`~landcover.models.network.Runtime`."""
        # Weights are made where Keras is told; left alone, it takes the first GPU there is.
        with self._keras.device(self._device):
            return TorchGraph(open_keras(file, head, "torch"), self._device)


def device_of(torch: Any, gpu: Gpu | None) -> str:
    """PyTorch's name for a GPU of this process, or for the CPU.

    Args:
        torch: the library.
        gpu: held by this process; None: the CPU.

    Raises:
        ModelError: PyTorch cannot use this GPU.
    """
    if gpu is None:
        return "cpu"
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpu.ordinal >= there:
        raise ModelError(
            "runtime 'torch'",
            f"finds {there} GPUs, {gpu.name} is not among them: pip install torch built for CUDA "
            "(https://pytorch.org/get-started/locally), or set model.device to cpu",
        )
    return f"cuda:{gpu.ordinal}"


def keep_f32(torch: Any) -> None:
    """f32 is f32: switch off the shorter numbers (TF32) that CUDA would take for convolutions.

    Args:
        torch: the library. Since 2.9 these settings have other names beside; once those are set,
            whatever reads the former ones raises an error, but not the other way round.
    """
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


class TorchGraph(KerasGraph):
    """A network that Keras has loaded on PyTorch."""

    def compile(self, steps: Steps) -> Network:
        """Make the network ready; there is nothing to prepare."""
        return _EagerNetwork(self, steps)


class _EagerNetwork:
    """A network with the steps around it on one device; several threads may run it at once."""

    def __init__(self, graph: TorchGraph, steps: Steps) -> None:
        self._graph, self._steps = graph, steps

    def run(self, pixels: Pixels) -> Probabilities:
        return in_batches_of(self._graph.signature.batch, self._once, plain(pixels))

    def _once(self, pixels: Pixels) -> Probabilities:
        import torch

        graph = self._graph
        try:
            # Both hold for this thread only, so each run says so.
            with graph.network.keras.device(graph.device), torch.inference_mode():
                sent = torch.from_numpy(pixels).to(graph.device)
                returned = graph.probabilities(sent, pixels.dtype, self._steps)
                return np.asarray(returned.cpu().numpy())
        except (ValueError, TypeError, RuntimeError) as error:
            raise graph.refused("PyTorch", error) from error
