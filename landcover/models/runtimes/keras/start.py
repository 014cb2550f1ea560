"""Keras 3, imported once, on the library that a runtime computes with."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from landcover.errors import ModelError
from landcover.models.runtimes.environment import unless_set

KERAS_BACKEND = "KERAS_BACKEND"
"""The variable that Keras reads when it is imported: the name of a library."""

_starting = threading.Lock()


def start_keras(library: str) -> Any:
    """Import Keras and return it.

    A process has one Keras, and that computes with one library from its import on. Which one is
    ``KERAS_BACKEND``, where the user has set it, and else what the first runtime asks for.

    Args:
        library: what the runtime of this name computes with: "tensorflow", "jax" or "torch".

    Raises:
        ModelError: Keras computes with another library in this process, or is told to.
        ModuleNotFoundError: Keras or the library is not installed.
    """
    with _starting:
        told = os.environ.get(KERAS_BACKEND, library)
        if told != library and "keras" not in sys.modules:
            reason = f"KERAS_BACKEND is {told!r}: unset it, or set it to {library}"
            raise ModelError(f"runtime {library!r}", reason)
        with unless_set(KERAS_BACKEND, library):
            import keras
    used = keras.backend.backend()
    if used != library:
        raise ModelError(
            f"runtime {library!r}",
            f"Keras computes with {used!r} in this process already, and a process has one Keras: "
            f"start a new process (with KERAS_BACKEND unset or {library}), or set model.runtime "
            f"to {used}",
        )
    return keras
