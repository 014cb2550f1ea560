"""The Java VM of an own Spark session: found, started, listened to, and ended."""

# PySpark declares its types, but not all of them.
# mypy: allow-untyped-calls

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.java_gateway import launch_gateway

from landcover.errors import BackendUnavailable

logger = logging.getLogger(__name__)

_ADVICE = (
    "Spark needs Java 17 or newer: 'apt-get install openjdk-17-jre-headless' (Debian, Ubuntu), or "
    "set JAVA_HOME to the folder of one"
)
_KILLED = (
    "where the kernel killed it for want of memory, the same command goes on when there is more"
)

# Spark's own words while a job waits for a worker: the one thing a user must hear of.
_NO_ROOM = "Initial job has not accepted any resources"

# Seconds that a Java VM may take to end by itself.
_FAREWELL = 10


@contextmanager
def java_gateway(conf: SparkConf) -> Iterator[Any]:
    """Start a Java VM with these settings, and end it on exit.

    What the VM and the Python workers below it print goes to this module's logger, at DEBUG.

    Raises:
        BackendUnavailable: there is no Java, or not one that Spark can use.
    """
    _require_java()
    reading, writing = os.pipe()
    said: deque[str] = deque(maxlen=5)
    Thread(target=_listen, args=(reading, said), daemon=True).start()
    try:
        gateway = launch_gateway(conf, {"stdout": writing, "stderr": writing})
    except (PySparkRuntimeError, Py4JError, OSError) as error:
        told = " / ".join(said) or error
        raise BackendUnavailable(
            "Java", f"ended at once, saying: {told}; {_ADVICE}; {_KILLED}"
        ) from error
    finally:
        os.close(writing)
    try:
        yield gateway
    finally:
        _end(gateway)


@contextmanager
def no_java_vm() -> Iterator[None]:
    """Put aside the Java VM that PySpark has kept of an earlier session, as it does for later ones.

    Without this an own session would run in it, with its settings, and could not end it.
    """
    kept = SparkContext._gateway, SparkContext._jvm
    SparkContext._gateway = SparkContext._jvm = None
    try:
        yield
    finally:
        SparkContext._gateway, SparkContext._jvm = kept


def _require_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home, "bin/java")) if home else "java")
    if java is None:
        found = f"JAVA_HOME is {home}, which holds no bin/java" if home else "there is none"
        raise BackendUnavailable("Java", f"{found}; {_ADVICE}")


def _listen(reading: int, said: deque[str]) -> None:
    with open(reading, errors="replace") as lines:
        for line in lines:
            said.append(line.strip())
            level = logging.WARNING if _NO_ROOM in line else logging.DEBUG
            logger.log(level, "%s", line.rstrip())


def _end(gateway: Any) -> None:
    with suppress(Py4JError, OSError):
        gateway.shutdown()
    process: subprocess.Popen[bytes] = gateway.proc
    if process.stdin:
        process.stdin.close()  # at which the VM ends itself
    try:
        process.wait(_FAREWELL)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
