"""The C interface of Microsoft's CNTK 2.7 library, through ctypes.

Layouts and ownership are those of ``CNTKLibraryC.h`` of release 2.7, which differ from earlier ones:
names are ``char*`` and were ``wchar_t*``, and a value is a shape and a pointer without a size of its
own (24 bytes; with the old 32 bytes everything after the first output is read from the wrong place).
What the library allocates it also frees: members with ``CNTK_Clean*``, arrays with
``CNTK_ReleaseArray``.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from landcover.errors import LibraryUnavailable, ModelError
from landcover.models.cntk.library.install import CORE, locate

# C++ functions that the C interface lacks: void CNTK::SetMaxNumCPUThreads(size_t), and void
# CNTK::SetTraceLevel(TraceLevel), where 0 means: errors only.
_SET_THREADS: Final = "_ZN4CNTK19SetMaxNumCPUThreadsEm"
_SET_TRACE_LEVEL: Final = "_ZN4CNTK13SetTraceLevelENS_10TraceLevelE"

_SAID: Final = re.compile(r"^Exception occurred: '(?P<said>.*?)'\s*, CallStack:", re.DOTALL)


class Variable(NamedTuple):
    """An input or output: its name in the library and its shape in C order, without the batch.

    An extent of -3 is free: it comes from the data.
    """

    name: str
    shape: tuple[int, ...]


class _Status(ctypes.Structure):
    _fields_ = (("value", ctypes.c_int32), ("description", ctypes.c_char * 4096))


class _Device(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int32), ("id", ctypes.c_uint32))  # kind 0: the CPU


class _Shape(ctypes.Structure):
    _fields_ = (("value", ctypes.POINTER(ctypes.c_uint32)), ("size", ctypes.c_uint32))


class _Variable(ctypes.Structure):
    _fields_ = (("name", ctypes.POINTER(ctypes.c_char)), ("shape", _Shape))


class _Value(ctypes.Structure):
    _fields_ = (("shape", _Shape), ("data", ctypes.POINTER(ctypes.c_float)))


class Handle:
    """One network held by the library. Not for several threads at once: callers hold :data:`LOCK`.

    Args:
        path: what the library opens; ASCII, because it decodes paths in the "C" locale.
        origin: the name of the model in messages.
        names: what messages call the inputs and outputs of the model, by their names in it.

    Raises:
        ModelError: the library does not accept the file.
        LibraryUnavailable: the library is not installed, or cannot be loaded.
    """

    def __init__(self, path: str, origin: str, names: Mapping[str, str]) -> None:
        self._library, self._origin, self._names = _library(), origin, names
        self._model = ctypes.c_void_p()
        device = _Device(0, 0)
        self._check(
            self._library.CNTK_LoadModel(
                path.encode("ascii"), ctypes.byref(device), ctypes.byref(self._model)
            )
        )

    def release(self) -> None:
        """Free the network; the handle is of no use afterwards."""
        if self._model:
            self._library.CNTK_ReleaseModel(self._model)
            self._model = ctypes.c_void_p()

    def inputs(self) -> list[Variable]:
        """Return the inputs in the order of the library."""
        return self._variables(self._library.CNTK_GetModelArgumentsInfo)

    def outputs(self) -> list[Variable]:
        """Return the outputs in the order of the root function."""
        return self._variables(self._library.CNTK_GetModelOutputsInfo)

    def evaluate(
        self, feeds: Mapping[str, NDArray[np.float32]], outputs: Sequence[str]
    ) -> list[NDArray[np.float32]]:
        """Feed one sequence an input and return one array an output.

        Args:
            feeds: a C-contiguous array of shape (steps, *shape) for each name of an input.
            outputs: names of outputs, each once.

        Returns:
            Arrays in the shapes that the library gives them, in C order: (1, steps, *shape), or
            (1, *shape) where an output has no steps, or bare where it has no batch either.

        Raises:
            ModelError: the library refuses, with its own reason.
        """
        # A part of the count belongs to the calling thread: OpenMP keeps one for each.
        getattr(self._library, _SET_THREADS)(ctypes.c_size_t(threads_of_process()))
        resets = (ctypes.c_bool * len(feeds))(*[True] * len(feeds))
        found = ctypes.POINTER(_Value)()
        self._check(
            self._library.CNTK_EvaluateSequence(
                self._model,
                _named(list(feeds)),
                (_Value * len(feeds))(*[_value(array) for array in feeds.values()]),
                resets,
                ctypes.c_uint32(len(feeds)),
                _named(outputs),
                ctypes.c_uint32(len(outputs)),
                ctypes.byref(found),
            )
        )
        try:
            return [_array(found[index]) for index in range(len(outputs))]
        finally:
            self._free(found, len(outputs), self._library.CNTK_CleanValue)

    def _variables(self, ask: Callable[..., _Status]) -> list[Variable]:
        found, count = ctypes.POINTER(_Variable)(), ctypes.c_uint32()
        self._check(ask(self._model, ctypes.byref(found), ctypes.byref(count)))
        try:
            return [
                Variable(ctypes.string_at(item.name).decode("ascii"), _extents(item.shape))
                for item in found[: count.value]
            ]
        finally:
            self._free(found, count.value, self._library.CNTK_CleanVariable)

    def _free(self, array: Any, count: int, clean: Callable[..., None]) -> None:
        for index in range(count):
            clean(ctypes.byref(array[index]))
        self._library.CNTK_ReleaseArray(array)

    def _check(self, status: _Status) -> None:
        if status.value == 0:
            return
        text = status.description.decode("utf-8", "replace")
        match = _SAID.match(text)
        said = " ".join((match["said"] if match else text).split())
        if "wstring_convert" in said:
            said = "the C interface of the library has no way to say a name that is not ASCII"
        for name, public in self._names.items():
            said = said.replace(f"'{name}'", f"'{public}'")
        raise ModelError(self._origin, f"CNTK 2.7 refuses it: {said}")


LOCK: Final = threading.RLock()
"""Held around every call: the library computes for one thread at a time."""


_threads: int | None = None


def threads_of_process(wanted: int | None = None) -> int:
    """Return how many CPU threads the library computes with in this process: the first wish counts.

    The MKL inside divides by zero, and so ends the process, when a convolution finds another count
    than the one before it.

    Args:
        wanted: 1 or more; by default what was wished before, else one a processor.

    Raises:
        LibraryUnavailable: another count was wished before.
        ValueError: ``wanted`` is less than 1.
    """
    global _threads
    if wanted is not None and wanted < 1:
        raise ValueError(f"threads must be 1 or more, and is {wanted}")
    with LOCK:
        if _threads is None:
            _threads = wanted or len(os.sched_getaffinity(0))
        if wanted not in (None, _threads):
            raise LibraryUnavailable(
                "the genuine CNTK library",
                f"it computes with {_threads} threads in this process, and cannot change to "
                f"{wanted}: ask for {_threads}, or use another process",
            )
        return _threads


@functools.cache
def _library() -> ctypes.CDLL:
    path = locate() / CORE
    if "MKL_DEBUG_CPU_TYPE" not in os.environ and _is_amd_with_avx2():
        # The MKL of 2018 inside runs SSE code on every processor that is not Intel's, at half the
        # speed; 5 is what it calls AVX2. It reads the variable when it computes for the first time.
        os.environ["MKL_DEBUG_CPU_TYPE"] = "5"
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise LibraryUnavailable(
            "the genuine CNTK library", f"cannot be loaded: {error}"
        ) from error
    for name in ("LoadModel", "GetModelArgumentsInfo", "GetModelOutputsInfo", "EvaluateSequence"):
        getattr(library, f"CNTK_{name}").restype = _Status
    for name in ("ReleaseModel", "ReleaseArray", "CleanVariable", "CleanValue"):
        getattr(library, f"CNTK_{name}").restype = None
    getattr(library, _SET_THREADS).restype = None
    getattr(library, _SET_TRACE_LEVEL).restype = None
    getattr(library, _SET_TRACE_LEVEL)(ctypes.c_uint32(0))
    return library


def _is_amd_with_avx2() -> bool:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "AuthenticAMD" in text and " avx2 " in text


def _named(names: Sequence[str]) -> ctypes.Array[_Variable]:
    """Variables to ask for: the library looks at their names only."""
    texts = [ctypes.create_string_buffer(name.encode("ascii")) for name in names]
    pointer = ctypes.POINTER(ctypes.c_char)
    return (_Variable * len(names))(*[_Variable(ctypes.cast(t, pointer), _Shape()) for t in texts])


def _value(array: NDArray[np.float32]) -> _Value:
    """A view of the array; the library counts axes from the fastest, so steps come last."""
    steps, *shape = array.shape
    extents = (ctypes.c_uint32 * array.ndim)(*reversed(shape), steps)
    return _Value(
        _Shape(ctypes.cast(extents, ctypes.POINTER(ctypes.c_uint32)), array.ndim),
        array.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
    )


def _array(value: _Value) -> NDArray[np.float32]:
    shape = _extents(value.shape)
    count = int(np.prod(shape, dtype=np.int64))
    flat = np.ctypeslib.as_array(value.data, (count,))
    return np.array(flat, dtype=np.float32).reshape(shape)


def _extents(shape: _Shape) -> tuple[int, ...]:
    """The extents in C order; unsigned in the library, where 2**32 - 3 stands for a free one."""
    return tuple(
        int(np.uint32(extent).astype(np.int32)) for extent in shape.value[: shape.size][::-1]
    )
