"""CNTK models computed by Microsoft's own CNTK 2.7 library, in this process, under today's Python.

It serves whoever wants the original's numbers: to check a conversion against, to measure against,
or to use a model that cannot be converted. ``landcover model install-cntk`` fetches the library.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from landcover.errors import ModelError
from landcover.models.cntk.library.c_interface import LOCK, Handle, Variable, threads_of_process
from landcover.models.cntk.library.evaluation_copy import (
    Described,
    EvaluationCopy,
    copy_for_evaluation,
)
from landcover.models.cntk.library.install import locate
from landcover.models.cntk.reader.dictionary import FREE
from landcover.models.formats.protobuf import Malformed

_LEGACY: Final = "BCN\0".encode("utf-16-le")
_DOUBLE_OR_HALF: Final = {2: "float64", 4: "float16"}


class Port(NamedTuple):
    """An input or output of a network.

    Args:
        name: its name in the file; the uid where it has none.
        shape: of one sample in C order, (channels, rows, columns) for images; -3 is a free extent.
    """

    name: str
    shape: tuple[int, ...]


class LibraryNetwork:
    """A network that Microsoft's library computes on the CPU.

    Any thread may call it; they take turns, with all other networks of this process.

    Args:
        path: a model file of CNTK, version 2 or legacy version 1.
        output: the name or position of the output that :meth:`run` returns.
        threads: how many CPU threads may compute; by default one a processor. It is one number for
            all networks of a process.

    Raises:
        ModelError: no file, not a model that CNTK accepts, a network that does not take float32,
            or no such output.
        LibraryUnavailable: the library is not installed, or cannot be loaded, or an earlier network
            of this process had another number of threads.
        ValueError: ``threads`` is less than 1.
    """

    def __init__(self, path: Path | str, output: str | int = 0, threads: int | None = None) -> None:
        self._path = str(path)
        locate()  # before anything else is found wrong
        threads_of_process(threads)
        with LOCK:
            self._handle, prepared = _open(self._path)
            self._release = weakref.finalize(self, self._handle.release)
            inputs, outputs = self._handle.inputs(), self._handle.outputs()
        described = () if prepared is None else (*prepared.inputs, *prepared.outputs)
        order = [each.alias for each in described]
        self._inputs = _ports(inputs, described)
        self._inputs.sort(key=lambda port: order.index(port.alias) if order else 0)
        self._outputs = _ports(outputs, described)
        self._batches = prepared is not None and prepared.batches
        self._static = not all(each.batched for each in described)
        self._chosen = self._find(output)

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The inputs, in the order of the file."""
        return tuple(_public(port, self._static) for port in self._inputs)

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The outputs, in the order of the root function."""
        return tuple(_public(port, self._static) for port in self._outputs)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the chosen output for a batch fed to the first input.

        Args:
            batch: shape (n, *shape of the input), n at least 1.

        Returns:
            Shape (n, *shape of the output).

        Raises:
            ModelError: another type or shape, or the output needs other inputs too.
        """
        return self.evaluate({self._inputs[0].name: batch}, [self._chosen])[0]

    def evaluate(
        self, feeds: Mapping[str, NDArray[np.float32]], outputs: Sequence[str | int]
    ) -> list[NDArray[np.float32]]:
        """Return several outputs of one pass through the network.

        Args:
            feeds: a batch of shape (n, *shape) for each input that the outputs depend on.
            outputs: names or positions.

        Returns:
            An array of shape (n, *shape) for each output; without n where the network sums up the
            batch.

        Raises:
            ModelError: no such input or output, another type or shape, or an input is missing.
        """
        if not self._release.alive:
            raise ModelError(self._path, "the network was closed")
        wanted = [self._outputs[self._find(output)] for output in outputs]
        arrays = {self._feed(name).alias: self._checked(name, a) for name, a in feeds.items()}
        counts = {len(array) for array in arrays.values()}
        if len(counts) != 1 or 0 in counts:
            raise ModelError(self._path, f"the inputs are fed batches of {sorted(counts)} samples")
        return self._evaluate(arrays, wanted, counts.pop())

    def close(self) -> None:
        """Free the network's memory; it cannot be used afterwards."""
        with LOCK:
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _find(self, output: str | int) -> int:
        if isinstance(output, str):
            positions = [i for i, port in enumerate(self._outputs) if port.name == output]
        else:
            every = range(len(self._outputs))
            positions = [every[output]] if -len(every) <= output < len(every) else []
        if not positions:
            names = ", ".join(repr(port.name) for port in self._outputs)
            raise ModelError(self._path, f"has no output {output!r}; its outputs are {names}")
        alias = self._outputs[positions[0]].alias
        first = next(i for i, port in enumerate(self._outputs) if port.alias == alias)
        if first != positions[0]:
            raise ModelError(
                self._path,
                f"output {output!r} cannot be told from output {first} in the C interface of CNTK",
            )
        return positions[0]

    def _feed(self, name: str) -> _Port:
        for port in self._inputs:
            if port.name == name:
                return port
        names = ", ".join(repr(port.name) for port in self._inputs)
        raise ModelError(self._path, f"has no input {name!r}; its inputs are {names}")

    def _checked(self, name: str, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        expected = _public(self._feed(name), self._static).shape
        if batch.dtype != np.float32:
            raise ModelError(self._path, f"input {name!r} takes float32, not {batch.dtype}")
        fits = batch.ndim == len(expected) + 1 and all(
            extent in (given, FREE) and given > 0
            for extent, given in zip(expected, batch.shape[1:], strict=True)
        )
        if not fits:
            raise ModelError(
                self._path,
                f"input {name!r} takes samples of shape {expected} (-3: any), "
                f"and the batch has the shape {batch.shape}",
            )
        return np.ascontiguousarray(batch)

    def _evaluate(
        self, arrays: Mapping[str, NDArray[np.float32]], wanted: Sequence[_Port], count: int
    ) -> list[NDArray[np.float32]]:
        names = list(dict.fromkeys(port.alias for port in wanted))
        step = count if self._batches else 1
        parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
        for at in range(0, count, step):
            feeds = {name: self._part(array[at : at + step]) for name, array in arrays.items()}
            with LOCK:
                found = self._handle.evaluate(feeds, names)
            for name, array in zip(names, found, strict=True):
                parts[name].append(array)
        return [self._joined(parts[port.alias], port, step) for port in wanted]

    def _part(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return samples[:, None] if self._static else samples

    def _joined(
        self, parts: Sequence[NDArray[np.float32]], port: _Port, step: int
    ) -> NDArray[np.float32]:
        shape = parts[0].shape
        leading = len(shape) - len(port.shape) + self._static
        if leading > 0 and int(np.prod(shape[:leading])) == step:
            return np.concatenate([part.reshape(step, *shape[leading:]) for part in parts])
        if leading == 0 and len(parts) == 1:
            return parts[0]
        raise ModelError(
            self._path, f"output {port.name!r} has no value for each sample, but the shape {shape}"
        )


class _Port(NamedTuple):
    name: str
    alias: str
    shape: tuple[int, ...]  # as the library gives it


def _public(port: _Port, static: bool) -> Port:
    return Port(port.name, port.shape[1:] if static else port.shape)


def _open(path: str) -> tuple[Handle, EvaluationCopy | None]:
    try:
        with Path(path).open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise ModelError(path, "the file is empty; copy it again")
            if file.read(len(_LEGACY)) == _LEGACY:
                return _handle(file.fileno(), path, {}), None
            return _opened_copy(
                memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), path
            )
    except OSError as error:
        raise ModelError(path, f"cannot be read: {error.strerror or error}") from error
    except Malformed as error:
        raise ModelError(path, f"is not a model of CNTK, or is damaged: {error}") from error


def _opened_copy(file: memoryview, path: str) -> tuple[Handle, EvaluationCopy]:
    prepared = copy_for_evaluation(file)
    for port in prepared.inputs:
        if port.data_type in _DOUBLE_OR_HALF:
            raise ModelError(
                path,
                f"input {port.name!r} is {_DOUBLE_OR_HALF[port.data_type]}, and the C interface of "
                "CNTK 2.7 is for float32 only: convert the model instead",
            )
    copy = os.memfd_create("landcover-cntk")
    try:
        with os.fdopen(copy, "wb", closefd=False) as target:
            target.writelines(prepared.chunks)
        names = {each.alias: each.name for each in (*prepared.inputs, *prepared.outputs)}
        return _handle(copy, path, names), prepared
    finally:
        os.close(copy)
        prepared.chunks.clear()  # they hold the file in memory


def _handle(file: int, path: str, names: Mapping[str, str]) -> Handle:
    """Open by descriptor: the library decodes paths as ASCII."""
    return Handle(f"/proc/self/fd/{file}", path, names)


def _ports(found: Sequence[Variable], described: Sequence[Described]) -> list[_Port]:
    """What the library found, with the names of the file."""
    names = {each.alias: each.name for each in described}
    return [
        _Port(names.get(v.name) or v.name or f"{at}", v.name, v.shape) for at, v in enumerate(found)
    ]
