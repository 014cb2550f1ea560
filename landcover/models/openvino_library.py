"""OpenVINO, without the part of it that tells its makers of each start.

Where ``openvino_telemetry`` is installed (pip brings it), importing OpenVINO starts a process that sends
events to a server, unless the user has opted out. Where the package is missing, OpenVINO does without.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO


@contextmanager
def missing(module: str) -> Iterator[None]:
    """Let a module be missing for what is imported meanwhile.

    Args:
        module: its name.
    """
    there = {module: sys.modules[module]} if module in sys.modules else {}
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]
        sys.modules.update(there)


with missing("openvino_telemetry"):
    import openvino
    from openvino import frontend
    from openvino import opset8 as operations

# The first such call in a process finds NumPy for all later ones. Of two threads that are both in it
# each waits for the other, without end.
openvino.Type.f32.to_dtype()

FAILURES = (
    *(RuntimeError, IndexError, OverflowError, ValueError),
    frontend.GeneralFailure,
    frontend.InitializationFailure,
    frontend.NotImplementedFailure,
    frontend.OpConversionFailure,
    frontend.OpValidationFailure,
)
"""What OpenVINO raises where it cannot read, change or compile a network; they have no root in common.

The first are what pybind11 makes of the errors of C++ (``map::at``)."""


class _Stack(ctypes.Structure):
    """``stack_t`` of Linux."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def same_signal_stack() -> Iterator[None]:
    """Leave the stack that this thread's signals are handled on as it is.

    The first use of the CPU by a ``Core`` gives the thread one of its own, and takes it away when the
    core goes: of two that go in the order in which they came, the second puts back that of the first,
    which is gone, and the next Ctrl-C ends the process with a segmentation fault.
    """
    library, before = ctypes.CDLL(None), _Stack()
    if sys.platform != "linux" or library.sigaltstack(None, ctypes.byref(before)):
        yield
        return
    try:
        yield
    finally:
        library.sigaltstack(ctypes.byref(before), None)


def named_alike(network: openvino.Model) -> openvino.Model:
    """A network whose operations are named by their places; it is changed.

    Names that OpenVINO makes up count on from process to process, and what a network's file holds, or
    what the name of a compiled network in its cache is, depends on them.

    Args:
        network: any.
    """
    for index, operation in enumerate(network.get_ordered_ops()):
        operation.set_friendly_name(f"operation{index}")
    return network


def read_network(kind: str, source: str | BytesIO) -> openvino.Model:
    """A network, by the one reader for what its file is: no other is to guess at it.

    Args:
        kind: "onnx" or "tf".
        source: the path of the file, or what is in it.
    """
    reader = frontend.FrontEndManager().load_by_framework(kind)
    return reader.convert(reader.load(source))


__all__ = ["FAILURES", "missing", "named_alike", "openvino", "operations", "read_network"]
