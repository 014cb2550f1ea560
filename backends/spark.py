"""The Spark backend: a session of its own on this machine, a running cluster, or a given session.

Jobs of many tasks, one an item, follow one another so closely that no worker waits. Over Spark
Connect, which has no RDDs and no accumulators, a job has one item.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from typing import TypeVar

from landcover.backends.closing import EngineBackend
from landcover.backends.spark_map import ATTEMPTS, SparkMap
from landcover.backends.spark_sessions import (
    AnySession,
    Cluster,
    classic_session,
    connect_session,
)
from landcover.contracts import Lost
from landcover.errors import ConfigError
from landcover.machine import usable_cpus

T = TypeVar("T")
R = TypeVar("R")

_ADDRESS = re.compile(
    r"(spark://[^\s:,/]+:\d{1,5}(,[^\s:,/]+:\d{1,5})*"
    r"|sc://[^\s:,/]+(:\d{1,5})?(/\S*)?|k8s://\S+|yarn)"
)


class SparkBackend(EngineBackend[Cluster]):
    """Works on items in the Python workers of Spark, one item a worker process at a time.

    Without ``address`` or ``session`` it starts a session on this machine when the first result is
    asked for, and ends it with its Java VM on exit: use it in a ``with`` block. Further settings
    of an own session belong into ``spark-defaults.conf``. Spark ends Python workers after a minute
    in which none of an executor's workers finished an item and some had nothing to do; what such a
    worker kept in memory is then loaded again.

    Args:
        workers: Python workers of an own session on this machine (default: its CPUs divided by
            ``threads``); of a cluster the most to use (default: all it has).
        threads: CPU threads that a Python worker may use, ``spark.task.cpus``; default: this
            machine's CPUs shared out among ``workers``, where that is given; on a cluster 1, or
            what the session says.
        address: a running cluster: its master ("spark://host:7077", "yarn", "k8s://...") or its
            Spark Connect server ("sc://host:15002").
        session: a session, classic or of Spark Connect; it goes on after the run.
        patience: seconds that a cluster which answers may leave a run without workers; default 600.

    Raises:
        ConfigError: an option makes no sense.
        BackendUnavailable: (when first used) Java is missing, the cluster does not answer, or this
            process already has a session that was not given.
    """

    def __init__(
        self,
        workers: int | None = None,
        threads: int | None = None,
        address: str | None = None,
        session: AnySession | None = None,
        patience: float | None = None,
    ) -> None:
        own = address is None and session is None
        super().__init__("spark", workers, threads, patience, own)
        _check_cluster(address, session)
        self._address, self._given = address, session

    def _results(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Generator[R | Lost[T], None, None]:
        # Spark keeps to what an own session has asked of this machine, or of a standalone master.
        kept = self._own or str(self._address).startswith("spark://")
        most = None if kept else self._workers
        started: SparkMap[T, R] = SparkMap(self._engine(), function, most)
        yield from started.results(items)

    def _shape(self) -> tuple[int, int]:
        cpus = usable_cpus()
        threads = self._threads or (max(1, cpus // self._workers) if self._workers else 1)
        return self._workers or max(1, cpus // threads), threads

    def _workers_there(self) -> int:
        return self._engine().slots()

    def _threads_there(self) -> int:
        return self._engine().task_cpus()

    def _open(self) -> Cluster:
        return Cluster(*self._session(), self._patience)

    def _session(self) -> tuple[AnySession, str]:
        """The session, opened where none was given, and what it is called in messages."""
        if self._given is not None:
            return self._given, "the given Spark session"
        return self._owned.enter_context(self._own_session()), self._address or "Spark"

    def _own_session(self) -> AbstractContextManager[AnySession]:
        if self._address is None:
            workers, threads = self._shape()
            master = f"local[{workers * threads},{ATTEMPTS}]"
            return classic_session(master, {"spark.task.cpus": str(threads)})
        if self._address.startswith("sc://"):
            return connect_session(self._address)
        return classic_session(self._address, self._demands())

    def _demands(self) -> dict[str, str]:
        """What an own session asks of a cluster's master."""
        demands = {"spark.task.cpus": str(self._threads or 1)}
        if self._workers:
            demands["spark.cores.max"] = str(self._workers * (self._threads or 1))
        return demands


def _check_cluster(address: str | None, session: object) -> None:
    mistakes = []
    if address is not None and session is not None:
        mistakes.append("backend.address and backend.session name two clusters: give one of them")
    if address is not None and not (isinstance(address, str) and _ADDRESS.fullmatch(address)):
        mistakes.append(
            "backend.address: must be spark://host:7077, sc://host:15002, k8s://... or yarn, not "
            f"{address!r}; for this machine leave it out and set backend.workers"
        )
    if session is not None and not hasattr(session, "createDataFrame"):
        mistakes.append(f"backend.session: must be a SparkSession, not {session!r}")
    if mistakes:
        raise ConfigError(mistakes, "backend 'spark'")
