"""ONNX Runtime: runs ONNX networks, and CNTK networks converted to ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from landcover.devices import Gpu
from landcover.errors import ModelError
from landcover.models.cropping.crop import Arithmetic, cropped
from landcover.models.formats.detection import Format, ModelFile
from landcover.models.formats.onnx_file import read_onnx, valid_onnx
from landcover.models.formats.onnx_sizes import check_sizes
from landcover.models.graph_analysis.facts import Facts, onnx_facts
from landcover.models.network import CacheByDtype, Network
from landcover.models.preprocessing.onnx import find_ends, with_steps
from landcover.models.preprocessing.specification import Pixels, Probabilities, Signature, Steps
from landcover.models.runtimes.batches import Batches
from landcover.models.runtimes.memory import out_of_memory


class OnnxRuntime:
    """Executes networks with ONNX Runtime, on the CPU or on a GPU of NVIDIA's.

    Args:
        threads: CPU threads that one network computes with; 0: one a core.
        precision: "f32": ONNX Runtime computes in the precision that the file states; "i8": for what
            was quantized.
        gpu: what to compute on, held by this process; None: the CPU.
    """

    formats: tuple[Format, ...] = ("onnx", "cntk", "cntk-v1")

    def __init__(self, threads: int = 0, precision: str = "f32", gpu: Gpu | None = None) -> None:
        if precision not in ("f32", "i8"):
            raise ModelError(
                "runtime 'onnxruntime'",
                f"computes in f32, not in {precision}: runtime 'openvino' can, on CPUs that do",
            )
        self._start = _Start(threads, gpu)

    def open(self, file: ModelFile, head: str | int | None) -> OnnxGraph:
        """Find the network of an ONNX or CNTK file; see :class:`~landcover.models.network.Runtime`."""
        if file.format == "onnx":
            return OnnxGraph(file.path, head, str(file.path), self._start)
        from landcover.models.cntk import onnx_file  # for its files alone: it takes its time

        path = onnx_file.onnx_of(file, head, "plain")
        # Who names an output gets it, whatever its shape; without a name it must be one of classes.
        return OnnxGraph(path, None if head is None else 0, str(file.path), self._start)

    def open_quantized(self, path: Path, shown: str) -> OnnxGraph:
        """The network of a file that :mod:`landcover.models.quantization` has made.

        Args:
            path: of the file.
            shown: the model's name in messages.
        """
        return OnnxGraph(path, 0, shown, self._start)


class OnnxGraph:
    """The network of an ONNX file; it is read when it is needed, and not kept in memory.

    Args:
        path: the ONNX file.
        head: the wanted output.
        shown: the model's name in messages.
        start: starts sessions.
    """

    def __init__(self, path: Path, head: str | int | None, shown: str, start: _Start) -> None:
        self._path, self._head, self._shown, self._start = path, head, shown, start
        self.arithmetic: Arithmetic | None = None
        with valid_onnx(shown):
            self._ends = find_ends(self._read(), head, shown)

    @property
    def signature(self) -> Signature:
        """What the network reads."""
        return self._ends.signature

    def facts(self) -> Facts:
        """What its graph says of itself."""
        ends = self._ends
        with valid_onnx(self._shown):
            return onnx_facts(self._read, ends.input, ends.output)

    def compile(self, steps: Steps) -> Network:
        """Make the network ready; sessions are started when the first pixels arrive."""
        return _SessionNetwork(self, steps, Batches(self._ends.signature.batch, self._shown))

    def session(self, steps: Steps, dtype: np.dtype[Any]) -> onnxruntime.InferenceSession:
        """The network with its steps, for pixels of a dtype."""
        # Nothing holds the model while the session is made: large ones are then in memory once less.
        content = self._content(steps, dtype)
        try:
            session = self._start(content)
        except Exception as error:  # the library's errors have no root of their own
            raise self.refused(error) from error
        self._start.check(session, self._shown)
        return session

    def refused(self, error: Exception) -> ModelError:
        """What ONNX Runtime says, in its first line."""
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        return ModelError(self._shown, f"ONNX Runtime does not run it: {reason}")

    def _read(self) -> onnx.ModelProto:
        return read_onnx(self._path, self._shown, self._head)

    def _content(self, steps: Steps, dtype: np.dtype[Any]) -> bytes:
        """The network with its steps, less what the labels of pixels do not need."""
        model = with_steps(self._read(), self._ends, steps, dtype)
        with valid_onnx(self._shown):
            check_sizes(model, self._shown, to_run=True)
        found = cropped(model) if steps.output is not None and steps.output.pixel else None
        if found is None:
            return model.SerializeToString()
        self.arithmetic = found.arithmetic
        return found.model.SerializeToString()


@dataclass(frozen=True)
class _Start:
    """Starts sessions with a number of threads, on the CPU or on a GPU."""

    threads: int
    gpu: Gpu | None

    def __call__(self, content: bytes) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        # Its errors are raised as well; on the terminal they would quote names in files as they are.
        options.log_severity_level = 4
        if self.gpu is not None:
            # What computes on GPUs does not ask the session how loud it may be.
            onnxruntime.set_default_logger_severity(options.log_severity_level)
            if hasattr(onnxruntime, "preload_dlls"):
                onnxruntime.preload_dlls()  # finds the libraries of CUDA that pip has installed
        return onnxruntime.InferenceSession(content, options, providers=providers(self.gpu))

    def check(self, session: onnxruntime.InferenceSession, shown: str) -> None:
        """ONNX Runtime goes on with the CPU where the libraries of CUDA do not load: not so here."""
        if self.gpu is not None and "CUDAExecutionProvider" not in session.get_providers():
            raise ModelError(
                shown,
                f"ONNX Runtime did not start on {self.gpu.name}: the libraries of CUDA and cuDNN "
                "that it was built for are missing (pip install 'onnxruntime-gpu[cuda,cudnn]'); "
                "or set model.device to cpu",
            )


def providers(gpu: Gpu | None) -> list[Any]:
    """What ONNX Runtime shall compute with: the GPU first, the CPU for operations that it has not.

    f32 is f32: the shorter numbers (TF32) that CUDA would take for convolutions are switched off.
    Memory grows by what is asked for, and convolutions are chosen by rule, since trying all kinds
    for each size of a batch takes longer than a run of it.

    Args:
        gpu: held by this process; None: the CPU alone.
    """
    if gpu is None:
        return ["CPUExecutionProvider"]
    settings = {
        "device_id": str(gpu.ordinal),
        "use_tf32": "0",
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "HEURISTIC",
    }
    return [("CUDAExecutionProvider", settings), "CPUExecutionProvider"]


class _SessionNetwork:
    """A network whose sessions, one a dtype of pixels, run on several threads at once."""

    def __init__(self, graph: OnnxGraph, steps: Steps, batches: Batches) -> None:
        self._graph = graph
        self._sessions: CacheByDtype[onnxruntime.InferenceSession] = CacheByDtype(
            partial(graph.session, steps)
        )
        self._batches = batches

    @property
    def arithmetic(self) -> Arithmetic | None:
        """How much less it computes than its file says, once it has run; None: all of it."""
        return self._graph.arithmetic

    def run(self, pixels: Pixels) -> Probabilities:
        session = self._sessions(pixels.dtype)
        native = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))

        def once(some: Pixels) -> Probabilities:
            try:
                return np.asarray(session.run(None, {"pixels": some})[0], np.float32)
            except Exception as error:
                if out_of_memory(error):
                    raise
                raise self._graph.refused(error) from error

        return self._batches.run(once, native)
