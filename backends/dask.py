"""The Dask backend: worker processes of this machine, or those of a running cluster."""

# distributed declares its types, but few of them.
# mypy: allow-untyped-calls, no-warn-return-any

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

import dask
from distributed import Client, LocalCluster
from distributed.deploy.cluster import Cluster
from distributed.deploy.utils import nprocesses_nthreads
from distributed.security import Security

from landcover.backends.closing import EngineBackend
from landcover.backends.dask_tasks import Tasks
from landcover.backends.dask_workers import addresses
from landcover.contracts import Lost
from landcover.errors import BackendUnavailable, ConfigError
from landcover.machine import usable_cpus

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger(__name__)

_ADDRESS = re.compile(r"([a-z]+://)?(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):\d{1,5}/?")

# Seconds until a scheduler that does not answer counts as unreachable.
_PATIENCE = 10

# How a cluster of our own differs from what Dask would make.
_OWN = {
    # A paused worker takes no work until its memory shrinks, which that of a loaded network never
    # does, and results of a few bytes leave nothing to spill. That a worker is ended when it is
    # nearly out of memory stays: its item is given to another one.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.monitor-interval": "1s",
    # The next item waits at the scheduler until a worker is free. So an item that kills its worker
    # takes no other one with it, and it is the one that Dask gives up.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": 1,
    # Up to a hundred times a second Dask measures what its dashboard would show, and there is none.
    # That took 7 % of the speed of a network that computes on all cores.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    # Any user of this machine can connect to its ports: nothing is told there without a certificate.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}

_NO_DASHBOARD = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}


class DaskBackend(EngineBackend[Client]):
    """Works on items in Dask worker processes, one item a process at a time.

    Without ``address`` or ``client`` it starts a cluster of processes on this machine when the
    first result is asked for, and ends it on exit: use it in a ``with`` block.

    Args:
        workers: worker processes of an own cluster (default: as many as Dask itself would start);
            of a running one the most workers to use (default: all, also those that join later).
        threads: CPU threads that a worker process may use; default: the CPUs of this machine
            shared out among the workers of an own cluster, or what the smallest worker of a
            running one was given.
        address: address of a running scheduler, as in "tcp://10.0.0.5:8786".
        client: a client of a running cluster; it stays open.
        patience: seconds that a cluster may be without a worker that can do the work; default:
            Dask's distributed.scheduler.no-workers-timeout, else 600.

    Raises:
        ConfigError: an option makes no sense.
        BackendUnavailable: (when first used) the cluster does not answer or does not start.
    """

    def __init__(
        self,
        workers: int | None = None,
        threads: int | None = None,
        address: str | None = None,
        client: Client | None = None,
        patience: float | None = None,
    ) -> None:
        own = address is None and client is None
        super().__init__("dask", workers, threads, patience, own)
        _check_cluster(address, client)
        self._address, self._given = address, client

    def _results(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Generator[R | Lost[T], None, None]:
        limit = None if self._own else self._workers  # an own cluster has no others
        kept = self._shape()[0] if self._own else 0
        tasks: Tasks[T, R] = Tasks(self._engine(), function, limit, self._patience, kept)
        yield from tasks.results(items)

    def _shape(self) -> tuple[int, int]:
        cpus = usable_cpus()
        by_threads = max(1, cpus // self._threads) if self._threads else None
        workers = self._workers or by_threads or nprocesses_nthreads(cpus)[0]
        return workers, self._threads or max(1, cpus // workers)

    def _workers_there(self) -> int:
        return len(addresses(self._engine()))

    def _threads_there(self) -> int:
        return min(self._engine().nthreads().values(), default=1)

    def _open(self) -> Client:
        if self._given is not None:
            return self._given
        return self._reached() if self._address else self._started()

    def _reached(self) -> Client:
        try:
            client = Client(self._address, timeout=_PATIENCE, set_as_default=False)
        except TypeError as error:  # what Dask raises of tls:// without certificates
            raise BackendUnavailable(
                str(self._address),
                "is reached with certificates, and Dask's configuration names none: set ca-file, "
                f"client.cert and client.key of distributed.comm.tls ({error})",
            ) from error
        except (OSError, ValueError, ImportError) as error:
            raise BackendUnavailable(
                str(self._address),
                f"no Dask scheduler answers here within {_PATIENCE} s: start one with "
                f"'dask scheduler', or correct backend.address ({error})",
            ) from error
        return self._owned.enter_context(client)

    def _started(self) -> Client:
        try:
            with dask.config.set(_OWN):
                cluster = _KeptCluster(
                    n_workers=self._shape()[0],
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    security=Security.temporary(),
                    silence_logs=logging.CRITICAL,
                    scheduler_kwargs=_NO_DASHBOARD,
                    preload=["landcover.backends.dask_preload"],
                )
        except (OSError, RuntimeError) as error:
            raise BackendUnavailable(
                "dask",
                f"the worker processes of an own cluster did not start ({error}); in a script the "
                "call must stand below 'if __name__ == \"__main__\":', as workers import the script",
            ) from error
        self._owned.callback(_closed, cluster)
        return self._owned.enter_context(Client(cluster, set_as_default=False))


class _KeptCluster(LocalCluster):
    """Workers of this machine, each of them started again however often it dies at its work.

    Dask's own looks, 15 seconds after one has died, whether it is there, and if not gives it up for good:
    also one that has come back, died again under the next item, and is being started at that moment.
    """

    def _update_worker_status(self, op: str, msg: Any) -> None:
        Cluster._update_worker_status(self, op, msg)


def _closed(cluster: LocalCluster) -> None:
    """End an own cluster; what was done stays done where the host is too busy to end it in time."""
    try:
        cluster.close()
    except TimeoutError:  # of distributed: workers were killed, and not seen to end
        logger.warning("Dask did not see its workers end in time")


def _check_cluster(address: str | None, client: Client | None) -> None:
    mistakes = []
    if address is not None and client is not None:
        mistakes.append("backend.address and backend.client name two clusters: give one of them")
    if address is not None and not (
        isinstance(address, str) and _ADDRESS.fullmatch(address) is not None
    ):
        mistakes.append(f"backend.address: must look like tcp://host:8786, not {address!r}")
    if client is not None and (not isinstance(client, Client) or client.asynchronous):
        mistakes.append(f"backend.client: must be a synchronous distributed.Client, not {client!r}")
    if mistakes:
        raise ConfigError(mistakes, "backend 'dask'")
