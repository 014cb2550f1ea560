"""What a task that does nothing costs Dask: the driver, and the scheduler.

Scheduler and workers are started as processes of their own on this machine; CPU time is counted,
which what else runs on the machine hardly changes.
"""

from __future__ import annotations

from typing import NamedTuple

import psutil

from landcover.plugins import load_backend

TASKS = 500

# Workers: a few times the CPUs of this machine, since the tasks do nothing.
WORKERS = 8


class Costs(NamedTuple):
    """CPU seconds a task."""

    driver: float
    scheduler: float

    @property
    def slower(self) -> float:
        """Of the process that takes longer: they work at the same time."""
        return max(self)


def measure(tasks: int = TASKS) -> Costs:
    """Measure after as many tasks that warm up; workers know ``abs`` without this module."""
    from distributed.deploy.subprocess import SubprocessCluster

    with SubprocessCluster(n_workers=WORKERS, worker_kwargs={"nthreads": 1}) as cluster:
        (scheduler,) = (
            process
            for process in psutil.Process().children(recursive=True)
            if "scheduler" in " ".join(process.cmdline())
        )
        with load_backend("dask", address=cluster.scheduler_address, threads=1) as backend:
            assert sum(1 for _ in backend.map(abs, range(tasks))) == tasks
            processes = [psutil.Process(), scheduler]
            before = [_cpu_seconds(process) for process in processes]
            assert sum(1 for _ in backend.map(abs, range(tasks))) == tasks
            after = [_cpu_seconds(process) for process in processes]
    return Costs(*((end - start) / tasks for start, end in zip(before, after, strict=True)))


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    for name, seconds in measure()._asdict().items():
        print(f"{name}: {1000 * seconds:.2f} ms a task")
