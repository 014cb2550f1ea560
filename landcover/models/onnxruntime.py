"""ONNX Runtime: runs ONNX networks, and CNTK networks converted to ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError

from landcover.errors import ModelError
from landcover.models.conversion import onnx_of
from landcover.models.formats import Format, ModelFile
from landcover.models.network import Network, PerDtype, Pixels, Probabilities, in_batches_of
from landcover.models.onnx_graph import Ends, find_ends, wrapped
from landcover.models.wrapping import Signature, Wrapping


class OnnxRuntime:
    """Executes networks with ONNX Runtime on the CPU.

    Args:
        threads: CPU threads that one network computes with; 0: one a core.
        precision: only "f32": ONNX Runtime computes in the precision that the file states.
    """

    formats: tuple[Format, ...] = ("onnx", "cntk", "cntk-v1")

    def __init__(self, threads: int = 0, precision: str = "f32") -> None:
        if precision != "f32":
            raise ModelError(
                "runtime 'onnxruntime'",
                f"computes in f32, not in {precision}: runtime 'openvino' can, on CPUs that do",
            )
        self.threads = threads

    def open(self, file: ModelFile, head: str | int | None) -> OnnxGraph:
        """Find the network of an ONNX or CNTK file; see :class:`~landcover.models.network.Runtime`."""
        if file.format == "onnx":
            return OnnxGraph(file.path, head, str(file.path), self.threads)
        path = onnx_of(file, head, "plain")
        # Who names an output gets it, whatever its shape; without a name it must be one of classes.
        return OnnxGraph(path, None if head is None else 0, str(file.path), self.threads)


class OnnxGraph:
    """The network of an ONNX file; it is read when it is needed, and not kept in memory.

    Args:
        path: the ONNX file.
        head: the wanted output.
        shown: the model's name in messages.
        threads: for ONNX Runtime.
    """

    def __init__(self, path: Path, head: str | int | None, shown: str, threads: int) -> None:
        self._path, self._shown, self._threads = path, shown, threads
        self._ends = find_ends(_read(path, shown), head, shown)

    @property
    def signature(self) -> Signature:
        """What the network reads."""
        return self._ends.signature

    def compile(self, wrapping: Wrapping) -> Network:
        """Make the network ready; sessions are started when the first pixels arrive."""
        return _SessionNetwork(lambda dtype: self._session(wrapping, dtype), self._ends)

    def _session(self, wrapping: Wrapping, dtype: np.dtype[Any]) -> onnxruntime.InferenceSession:
        # Nothing holds the model while the session is made: large ones are then in memory once less.
        content = wrapped(
            _read(self._path, self._shown), self._ends, wrapping, dtype
        ).SerializeToString()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the library's errors have no root of their own
            reason = str(error).splitlines()[0]
            raise ModelError(self._shown, f"ONNX Runtime does not run it: {reason}") from error


class _SessionNetwork:
    """A network whose sessions, one a dtype of pixels, run on several threads at once."""

    def __init__(
        self, start: Callable[[np.dtype[Any]], onnxruntime.InferenceSession], ends: Ends
    ) -> None:
        self._sessions = PerDtype(start)
        self._batch = ends.signature.batch

    def run(self, pixels: Pixels) -> Probabilities:
        session = self._sessions(pixels.dtype)
        native = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))

        def once(some: Pixels) -> Probabilities:
            return np.asarray(session.run(None, {"pixels": some})[0], np.float32)

        return in_batches_of(self._batch, once, native)


def _read(path: Path, shown: str) -> onnx.ModelProto:
    try:
        return onnx.load(str(path))
    except DecodeError:
        raise ModelError(shown, "begins like an ONNX model but cannot be decoded") from None
