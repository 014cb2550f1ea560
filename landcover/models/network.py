"""What a runtime makes of a model file: a network that takes pixels and returns probabilities."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from landcover.errors import ModelError
from landcover.models.formats.detection import Format, ModelFile
from landcover.models.graph_analysis.facts import Facts
from landcover.models.preprocessing.specification import Pixels, Probabilities, Signature, Steps

K = TypeVar("K", bound=Hashable)
S = TypeVar("S")


class Network(Protocol):
    """A network that is ready to run; several threads may call it at the same time."""

    def run(self, pixels: Pixels) -> Probabilities:
        """Run the network once.

        Args:
            pixels: dims (n, band, y, x) with n >= 1, in the dtype of the imagery.

        Returns:
            float32 with dims (n, class) or (n, class, y, x).
        """
        ...


class Graph(Protocol):
    """A network that has been found in a file, but is not ready to run."""

    @property
    def signature(self) -> Signature:
        """What the network reads."""
        ...

    def facts(self) -> Facts:
        """What its graph says of itself; no facts where there is no graph to read."""
        ...

    def compile(self, steps: Steps) -> Network:
        """Make it ready, with all steps between pixels and probabilities inside."""
        ...


class Runtime(Protocol):
    """A library that executes networks; registered in the group ``landcover.runtimes``.

    It is made with the named arguments ``threads`` (CPU threads to compute with, 0: as many as the
    library thinks fit) and ``precision`` ("f32", "bf16", "f16" or "i8"; a precision that it cannot
    compute in is a :class:`~landcover.errors.ModelError`, never another one in silence). Those
    that compute on GPUs also take ``gpu``, a :class:`~landcover.devices.Gpu` that the process holds.
    """

    @property
    def formats(self) -> Sequence[Format]:
        """The formats of the model files that it runs."""
        ...

    def open(self, file: ModelFile, head: str | int | None) -> Graph:
        """Find the network, and which of its outputs is wanted.

        Args:
            file: a file of one of :attr:`formats`.
            head: the name of the wanted output, or its index from 0; None where the network has
                one that can be meant.

        Raises:
            ModelError: the file cannot be read, the head is not there or several are possible.
        """
        ...


@runtime_checkable
class QuantizedRuntime(Protocol):
    """A runtime that also executes what :mod:`landcover.models.quantization` has made."""

    def open_quantized(self, path: Path, shown: str) -> Graph:
        """The network of such a file.

        Args:
            path: of the file.
            shown: the model's name in messages.

        Raises:
            ModelError: it is no such file.
        """
        ...


class KeyedCache(Generic[K, S]):
    """What is made once for each key, when it is first asked for.

    Args:
        make: makes it, from a key.
    """

    def __init__(self, make: Callable[[K], S]) -> None:
        self._make = make
        self._made: dict[K, S] = {}
        self._lock = threading.Lock()

    def __call__(self, key: K) -> S:
        """What belongs to a key; threads that ask at the same time wait for one another."""
        with self._lock:
            if key not in self._made:
                self._made[key] = self._make(key)
            return self._made[key]


class CacheByDtype(KeyedCache[np.dtype[Any], S]):
    """What is made once for each dtype of pixels, from a dtype in native byte order."""

    def __call__(self, key: np.dtype[Any]) -> S:
        """What belongs to a dtype, whatever its byte order."""
        return super().__call__(key.newbyteorder("="))


def refuse_less_than_the_file(runtime: str, precision: str) -> None:
    """Refuse any precision but f32, for a runtime that computes in that of the file.

    Args:
        runtime: its name.
        precision: what is asked for.

    Raises:
        ModelError: naming a runtime that can.
    """
    if precision != "f32":
        raise ModelError(
            f"runtime {runtime!r}",
            f"computes as the file states, not in {precision}: runtime 'openvino' can, on CPUs "
            "that do",
        )


def in_batches_of(
    size: int | None, run: Callable[[Pixels], Probabilities], pixels: Pixels
) -> Probabilities:
    """Run a network that insists on a number of images.

    The last batch is filled up with copies of its last image, whose results are dropped.

    Args:
        size: the number; None: any number will do.
        run: runs the network once.
        pixels: dims (n, band, y, x).
    """
    if size is None or len(pixels) == size:
        return run(pixels)
    filler = -len(pixels) % size
    full = np.concatenate([pixels, np.repeat(pixels[-1:], filler, axis=0)])
    results = [run(full[start : start + size]) for start in range(0, len(full), size)]
    return np.concatenate(results)[: len(pixels)]
