"""Real clusters on this machine, each in processes of its own, as their users start them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

# Seconds until a service that has not said it is ready is given up.
PATIENCE = 180

_DASK = [sys.executable, "-m", "dask"]
# Clusters of tests stay for a whole session, mostly idle: what Dask measures for dashboards, up to a
# hundred times a second, would take a tenth of a CPU each.
_UNSEEN = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "5s",
}
# Nor do the Java VMs of tests live long enough for what their second compiler does to pay.
BRIEF = "-XX:TieredStopAtLevel=1"


@contextmanager
def dask_cluster(folder: Path, **environment: str) -> Iterator[str]:
    """A scheduler and two workers of one thread each; yields the scheduler's address.

    Args:
        folder: for logs and whatever workers write.
        environment: further environment variables of the workers.
    """
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    scheduler = [*_DASK, "scheduler", "--port", str(port), "--host", "127.0.0.1", "--no-dashboard"]
    log = folder / "scheduler.log"
    started = _service(scheduler, "Scheduler at:", log, environment=_UNSEEN)
    with started, dask_workers(address, 2, folder, **environment):
        yield address


@contextmanager
def dask_workers(address: str, count: int, folder: Path, **environment: str) -> Iterator[None]:
    """So many worker processes of one thread each, for the scheduler at an address."""
    command = [*_DASK, "worker", address, "--nworkers", str(count), "--nthreads", "1"]
    command += ["--host", "127.0.0.1", "--no-dashboard", "--local-directory", str(folder)]
    log = folder / f"{count}-workers.log"
    with _service(command, "Registered to:", log, times=count, environment=_UNSEEN | environment):
        yield


@contextmanager
def spark_standalone(folder: Path) -> Iterator[str]:
    """A standalone master and a worker of two cores; yields the master's address."""
    with spark_master(folder) as address, spark_worker(address, folder, cores=2):
        yield address


@contextmanager
def spark_master(folder: Path) -> Iterator[str]:
    """A standalone master without workers; yields its address."""
    port = free_port()
    master = [*_spark_class("master.Master"), "--port", str(port)]
    master += ["--host", "127.0.0.1", "--webui-port", "0"]
    with _service(master, "New state: ALIVE", folder / "master.log"):
        yield f"spark://127.0.0.1:{port}"


@contextmanager
def spark_worker(
    address: str,
    folder: Path,
    cores: int = 1,
    host: str = "127.0.0.1",
    hostname: str | None = None,
    **environment: str,
) -> Iterator[None]:
    """A worker of a standalone master, with 1 GB: on it executors are started.

    Args:
        address: of the master.
        folder: for logs and whatever executors write.
        cores: of the worker.
        host: where the worker listens; Spark takes each of them for another host.
        hostname: what the worker takes its host to be called; needs root.
        environment: further environment variables of the executors.
    """
    worker = [*_spark_class("worker.Worker"), "--cores", str(cores), "--memory", "1g"]
    worker += ["--host", host, "--webui-port", "0", "--work-dir", str(folder), address]
    if hostname:
        worker = ["unshare", "--uts", "sh", "-c", f'hostname {hostname} && exec "$@"', "", *worker]
    # Java does not find the address of a host name that nobody else knows.
    environment["SPARK_LOCAL_IP"] = host
    log = folder / f"worker-{host}-{hostname}.log"
    with _service(worker, "Successfully registered with master", log, environment=environment):
        yield


@contextmanager
def spark_session(master: str, **settings: str) -> Iterator[Any]:
    """A session as a user starts it; in names of settings a double underscore is a dot."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(master).config("spark.driver.host", "127.0.0.1")
    told = {"ui__enabled": "false", "ui__showConsoleProgress": "false", **settings}
    told = {f"{part}__defaultJavaOptions": BRIEF for part in ("driver", "executor")} | told
    for name, value in told.items():
        builder = builder.config("spark." + name.replace("__", "."), value)
    started = builder.getOrCreate()
    try:
        yield started
    finally:
        started.stop()
        del os.environ["PYSPARK_PYTHON"]


@contextmanager
def spark_connect_server(folder: Path) -> Iterator[str]:
    """A Spark Connect server with two cores; yields its address."""
    port = free_port()
    start = [str(_spark_home() / "sbin/start-connect-server.sh"), "--wait"]
    # Four attempts a task: without the second number this kind of master has just one.
    start += ["--master", "local[2,4]", "--conf", "spark.ui.enabled=false"]
    start += ["--conf", f"spark.connect.grpc.binding.port={port}"]
    start += ["--conf", "spark.sql.catalogImplementation=in-memory"]
    start += ["--conf", f"spark.driver.defaultJavaOptions={BRIEF}"]
    with _service(start, "Spark Connect server started", folder / "connect.log"):
        yield f"sc://127.0.0.1:{port}"


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _spark_class(name: str) -> list[str]:
    return [str(_spark_home() / "bin/spark-class"), f"org.apache.spark.deploy.{name}"]


def _spark_home() -> Path:
    import pyspark

    return Path(pyspark.__file__).parent


@contextmanager
def _service(
    command: list[str],
    ready: str,
    log: Path,
    times: int = 1,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[None]:
    """Run a command until the block ends, from when its output has said so often it is ready."""
    places = {"SPARK_LOG_DIR": str(log.parent), "SPARK_PID_DIR": str(log.parent)}
    spark = {"PYSPARK_PYTHON": sys.executable, "SPARK_DAEMON_JAVA_OPTS": BRIEF}
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env={**os.environ, **places, **spark, **environment},
            cwd=log.parent,
            start_new_session=True,
        )
    try:
        _wait_for(process, ready, log, times)
        yield
    finally:
        # Its whole group: a shell script's Java VM, or a nanny's workers.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], ready: str, log: Path, times: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while (said := log.read_text(errors="replace")).count(ready) < times:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args} did not start:\n{said[-3000:]}")
        time.sleep(0.05)
