"""The inside of a worker: reading, batching and inferring as one bounded pipeline.

Reader threads fetch and decode ahead while the network computes; every queue is bounded, so that
memory stays level however slow either side is. All tasks that a process does with a model share one
pipeline, so that the network stays busy from one task to the next.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from landcover.contracts import Failure, Read, Strip, Tile
from landcover.scoring.readers import Limits, Readers, TooSlow, Under
from landcover.tiles import buffers

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)

Pixels = npt.NDArray[Any]
Valid = npt.NDArray[np.bool_]

_NO_LIMITS = Limits()

STAGES = ("read", "decode", "wait", "infer", "write")
"""Where a task's time goes: the fields of :class:`Tally` that hold seconds."""


@dataclass
class Tally:
    """What a task's reads brought beside the tiles to score, and where its time went.

    Args:
        failures: tiles that could not be read.
        slow: how many of these were given up, as reading them took too long.
        skipped: tiles with nothing but nodata.
        read: seconds that reader threads spent on fetching and decoding, summed over threads.
        decode: the part of ``read`` spent on decoding, where the source can tell them apart.
        wait: seconds in which the task stood still because no pixels had been read yet.
        infer: seconds in which the task stood still because the network was not done yet.
        write: seconds spent on writing the task's part.
    """

    failures: list[Failure] = field(default_factory=list)
    slow: int = 0
    skipped: int = 0
    read: float = 0.0
    decode: float = 0.0
    wait: float = 0.0
    infer: float = 0.0
    write: float = 0.0


@dataclass(frozen=True, eq=False)
class Batch:
    """Tiles that the network sees at once: ``pixels`` has dims (tile, band, y, x).

    ``valid`` (tile, y, x) says which pixels of each tile's written window hold data; None: all.
    """

    tiles: Sequence[Tile]
    pixels: Pixels
    valid: Valid | None


class Inference(Protocol[A_co]):
    """What is done with the batches of a task; called on several threads at once."""

    @property
    def batch(self) -> int:
        """The most tiles in a batch; asked for again before each."""
        ...

    def __call__(self, batch: Batch) -> A_co:
        """What the network says of a batch."""
        ...


class Pipeline:
    """Reads, batches and infers for all tasks that one model has in a process.

    Args:
        readers: how many threads read.
        runs: how many batches are with the network at the same time.
    """

    def __init__(self, readers: int, runs: int) -> None:
        self._ahead = readers + 1
        self._runs = runs
        self._readers = Readers(readers)
        self._runners = ThreadPoolExecutor(runs, "landcover-infer")

    def score(
        self, reads: Sequence[Read], infer: Inference[A], tally: Tally, limits: Limits = _NO_LIMITS
    ) -> Iterator[tuple[Batch, A]]:
        """Yield each batch of a task with what the network says of it, in the order of the reads.

        ``tally`` is added to as the reads come in.

        Raises:
            Stopped: the task is not wanted any more.
        """
        pending: deque[tuple[Batch, Under[A]]] = deque()
        try:
            for batch in _batches(self._strips(reads, tally, limits), infer):
                pending.append((batch, Under(self._runners.submit(infer, batch))))
                if len(pending) > self._runs:
                    yield _first(pending, tally, limits)
            while pending:
                yield _first(pending, tally, limits)
        finally:
            for _, under in pending:
                under.future.cancel()

    def close(self) -> None:
        """End the threads; runs under way are waited for, reads not for long."""
        self._readers.close()
        self._runners.shutdown(cancel_futures=True)

    def _strips(self, reads: Sequence[Read], tally: Tally, limits: Limits) -> Iterator[Strip]:
        """The strips of the reads in order, a bounded number of them read ahead."""
        coming: deque[tuple[Read, Under[Strip]]] = deque()
        try:
            for read in reads:
                coming.append((read, self._readers.submit(read)))
                if len(coming) >= (limits.ahead or self._ahead):
                    yield self._arrived(coming, tally, limits)
            while coming:
                yield self._arrived(coming, tally, limits)
        finally:
            for _, under in coming:
                under.future.cancel()

    def _arrived(
        self, coming: deque[tuple[Read, Under[Strip]]], tally: Tally, limits: Limits
    ) -> Strip:
        started = time.perf_counter()
        read, under = coming.popleft()
        try:
            strip = under.result(limits)
        except TooSlow:
            self._readers.replace_one()
            strip = _given_up(read, limits.timeout)
            tally.slow += len(strip.failures)
        tally.wait += time.perf_counter() - started
        _add(tally, strip)
        return strip


def _first(pending: deque[tuple[Batch, Under[A]]], tally: Tally, limits: Limits) -> tuple[Batch, A]:
    batch, under = pending.popleft()
    started = time.perf_counter()
    result = under.result(limits)
    tally.infer += time.perf_counter() - started
    return batch, result


def _given_up(read: Read, timeout: float) -> Strip:
    """The tiles of a read that does not come back, as failures."""
    reason = (
        f"was not read within {timeout:g} s (failures.timeout): the mount or store that holds it "
        "does not answer"
    )
    failures = [Failure(tile, f"{tile.source}: {reason}", True, True) for tile in read.tiles()]
    return Strip([], np.empty((0, 0, 0, 0), np.uint8), failures=failures)


def _add(tally: Tally, strip: Strip) -> None:
    tally.failures.extend(strip.failures)
    tally.skipped += strip.skipped
    tally.read += strip.seconds
    tally.decode += strip.decode


def _batches(strips: Iterator[Strip], infer: Inference[object]) -> Iterator[Batch]:
    """Cut strips into batches of the wanted size; what is left over joins the next strip."""
    rest: list[Batch] = []
    held = 0
    for strip in strips:
        start = 0
        while len(strip.tiles) - start >= (room := infer.batch - held):
            # A batch that has shrunk meanwhile may be smaller than what is held already.
            stop = start + max(0, room)
            yield _joined([*rest, _part(strip, start, stop)])
            rest, held, start = [], 0, stop
        if start < len(strip.tiles):
            rest.append(_part(strip, start, len(strip.tiles)))
            held += len(strip.tiles) - start
    if rest:
        yield _joined(rest)


def _part(strip: Strip, start: int, stop: int) -> Batch:
    valid = None if strip.valid is None else strip.valid[start:stop]
    return Batch(strip.tiles[start:stop], strip.pixels[start:stop], valid)


def _joined(parts: list[Batch]) -> Batch:
    if len(parts) == 1:
        return parts[0]
    count, like = sum(len(part.pixels) for part in parts), parts[0].pixels
    room = buffers.empty((count, *like.shape[1:]), like.dtype)
    return Batch(
        [tile for part in parts for tile in part.tiles],
        np.concatenate([part.pixels for part in parts], out=room),
        _joined_masks(parts),
    )


def _joined_masks(parts: list[Batch]) -> Valid | None:
    shape = next((part.valid.shape[1:] for part in parts if part.valid is not None), None)
    if shape is None:
        return None
    return np.concatenate(
        [
            np.ones((len(part.tiles), *shape), bool) if part.valid is None else part.valid
            for part in parts
        ]
    )
