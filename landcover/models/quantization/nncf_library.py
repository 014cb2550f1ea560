"""NNCF, without the part of it that tells its makers of each use, and without what it prints."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator

from landcover.models.openvino_library import missing  # first: it imports OpenVINO as quietly

_usual = logging.getLoggerClass()
with missing("openvino_telemetry"):
    import nncf

logging.setLoggerClass(_usual)  # NNCF makes all later loggers of the process its own kind
nncf.set_log_level(logging.ERROR)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Where NNCF works: its progress bars go nowhere, as only commands print."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


__all__ = ["nncf", "quiet"]
