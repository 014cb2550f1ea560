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
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Generic, NoReturn, TypeVar, cast
from uuid import uuid4

from distributed import Client, Future
from distributed.scheduler import KilledWorker
from tornado.ioloop import IOLoop

from landcover.backends.carry import Carrier
from landcover.contracts import Lost
from landcover.errors import BackendUnavailable

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger(__name__)

# Seconds between two looks at which workers have joined or left.
_REFRESH = 2.0

# In a worker: should the scheduler ever move a second item here, it waits, as ``threads`` belong
# to the whole process.
_TURN = Lock()


class Flight(Generic[T, R]):
    """Items under way to, on and from the workers of one cluster.

    What is marked so is touched on the thread of the client's event loop only.

    Args:
        client: a client of the cluster.
        function: what is applied to the items.
        limit: most workers to use; None for all of them.
    """

    def __init__(self, client: Client, function: Callable[[T], R], limit: int | None) -> None:
        self._client, self._limit = client, limit
        self._loop = cast(IOLoop, client.loop)
        self._carrier = Carrier("cloudpickle")
        self._function = self._carrier.pack(function)
        self._done: SimpleQueue[tuple[T, bytes | BaseException]] = SimpleQueue()
        self._ready: deque[tuple[T, bytes]] = deque()
        self._placed: dict[Future[bytes], str | None] = {}  # event loop
        self._workers, self._looked = addresses(client, limit), time.monotonic()
        self.count = 0  # items that were submitted and did not land yet
        if not self._workers:
            logger.warning("%s has no workers yet: waiting for one", where(client))

    def room(self) -> int:
        """How many items more may be submitted now: one a worker is there, and one waits here."""
        return max(0, 2 * max(1, len(self._workers)) - self.count)

    def submit(self, item: T) -> None:
        """Send an item to the next worker that is free."""
        self._ready.append((item, self._carrier.pack(item)))
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
            return
        self.count -= 1
        if isinstance(outcome, bytes):
            yield cast(R, self._carrier.unpack(outcome))
        elif isinstance(outcome, KilledWorker):
            yield Lost(item, _obituary(outcome))
        else:
            self._give_up(outcome)

    def cancel(self) -> None:
        """Drop everything that is under way; what a worker has begun it ends, to no effect."""
        self._ready.clear()
        if self._client.status == "running":
            self._client.sync(self._cancel_placed)

    async def _cancel_placed(self) -> None:
        await self._client.cancel(list(self._placed), asynchronous=True)

    def _place(self) -> None:
        """Give items that wait to workers that have none (event loop)."""
        busy = set(self._placed.values())
        free = [worker for worker in self._workers or [None] if worker not in busy]
        for worker, (item, packed) in zip(free, _taken(self._ready), strict=False):
            future = self._client.submit(
                _in_turn,
                self._carrier,
                self._function,
                packed,
                key=f"landcover-{uuid4().hex}",
                pure=False,
                # Should that worker leave, the scheduler may take any other.
                workers=None if worker is None else [worker],
                allow_other_workers=worker is not None,
            )
            self._placed[future] = worker
            self._loop.add_callback(self._fetch, future, item)

    async def _fetch(self, future: Future[bytes], item: T) -> None:
        """Bring an outcome home as soon as it is there, and send the next item (event loop)."""
        try:
            outcome = await self._client.gather(future, asynchronous=True)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  (sorted out by landed)
            outcome = error
        del self._placed[future]
        self._done.put((item, outcome))
        self._place()

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked > _REFRESH and self._client.status == "running":
            self._workers, self._looked = addresses(self._client, self._limit), now
            self._loop.add_callback(self._place)

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


def addresses(client: Client, limit: int | None) -> list[str]:
    """The addresses of the workers to use, in a steady order.

    Raises:
        BackendUnavailable: the scheduler is gone.
    """
    try:
        return sorted(client.nthreads())[:limit]
    except (OSError, RuntimeError) as error:
        raise BackendUnavailable(where(client), f"the scheduler does not answer: {error}") from error


def where(client: Client) -> str:
    """The address of a client's scheduler."""
    return str(client.scheduler.address) if client.scheduler else "dask"


def _taken(ready: deque[T]) -> Iterator[T]:
    while ready:
        yield ready.popleft()


def _in_turn(carrier: Carrier, function: bytes, item: bytes) -> bytes:
    with _TURN:
        return carrier.run(function, item)


def _obituary(killed: KilledWorker) -> str:
    return (
        f"{killed.allowed_failures + 1} workers died while they had it; the last was "
        f"{killed.last_worker.address}"
    )
