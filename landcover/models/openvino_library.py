"""OpenVINO, without the part of it that tells its makers of each start.

Where ``openvino_telemetry`` is installed (pip brings it), importing OpenVINO starts a process that sends
events to a server, unless the user has opted out. Where the package is missing, OpenVINO does without.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _missing(module: str) -> Iterator[None]:
    """Let a module be missing for what is imported meanwhile."""
    there = {module: sys.modules[module]} if module in sys.modules else {}
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]
        sys.modules.update(there)


with _missing("openvino_telemetry"):
    import openvino
    from openvino import frontend
    from openvino import opset8 as operations

FAILURES = (
    RuntimeError,
    frontend.GeneralFailure,
    frontend.InitializationFailure,
    frontend.NotImplementedFailure,
    frontend.OpConversionFailure,
    frontend.OpValidationFailure,
)
"""What OpenVINO raises where it cannot read, change or compile a network; they have no root in common."""

__all__ = ["FAILURES", "frontend", "openvino", "operations"]
