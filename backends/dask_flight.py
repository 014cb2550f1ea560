"""The items that are under way on a Dask cluster, and where each of them is.

Single tasks (``Client.submit``) are placed here and not by the scheduler: every worker process has
one item at a time, however many threads it has, and no item waits behind another one. The next
items wait here, and leave as soon as a worker is free, whatever the caller is busy with. So the
scheduler never holds more than an item a worker, however long the plan is, and an item that kills
its worker takes no other with it.
"""

# distributed declares its types, but few of them.
# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
import logging
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Generic, NamedTuple, NoReturn, TypeVar, cast
from uuid import uuid4

from distributed import Client, Future
from distributed.scheduler import KilledWorker
from tornado.ioloop import IOLoop

from landcover.backends.serialization import Serializer
from landcover.contracts import Lost
from landcover.errors import BackendUnavailable

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger(__name__)

# Seconds between two looks at which workers have joined or left.
_REFRESH = 1.0

# How many workers may die under an item; as many as Dask's scheduler and Spark allow.
_ATTEMPTS = 4

# In a worker: should a second item ever come here (from another run on the same cluster), it waits,
# as ``threads`` belong to the whole process.
_TURN = Lock()


class _Packed(NamedTuple, Generic[T]):
    item: T
    packed: bytes
    deaths: int = 0


class Flight(Generic[T, R]):
    """Items under way to, on and from the workers of one cluster.

    Args:
        client: a client of the cluster.
        function: what is applied to the items.
        limit: most workers to use; None for all of them.
    """

    def __init__(self, client: Client, function: Callable[[T], R], limit: int | None) -> None:
        self._client, self._limit = client, limit
        self._loop = cast(IOLoop, client.loop)
        self._serializer = Serializer("cloudpickle")
        self._function = self._serializer.pack(function)
        self._done: SimpleQueue[tuple[T, bytes | Lost[T] | BaseException]] = SimpleQueue()
        self._ready: deque[_Packed[T]] = deque()
        # Touched on the thread of the client's event loop only, as the methods that say so.
        self._placed: dict[Future[bytes], tuple[_Packed[T], str | None]] = {}
        self._workers, self._looked = addresses(client), time.monotonic()
        self.count = 0  # items that were submitted and did not land yet
        if not self._workers:
            logger.warning("%s has no workers yet: waiting for one", where(client))

    def room(self) -> int:
        """How many items more may be submitted now: one a worker is there, and one waits here."""
        return max(0, 2 * max(1, len(self._workers[: self._limit])) - self.count)

    def submit(self, item: T) -> None:
        """Send an item to the next worker that is free."""
        self._ready.append(_Packed(item, self._serializer.pack(item)))
        self.count += 1
        self._loop.add_callback(self._place)

    def landed(self) -> Iterator[R | Lost[T]]:
        """Wait for a result, but not for longer than workers may go unnoticed; then yield it.

        Raises:
            Exception: what the function raised.
            BackendUnavailable: the cluster is gone, or cannot do the work at all.
        """
        self._look()
        try:
            item, outcome = self._done.get(timeout=_REFRESH)
        except Empty:
            if self._client.status == "closed":
                self._give_up(CancelledError())
            return
        self.count -= 1
        if isinstance(outcome, bytes):
            yield cast(R, self._serializer.unpack(outcome))
        elif isinstance(outcome, KilledWorker):
            yield _lost(item, outcome.allowed_failures + 1, outcome.last_worker.address)
        elif isinstance(outcome, Lost):
            yield outcome
        else:
            self._give_up(outcome)

    def cancel(self) -> None:
        """Drop everything that is under way; what a worker has begun it ends, to no effect."""
        self._ready.clear()
        if self._client.status == "running":
            with suppress(OSError):  # the scheduler may go away just now
                self._client.sync(self._cancel)

    async def _cancel(self) -> None:
        futures = list(self._placed)
        self._placed.clear()
        await self._client.cancel(futures, asynchronous=True)

    def _place(self) -> None:
        """Give items that wait to workers that have none (event loop)."""
        busy = {worker for _, worker in self._placed.values()}
        # A cluster without workers may start one when it has something to do.
        workers: list[str] | list[None] = self._workers[: self._limit] or [None]
        for worker in workers:
            if worker not in busy and self._ready:
                self._send(self._ready.popleft(), worker)

    def _send(self, packed: _Packed[T], worker: str | None) -> None:
        """Give an item to a worker (event loop)."""
        future = self._client.submit(
            # A task of nothing but the standard library: the scheduler opens it, and the scheduler
            # need not have landcover.
            pickle.loads,
            pickle.dumps(_Call(self._serializer, self._function, packed.packed)),
            key=f"landcover-{uuid4().hex}",
            pure=False,
            workers=None if worker is None else [worker],
        )
        self._placed[future] = packed, worker
        self._loop.add_callback(self._fetch, future)

    async def _fetch(self, future: Future[bytes]) -> None:
        """Bring an outcome home as soon as it is there, and send the next item (event loop)."""
        try:
            outcome = await self._client.gather(future, asynchronous=True)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  (sorted out by landed)
            outcome = error
        if future in self._placed:
            packed, _ = self._placed.pop(future)
            self._done.put((packed.item, outcome))
            self._place()

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked > _REFRESH and self._client.status == "running":
            self._workers, self._looked = addresses(self._client), now
            self._loop.add_callback(self._take_back, set(self._workers))

    async def _take_back(self, alive: set[str]) -> None:
        """Give the items of workers that are gone to others (event loop).

        The scheduler would do so too, but when the last worker dies it may forget such an item.
        """
        gone = [
            future for future, (_, worker) in self._placed.items() if worker and worker not in alive
        ]
        for future in gone:
            packed, worker = self._placed.pop(future)
            deaths = packed.deaths + 1
            if deaths < _ATTEMPTS:
                self._ready.appendleft(packed._replace(deaths=deaths))
            else:
                self._done.put((packed.item, _lost(packed.item, deaths, worker)))
        self._place()
        await self._client.cancel(gone, asynchronous=True)

    def _give_up(self, error: BaseException) -> NoReturn:
        reason = f"the run cannot go on: {error}"
        if isinstance(error, CancelledError | asyncio.CancelledError):
            reason = "the scheduler went away, or cancelled what it was asked to do"
        if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("landcover"):
            reason = (
                "its workers cannot import landcover: install the same version there, with "
                "everything that the model needs"
            )
        raise BackendUnavailable(where(self._client), reason) from error


def addresses(client: Client) -> list[str]:
    """The addresses of a cluster's workers, in a steady order.

    Raises:
        BackendUnavailable: the scheduler is gone.
    """
    try:
        return sorted(client.nthreads())
    except (OSError, RuntimeError) as error:
        raise BackendUnavailable(
            where(client), f"the scheduler does not answer: {error}"
        ) from error


def where(client: Client) -> str:
    """The address of a client's scheduler."""
    return str(client.scheduler.address) if client.scheduler else "dask"


class _Call:
    """What a worker does while it unpickles this."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __reduce__(self) -> tuple[Callable[..., bytes], tuple[object, ...]]:
        return _in_turn, self.arguments


def _in_turn(serializer: Serializer, function: bytes, item: bytes) -> bytes:
    with _TURN:
        return serializer.run(function, item)


def _lost(item: T, deaths: int, worker: str | None) -> Lost[T]:
    return Lost(item, f"{deaths} workers died while they had it; the last was {worker}")
