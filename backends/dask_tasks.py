"""The items of one map as Dask tasks: Dask queues them, places them, and moves them when workers go.

More tasks are under way than there are workers, so that none of them waits for the driver and an
adaptive cluster sees what is left to do. Done here is what Dask does not do (each with its test in
docs/adr/0006-dask-does-the-scheduling.md): one item at a time in a process of several threads,
another worker for what one refuses, and telling an item that kills workers from one that was there.
"""

# distributed declares its types, but few of them.
# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
import pickle
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, islice
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, Generic, NoReturn, TypeVar, cast
from uuid import uuid4

from dask._task_spec import Task
from distributed import Client, Future, get_worker
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker
from tornado.ioloop import IOLoop

from landcover.backends.dask_workers import AGAIN, LOOK, Room, Workers, where
from landcover.backends.serialization import Serializer, without_landcover
from landcover.contracts import Lost
from landcover.errors import BackendUnavailable, WorkerUnfit

T = TypeVar("T")
R = TypeVar("R")

# How many workers may refuse an item, and how often those that it was sent to may all be gone.
_ATTEMPTS = 4

# In a worker: however many threads it has, it works on one item, as all of them belong to that.
_TURN = Lock()


@dataclass(eq=False)
class _Item(Generic[T]):
    item: T
    packed: bytes
    refusals: dict[str, str] = field(default_factory=dict)  # workers, and what they lack
    alone: bool = False  # its last chance, with nothing beside it
    to: Sequence[str] | None = None  # workers that it was sent to; None: those that Dask picks
    search: bool = False  # it may be with a worker that the map has not used yet
    strays: int = 0  # how often all of those have gone


class Tasks(Generic[T, R]):
    """Applies one function to items on the workers of one cluster.

    Args:
        client: a client of the cluster.
        function: what is applied to the items.
        limit: most workers to use; None for all of them.
        patience: seconds that the cluster may be without workers of use; None: as Dask says.
        kept: how many workers it keeps, and starts again where they die; 0 where nobody knows.
    """

    def __init__(
        self,
        client: Client,
        function: Callable[[T], R],
        limit: int | None,
        patience: float | None = None,
        kept: int = 0,
    ) -> None:
        self._client = client
        self._workers = Workers(client, limit, patience, kept)
        self._serializer = Serializer("cloudpickle")
        self._function = self._serializer.pack(function)
        self._keys = map(f"landcover-{uuid4().hex}-{{}}".format, count())
        self._done: SimpleQueue[tuple[Future[Any], Any]] = SimpleQueue()
        self._under_way: dict[Future[Any], _Item[T]] = {}
        self._suspects: deque[_Item[T]] = deque()  # workers died that had them, or had them as well
        self._held: list[_Item[T]] = []  # refused by all workers that are there

    def results(self, items: Iterable[T]) -> Generator[R | Lost[T], None, None]:
        """Yield the result of every item, as they finish.

        Raises:
            Exception: what the function raised.
            BackendUnavailable: the cluster is gone, or cannot do the work at all.
        """
        remaining, waiting = iter(items), list[_Item[T]]()
        try:
            while True:
                room = self._room()
                idle = not self._under_way and not self._held
                # A map also ends where there is no room because no worker of use is left.
                wanted = max(room.items, idle) - len(waiting)
                waiting += [self._packed(item) for item in islice(remaining, max(0, wanted))]
                new, waiting = waiting[: room.items], waiting[room.items :]
                if new:
                    self._send(new, room)
                    continue  # there may be room elsewhere
                if idle and not waiting:
                    if not self._suspects:
                        return
                    if room.items:
                        self._suspects[0].alone = True
                        self._send([self._suspects.popleft()], room)
                if self._workers.look():
                    yield from self._looked()
                yield from self._arrived()
        finally:
            self._cancel(self._under_way)

    def _packed(self, item: T) -> _Item[T]:
        return _Item(item, self._serializer.pack(item))

    def _room(self) -> Room:
        searching = sum(one.search for one in self._under_way.values())
        return self._workers.room(len(self._under_way) + len(self._held), searching)

    def _send(self, items: Sequence[_Item[T]], room: Room, priority: int = 0) -> None:
        """Hand items to Dask in one graph, for some workers as long as one of them is there."""
        graph = {key: self._task(key, one) for one, key in zip(items, self._keys, strict=False)}
        options = {"workers": room.to, "allow_other_workers": True} if room.to else {}
        try:
            futures = self._client.get(
                graph, list(graph), sync=False, priority=priority, fifo_timeout=0, **options
            )
        except ClosedClientError as error:
            self._give_up(error)
        for one, future in zip(items, futures, strict=True):
            one.to, one.search = room.to, room.search
            self._under_way[future] = one
            cast(IOLoop, self._client.loop).add_callback(self._fetch, future)

    def _task(self, key: str, one: _Item[T]) -> Task:
        # Nothing but the standard library: the scheduler opens it, and need not have landcover.
        # Data producers wait at the scheduler until a worker is free, as far as Dask can see that.
        call = pickle.dumps(_Call(self._serializer, self._function, one.packed))
        return Task(key, pickle.loads, call, _data_producer=True)

    async def _fetch(self, future: Future[Any]) -> None:
        """Bring an outcome home as soon as it is there (on the thread of the event loop)."""
        try:
            outcome = await self._client.gather(future, asynchronous=True)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  (see _outcome)
            outcome = error
        self._done.put((future, outcome))

    def _arrived(self) -> Iterator[R | Lost[T]]:
        """Wait for outcomes, but not for longer than workers may go unnoticed."""
        arrived = []
        with suppress(Empty):
            arrived.append(self._done.get(timeout=LOOK))
            while True:
                arrived.append(self._done.get_nowait())
        for future, outcome in arrived:
            if one := self._under_way.pop(future, None):  # else it was cancelled, and sent again
                yield from self._outcome(one, outcome)

    def _outcome(self, one: _Item[T], outcome: Any) -> Iterator[R | Lost[T]]:
        if isinstance(outcome, tuple):
            worker, packed = outcome
            try:
                result: R = self._serializer.unpack(packed)
            except WorkerUnfit as unfit:
                one.refusals[worker] = str(unfit)
                yield from self._to_another(one)
                return
            self._workers.did(worker, one.refusals)
            yield result
        elif not isinstance(outcome, KilledWorker):
            self._give_up(outcome)
        elif one.alone:
            last = outcome.last_worker.address
            yield Lost(one.item, f"its workers died; the last was {last}", died=True)
        else:
            self._suspects.append(one)

    def _to_another(self, one: _Item[T]) -> Iterator[Lost[T]]:
        others = self._workers.others(one.refusals)
        if others.items and max(len(one.refusals), one.strays) < _ATTEMPTS:
            self._send([one], others, priority=1)
        elif not others.items and self._workers.change():
            self._held.append(one)
        else:
            last = ["the workers that it was sent to are gone", *one.refusals.values()][-1]
            yield Lost(one.item, f"tried {len(one.refusals) or one.strays} times in vain; {last}")

    def _looked(self) -> Iterator[Lost[T]]:
        """Send on what waits for other workers than those that were there."""
        held, self._held = self._held, []
        for one in held:
            yield from self._to_another(one)
        # When all workers go at once, Dask forgets that others may have what was sent to some.
        for future, one in list(self._under_way.items()):
            if one.to is not None and not self._workers.there(one.to):
                self._cancel([future])
                one.strays += 1
                yield from self._to_another(one)

    def _cancel(self, futures: Iterable[Future[Any]]) -> None:
        """Drop what is under way; what a worker has begun it ends, to no effect."""
        dropped = list(futures)
        for future in dropped:
            del self._under_way[future]
        if dropped and self._client.status == "running":
            with suppress(OSError):  # the scheduler may go away just now
                self._client.cancel(dropped)

    def _give_up(self, error: BaseException) -> NoReturn:
        reason = without_landcover(str(error)) or (
            f"the run cannot go on: {error}; the same command goes on with it once that is mended"
        )
        if isinstance(error, CancelledError | asyncio.CancelledError | CommClosedError):
            reason = f"the scheduler went away, or cancelled what it was asked to do: {AGAIN}"
        raise BackendUnavailable(where(self._client), reason) from error


class _Call:
    """What a worker does while it unpickles this."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __reduce__(self) -> tuple[Callable[..., tuple[str, bytes]], tuple[object, ...]]:
        return _in_turn, self.arguments


def _in_turn(serializer: Serializer, function: bytes, item: bytes) -> tuple[str, bytes]:
    """The worker, and what came of the item there."""
    with _TURN:
        return get_worker().address, serializer.run(function, item)
