"""The items of one map that are under way on a Spark cluster, and which workers may do them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from queue import Empty
from typing import Generic, TypeVar, cast

from py4j.protocol import Py4JNetworkError

from landcover.backends.serialization import Serializer, without_landcover
from landcover.backends.spark_jobs import MOST_JOBS, Ended, Jobs
from landcover.backends.spark_sessions import Cluster, gist, probe_master, unanswered, why_gone
from landcover.backends.spark_worker import Outcome
from landcover.contracts import Lost
from landcover.errors import BackendUnavailable, WorkerUnfit

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger(__name__)

# Items of a job at most: all of them travel to each of its tasks.
_LARGEST_JOB = 256

# How many workers may die under an item in one job, or refuse it; Spark's default
# (spark.task.maxFailures). What dies in a job of many items has one of its own after that.
ATTEMPTS = 4

# How often in a row items that workers gave back are offered to all, when none is doing anything.
_OFFERS = 30

# Seconds until the number of workers is looked at again while nothing comes home.
_REFRESH = 1.0

# What Spark 4 says of a task that failed because its Python worker or its executor died.
_DEATHS = (
    "Python worker exited unexpectedly",
    "PYTHON_WORKER_EXITED",
    "ExecutorLostFailure",
    "Executor heartbeat timed out",
    "Could not find CoarseGrainedScheduler",
)


@dataclass(eq=False)
class _Item(Generic[T]):
    """An item, its place in the map from 1, and why which workers ("host:pid") refused it."""

    item: T
    number: int
    packed: bytes
    refused: dict[str, str] = field(default_factory=dict)


class SparkMap(Generic[T, R]):
    """One map of a function over items.

    Jobs are small enough that the next one waits in Spark before a worker has nothing to do, and
    large enough that a job costs little for each of its tasks. Items that workers refused wait
    here until another worker has shown that it can do something, or until none does anything.

    Args:
        cluster: where it runs.
        function: what is applied to the items.
        most: workers to use at most; None for all that the session has.
    """

    def __init__(self, cluster: Cluster, function: Callable[[T], R], most: int | None) -> None:
        self._cluster, self._most = cluster, most
        self._name = _words(function)
        self._serializer = Serializer("pyspark.cloudpickle")
        packed = self._serializer.pack(function)
        self._jobs = Jobs(cluster.session, self._serializer, packed)
        self._pulled = 0
        self._under_way = 0
        self._most_slots = 0  # seen in this map: of workers that die, others take the place
        self._running: dict[int, dict[int, _Item[T]]] = {}  # by number of job and place in it
        self._refused: list[_Item[T]] = []
        self._offers = 0
        self._fit_hosts: set[str] = set()
        self._left_out: set[str] = set()  # workers and whole hosts
        self._there = time.monotonic()  # when there was a worker, or the map began

    def results(self, items: Iterable[T]) -> Generator[R | Lost[T], None, None]:
        """Yield what comes of each item.

        Raises:
            Exception: what the function raised.
            BackendUnavailable: the cluster is gone, or cannot do the work at all.
        """
        remaining = iter(items)
        try:
            while True:
                self._pull(remaining)
                if not self._under_way:
                    return
                for result in self._next():
                    self._under_way -= 1
                    yield result
        finally:
            self._jobs.close()

    def _pull(self, remaining: Iterator[T]) -> None:
        """Start jobs as long as there is room for one more."""
        size, most = self._shape()
        while self._under_way + size <= most:
            pulled = [self._pack(item) for item in islice(remaining, size)]
            if not pulled:
                return
            self._under_way += len(pulled)
            self._start(pulled)

    def _shape(self) -> tuple[int, int]:
        """How many items a job has, and how many may be under way in all."""
        slots = self._cluster.slots()
        self._most_slots = max(self._most_slots, slots)
        if self._most is not None:
            return 1, self._most  # Spark would give more of them to workers that are free
        if self._jobs.classic:
            return min(_LARGEST_JOB, 2 * slots + 4), 4 * slots + 8
        return 1, min(MOST_JOBS, slots + max(2, slots // 4))

    def _pack(self, item: T) -> _Item[T]:
        self._pulled += 1
        return _Item(item, self._pulled, self._serializer.pack(item))

    def _start(self, items: list[_Item[T]]) -> None:
        size = len(items) if self._jobs.classic else 1
        for first in range(0, len(items), max(1, size)):
            of_job = items[first : first + size]
            title = f"landcover: items {of_job[0].number} to {of_job[-1].number} of {self._name}"
            banned = [self._banned(one) for one in of_job]
            packed = [one.packed for one in of_job]
            number = self._jobs.start(title, packed, banned, pause=bool(self._fit_hosts))
            self._running[number] = dict(enumerate(of_job))

    def _next(self) -> Iterator[R | Lost[T]]:
        """Wait for news, but not for longer than new workers may go unnoticed."""
        try:
            news = self._jobs.home.get(timeout=_REFRESH)
        except Empty:
            self._look_for_workers()
        else:
            if isinstance(news, Ended):
                yield from self._ended(news)
            elif one := self._running.get(news.job, {}).pop(news.place, None):
                yield from self._arrived(one, news)
        if self._refused and not any(self._running.values()):
            yield from self._offer()

    def _look_for_workers(self) -> None:
        """Give up a cluster that is there, but leaves this run without workers for too long."""
        now = time.monotonic()
        if self._cluster.has_workers():
            self._there = now
        elif now - self._there > self._cluster.patience:
            probe_master(self._cluster.where)  # it may have ended meanwhile
            raise BackendUnavailable(
                self._cluster.where,
                f"answers, but has given this run no worker for {now - self._there:.0f} s: none has "
                "joined it, or others hold all of its cores; start workers (start-worker.sh), or wait "
                "longer by backend.patience",
            )

    def _arrived(self, one: _Item[T], outcome: Outcome) -> Iterator[R | Lost[T]]:
        if outcome.packed is None:
            self._refused.append(one)
            return
        try:
            result = cast(R, self._serializer.unpack(outcome.packed))
        except WorkerUnfit as unfit:
            one.refused[outcome.worker] = unfit.reason
            if len(one.refused) >= min(ATTEMPTS, self._most or ATTEMPTS, self._most_slots):
                yield _unfit(one)
            else:
                self._refused.append(one)
        else:
            self._learn(one, outcome.worker)
            yield result

    def _learn(self, one: _Item[T], worker: str) -> None:
        """A worker has done an item: those that refused it get no more."""
        host = _host(worker)
        self._fit_hosts.add(host)
        self._left_out -= {host}
        for refuser, reason in one.refused.items():
            unfit = refuser if _host(refuser) in self._fit_hosts else _host(refuser)
            if unfit not in self._left_out:
                self._left_out.add(unfit)
                logger.warning(
                    "%s gets no more items: %s could do one that it refused (%s)",
                    unfit,
                    worker,
                    reason,
                )
        self._offers = 0
        self._start(self._take_refused())

    def _offer(self) -> Iterator[Lost[T]]:
        """Offer items that were refused to whoever takes them, when no worker has anything else."""
        self._offers += 1
        if self._offers <= _OFFERS:
            self._start(self._take_refused())
            return
        self._offers = 0
        self._left_out.clear()  # it seems that there are no others any more
        yield from map(_unfit, self._take_refused())

    def _take_refused(self) -> list[_Item[T]]:
        taken, self._refused = self._refused, []
        return taken

    def _banned(self, one: _Item[T]) -> frozenset[str]:
        """Workers and hosts that shall not do an item: no host that refused it, if there are others."""
        hosts = {_host(worker) for worker in one.refused}
        others = self._fit_hosts - hosts
        return frozenset(self._left_out.union(one.refused, hosts if others else ()))

    def _ended(self, ended: Ended) -> Iterator[Lost[T]]:
        """A job has ended; items that are not home yet have a job of their own, if they had none.

        Spark ends a job when one of its tasks has killed several workers. It does not matter which.
        """
        left = list(self._running.pop(ended.job).values())
        said = str(ended.error or "its result did not come home")
        if left and ended.error and not any(sign in said for sign in _DEATHS):
            raise BackendUnavailable(self._cluster.where, _explained(ended.error)) from ended.error
        if len(left) == 1:
            reason = f"its worker died each time that it was tried: {gist(said)}"
            yield Lost(left[0].item, reason, died=True)
        else:
            for one in left:
                self._start([one])


def _unfit(one: _Item[T]) -> Lost[T]:
    if not one.refused:
        return Lost(one.item, "no worker is left that takes it")
    worker, reason = list(one.refused.items())[-1]
    times = len(one.refused)
    return Lost(
        one.item, f"{times} workers could not do it; the last was worker {worker}: {reason}"
    )


def _explained(error: Exception) -> str:
    said = str(error)
    gone = isinstance(error, (Py4JNetworkError, OSError)) or unanswered(error)
    return without_landcover(said) or (why_gone(error) if gone else gist(said))


def _host(worker: str) -> str:
    return worker.rpartition(":")[0]


def _words(function: object) -> str:
    """What people call a function: its own words, where it has some, or its name."""
    if type(function).__str__ is not object.__str__:
        return str(function)
    return getattr(function, "__qualname__", type(function).__qualname__)
