"""What the tasks of a Spark job do on the workers, and how their outcomes come home."""

# PySpark declares its types, but not all of them.
# mypy: allow-untyped-calls

from __future__ import annotations

import gc
import os
import pickle
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pyspark.accumulators import Accumulator, AccumulatorParam
from pyspark.sql.types import BinaryType, StructType

from landcover.backends.serialization import Serializer

if TYPE_CHECKING:
    import pyarrow as pa

# Of the rows that a job without an accumulator has: pickled outcomes.
SCHEMA = StructType().add("outcome", BinaryType())

# Seconds that a worker keeps an item which it shall not do before it gives it back, so that the
# next ones find another worker: they double so often while nothing else comes.
_PAUSE, _DOUBLINGS = 0.1, 3

_given_back = 0  # items that this process gave back since it did one


class Outcome(NamedTuple):
    """What came of one item.

    Args:
        job: the number of its job.
        place: of the item in the job.
        worker: the process that had it, as "host:pid".
        packed: what ``Serializer.run`` returned; None: the worker gave the item back.
    """

    job: int
    place: int
    worker: str
    packed: bytes | None


class OutcomesParam(AccumulatorParam[list[Outcome]]):
    """Brings outcomes home in an accumulator: at the end of their task, and not of their job.

    Spark adds what a task brings exactly once, however many copies of it run or die.

    Args:
        deliver: takes an outcome at home, on a thread of PySpark; None on workers.
    """

    def __init__(self, deliver: Callable[[Outcome], object] | None = None) -> None:
        self._deliver = deliver

    def __reduce__(self) -> tuple[type[OutcomesParam], tuple[()]]:
        return OutcomesParam, ()

    def zero(self, value: list[Outcome]) -> list[Outcome]:
        """Nothing, to begin with."""
        return []

    def addInPlace(self, value1: list[Outcome], value2: list[Outcome]) -> list[Outcome]:
        """Add to what a worker sends, or deliver what one has sent."""
        if self._deliver is None:
            return value1 + value2
        for outcome in value2:
            self._deliver(outcome)
        return value1


@dataclass(frozen=True)
class Work:
    """Does the items of a job: the task of row n does the n-th.

    Args:
        job: the number of the job.
        serializer: unpacks function and items, and packs what comes of them.
        function: what is applied to the items, packed.
        items: packed.
        banned: for each item the workers ("host:pid") and hosts that shall not do it.
        outcomes: takes them home in classic sessions; None: they are the rows of the job.
        pause: whether a worker that gives an item back shall leave the next ones to others.
    """

    job: int
    serializer: Serializer
    function: bytes
    items: Sequence[bytes]
    banned: Sequence[frozenset[str]]
    outcomes: Accumulator[list[Outcome]] | None
    pause: bool = False

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Do the item of each row, and make a row of its outcome: for ``DataFrame.mapInArrow``."""
        import pyarrow as pa

        for batch in batches:
            for place in batch.column(0).to_pylist():
                outcome = pickle.dumps(self._outcome(place))
                yield pa.RecordBatch.from_pydict({"outcome": [outcome]})

    def send(self, places: Iterable[int]) -> None:
        """Do the item of each place, and send its outcome home: for ``RDD.foreachPartition``."""
        assert self.outcomes is not None
        for place in places:
            self.outcomes.add([self._outcome(place)])

    def _outcome(self, place: int) -> Outcome:
        gc.unfreeze()
        outcome = self._tried(place)
        # After every task PySpark collects garbage in the whole process: with xarray and a
        # runtime loaded some 50 ms, more than all else around an item takes. What is frozen it
        # passes over; within an item Python collects as it always does.
        gc.freeze()
        return outcome

    def _tried(self, place: int) -> Outcome:
        global _given_back
        host = socket.gethostname()
        worker = f"{host}:{os.getpid()}"
        if not self.banned[place].isdisjoint((host, worker)):
            time.sleep(self.pause * _PAUSE * 2 ** min(_given_back, _DOUBLINGS))
            _given_back += 1
            return Outcome(self.job, place, worker, None)
        _given_back = 0
        packed = self.serializer.run(self.function, self.items[place])
        return Outcome(self.job, place, worker, packed)
