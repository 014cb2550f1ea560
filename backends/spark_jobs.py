"""Spark jobs, each of a task for every item, run from threads of the driver."""

# PySpark declares its types, but not all of them.
# mypy: allow-untyped-calls

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import count
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from pyspark.sql import SparkSession

from landcover.backends.serialization import Serializer
from landcover.backends.spark_worker import SCHEMA, Outcome, OutcomesParam, Work

if TYPE_CHECKING:
    from landcover.backends.spark_sessions import AnySession

# Every job under way takes a thread of the driver.
MOST_JOBS = 512

_POOL = "spark.scheduler.pool"


class Ended(NamedTuple):
    """A job has ended; ``error``: what Spark says of it if it failed."""

    job: int
    error: Exception | None


class Jobs:
    """The jobs that apply one function to items, and what comes home from them.

    A classic session sends the outcome of an item home when its task ends. Spark Connect holds it
    back until all tasks before it in the same job have ended: there a job should have one task.

    Args:
        session: where the jobs run; classic or of Spark Connect.
        serializer: has packed the function and the items.
        function: what is applied to the items, packed.
    """

    def __init__(self, session: AnySession, serializer: Serializer, function: bytes) -> None:
        self._session, self._serializer, self._function = session, serializer, function
        self.home: SimpleQueue[Outcome | Ended] = SimpleQueue()
        self._tag = f"landcover-{uuid4().hex}"
        self._context = session.sparkContext if isinstance(session, SparkSession) else None
        context = self._context
        self._outcomes = (
            None if context is None else context.accumulator([], OutcomesParam(self.home.put))
        )
        # Where a session schedules fairly, runs that share it shall have equal parts of it.
        self._pool = (self._context and self._context.getLocalProperty(_POOL)) or self._tag
        self._threads = ThreadPoolExecutor(MOST_JOBS, thread_name_prefix="landcover-spark")
        self._started: set[Future[None]] = set()
        self._numbers = count()

    @property
    def classic(self) -> bool:
        """Whether outcomes come home before their job has ended."""
        return self._context is not None

    def start(
        self, title: str, items: Sequence[bytes], banned: Sequence[frozenset[str]], pause: bool
    ) -> int:
        """Start a job and return its number.

        Args:
            title: what Spark's own pages call the job.
            items: packed.
            banned: for each item the workers ("host:pid") and hosts that shall not do it.
            pause: whether these, when they give it back, shall leave the next ones to others.
        """
        number = next(self._numbers)
        work = Work(number, self._serializer, self._function, items, banned, self._outcomes, pause)
        self._started.add(future := self._threads.submit(self._run, work, title))
        future.add_done_callback(self._started.discard)
        return number

    def close(self) -> None:
        """Interrupt the jobs that run, and wait until they have ended."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        # A future that the pool has cancelled is done, but wait() would wait for it for ever.
        while running := [future for future in list(self._started) if not future.done()]:
            self._cancel()
            wait(running, timeout=0.5)

    def _run(self, work: Work, title: str) -> None:
        """Run a job and wait for it, on a thread of the driver."""
        error = None
        try:
            self._mark_thread(title)
            if self._context is None:
                self._query(self._session, work)
            else:
                # Spark needs a few ms for a job on an RDD, and ten times as long to plan a query.
                rows = self._context.parallelize(range(len(work.items)), len(work.items))
                rows.foreachPartition(work.send)
        except Exception as failure:  # noqa: BLE001  (never one of the function's: those are values)
            error = failure
        self.home.put(Ended(work.job, error))

    def _query(self, session: AnySession, work: Work) -> None:
        """Do the items where there are no RDDs: a row a task, which says which item it is for."""
        tasks = len(work.items)
        rows = session.range(0, tasks, 1, tasks).mapInArrow(work, SCHEMA)
        for row in rows.collect():
            self.home.put(pickle.loads(row.outcome))

    def _mark_thread(self, title: str) -> None:
        """Name the jobs of this thread of the driver, so that people and ``close`` find them."""
        if self._context is None:
            self._session.addTag(self._tag)
        else:
            self._context.setJobGroup(self._tag, title)
            self._context.setLocalProperty(_POOL, self._pool)

    def _cancel(self) -> None:
        with suppress(Exception):  # a session that is gone has no jobs that run
            if self._context is None:
                self._session.interruptTag(self._tag)
            else:
                self._context.cancelJobGroup(self._tag)
