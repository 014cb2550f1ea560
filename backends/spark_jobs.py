"""Items as Spark jobs of one task each."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar, cast
from uuid import uuid4

from pyspark.sql import SparkSession
from pyspark.sql.types import BinaryType, StructType

from landcover.backends.serialization import Serializer
from landcover.contracts import Lost
from landcover.errors import BackendUnavailable

if TYPE_CHECKING:
    import pyarrow as pa

    from landcover.backends.spark_sessions import AnySession

T = TypeVar("T")
R = TypeVar("R")

# How often Spark tries a task whose worker dies: its default on clusters (spark.task.maxFailures).
ATTEMPTS = 4

_SCHEMA = StructType().add("outcome", BinaryType())

# What Spark 4 says of a task that failed because its Python worker or its executor died.
_DEATHS = (
    "Python worker exited unexpectedly",
    "PYTHON_WORKER_EXITED",
    "ExecutorLostFailure",
    "Executor heartbeat timed out",
    "Could not find CoarseGrainedScheduler",
)


class Jobs(Generic[T, R]):
    """Applies one function to items, each in a job of its own.

    Args:
        session: where the jobs run; classic or of Spark Connect.
        where: what the cluster is called in messages.
        function: what is applied to the items.
    """

    def __init__(self, session: AnySession, where: str, function: Callable[[T], R]) -> None:
        self._session, self._where = session, where
        # Tags of classic sessions do not reach their jobs (seen in Spark 4.3), those of contexts do.
        self._context = session.sparkContext if isinstance(session, SparkSession) else None
        self._serializer = Serializer("pyspark.cloudpickle")
        self._function = self._serializer.pack(function)
        self._tag = f"landcover-{uuid4().hex}"
        self._cancelled = False

    def result(self, item: T) -> R | Lost[T]:
        """Run the job of one item and wait for it, on a thread of the driver.

        Raises:
            Exception: what the function raised.
            BackendUnavailable: the cluster cannot do the job at all.
        """
        work = _Work(self._serializer, self._function, self._serializer.pack(item))
        try:
            self._mark_thread()
            # One row, only to have one task: the item travels with the function.
            rows = self._session.range(0, 1, 1, 1).mapInArrow(work, _SCHEMA)
            # Not toArrow: a classic session runs its job on a thread that has not got the tag.
            (row,) = rows.collect()
        except Exception as error:  # noqa: BLE001  (never one of the function's: those come as values)
            return self._failed(item, error)
        return cast(R, self._serializer.unpack(bytes(row.outcome)))

    def cancel(self) -> None:
        """Interrupt the jobs that are running."""
        self._cancelled = True
        with suppress(Exception):  # a session that is gone has no jobs that run
            if self._context is not None:
                self._context.cancelJobsWithTag(self._tag)
            else:
                self._session.interruptTag(self._tag)

    def _mark_thread(self) -> None:
        """Let jobs from this thread of the driver be found by ``cancel``."""
        if self._context is not None:
            self._context.addJobTag(self._tag)
        else:
            self._session.addTag(self._tag)

    def _failed(self, item: T, error: Exception) -> Lost[T]:
        text = str(error)
        if any(sign in text for sign in _DEATHS) and not self._cancelled:
            return Lost(item, f"its worker died each of {ATTEMPTS} times: {gist(text)}")
        if "No module named 'landcover" in text:
            text = (
                "its workers cannot import landcover: install the same version there, with "
                "everything that the model needs"
            )
        raise BackendUnavailable(self._where, gist(text)) from error


class _Work:
    """What the task of an item does, on a worker."""

    def __init__(self, serializer: Serializer, function: bytes, item: bytes) -> None:
        self.serializer, self.function, self.item = serializer, function, item

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for _ in batches:
            gc.unfreeze()
            outcome = self.serializer.run(self.function, self.item)
            # After every task PySpark collects garbage in the whole process: with xarray and a
            # runtime loaded some 50 ms, more than all else around an item takes. What is frozen it
            # passes over; within an item Python collects as it always does.
            gc.freeze()
            yield pa.RecordBatch.from_pydict({"outcome": [outcome]})


def gist(text: str) -> str:
    """The sentence in a Java stack trace."""
    return text.strip().splitlines()[0][:500] if text.strip() else "no reason given"
