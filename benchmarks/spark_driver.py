"""What a task that does nothing costs Spark: the driver's Python, its Java VM, the executor's.

A standalone master and a worker are started on this machine, so that driver and executor are
processes of their own; CPU time is counted, which what else runs on the machine hardly changes.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from landcover.plugins import load_backend

TASKS = 500

# Slots of the executor: as many as it takes for jobs as large as a cluster of 1,000 workers has them.
SLOTS = 126

_PATIENCE = 120


class Costs(NamedTuple):
    """CPU seconds a task."""

    driver_python: float
    driver_java: float
    executor: float

    @property
    def driver(self) -> float:
        """Of the driver, Python and Java."""
        return self.driver_python + self.driver_java


def measure(tasks: int = TASKS) -> Costs:
    """Measure after as many tasks that warm up; workers know ``abs`` without this module."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _standalone(Path(folder)) as master,
        load_backend("spark", address=master, threads=1) as backend,
    ):
        assert sum(1 for _ in backend.map(abs, range(tasks))) == tasks
        driver, executor = _java("SparkSubmit", master), _java("CoarseGrainedExecutorBackend")
        kinds = [[psutil.Process()], [driver], [executor, *executor.children(recursive=True)]]
        before = [_cpu_seconds(kind) for kind in kinds]
        assert sum(1 for _ in backend.map(abs, range(tasks))) == tasks
        after = [_cpu_seconds(kind) for kind in kinds]
    return Costs(*((end - start) / tasks for start, end in zip(before, after, strict=True)))


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(one.user + one.system for one in times)


def _java(*words: str) -> psutil.Process:
    """The process below this one whose command line has these words."""
    (found,) = (
        process
        for process in psutil.Process().children(recursive=True)
        if process.name() == "java" and all(word in " ".join(process.cmdline()) for word in words)
    )
    return found


@contextmanager
def _standalone(folder: Path) -> Iterator[str]:
    """A master and a worker with one executor; yields the master's address."""
    import pyspark

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = [str(Path(pyspark.__file__).parent / "bin/spark-class")]
    here = ["--host", "127.0.0.1", "--webui-port", "0"]
    master = [*start, "org.apache.spark.deploy.master.Master", "--port", str(port), *here]
    worker = [*start, "org.apache.spark.deploy.worker.Worker", "--cores", str(SLOTS), *here]
    address = f"spark://127.0.0.1:{port}"
    worker += ["--memory", "1g", "--work-dir", str(folder), address]
    with (
        _service(master, folder / "master.log", "New state: ALIVE"),
        _service(worker, folder / "worker.log", "Successfully registered"),
    ):
        yield address


@contextmanager
def _service(command: list[str], log: Path, ready: str) -> Iterator[None]:
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable}
    with log.open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
    deadline = time.monotonic() + _PATIENCE
    try:
        while ready not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    for name, seconds in measure()._asdict().items():
        print(f"{name}: {1000 * seconds:.2f} ms a task")
