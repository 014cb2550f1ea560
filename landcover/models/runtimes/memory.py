"""When a network does not fit into memory: telling so from its error, and going on with less."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from landcover.errors import causes

# What the libraries call it: MemoryError of Python and numpy, ResourceExhaustedError of TensorFlow,
# OutOfMemoryError of PyTorch (and of cupy).
_TYPES = {"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"}
# Other libraries have one type for all errors of a run, and say it in words: "bad allocation" and
# "std::bad_alloc" are what C++ says (OpenVINO and ONNX Runtime pass it on), "Failed to allocate
# memory" the arena of ONNX Runtime, RESOURCE_EXHAUSTED JAX and XLA, the others CUDA and OpenCL.
_WORDS = (
    "failed to allocate memory",
    "bfcarena",
    "bad_alloc",
    "bad allocation",
    "resource_exhausted",
    "out of memory",
    "out_of_memory",
    "cuda_error_out_of_memory",
    "cudnn_status_alloc_failed",
    "cublas_status_alloc_failed",
    "clenqueue_out_of_resources",
    "cl_mem_object_allocation_failure",
    "cannot allocate memory",
)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of a runtime means that memory, of the CPU or of a GPU, did not suffice.

    It is told by the names of the error's types and by its words, without importing any runtime;
    what the error was raised from counts as well.
    """
    return any(map(_speaks_of_memory, causes(error)))


def _speaks_of_memory(error: BaseException) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    text = str(error).lower()
    return bool(names & _TYPES) or any(words in text for words in _WORDS)


class ConcurrencyLimit:
    """Lets several threads run a network at once, until memory is short: then one at a time.

    Two batches on the way take twice the memory of one, so a batch that did not fit is tried again
    with nothing beside it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._alone = False

    @contextmanager
    def run(self) -> Iterator[bool]:
        """Wait for one's turn; what is yielded says whether nothing else runs meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._alone and self._running))
            self._running += 1
            alone = self._alone
        try:
            yield alone
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def one_at_a_time(self) -> None:
        """From now on nothing runs beside anything else."""
        with self._changed:
            self._alone = True
