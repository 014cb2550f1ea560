"""Spark sessions: how one is started, reached and ended, and what it offers."""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from landcover.backends.spark_jvm import java_gateway, no_java_vm
from landcover.errors import BackendUnavailable, MissingExtra

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession as ConnectSession

_log = logging.getLogger(__name__)

AnySession: TypeAlias = "SparkSession | ConnectSession"
S = TypeVar("S")

# Seconds until the number of workers of a cluster is looked at again.
_REFRESH = 1

# Tasks that a cluster is taken to work on at once before its first executor is there, as Spark does.
_AT_FIRST = 2

# Seconds until a port that does not answer counts as unreachable, and until a service behind it
# that answers no request of Spark does: a Java VM on a busy machine may need half of that.
_PORT_PATIENCE = 10
_PATIENCE = 60

# A whole session on this machine, or a cluster that must find room first, may take its time.
_PATIENCE_OF_OTHERS = 300

# Seconds that a master which answers may leave a run without workers.
_WITHOUT_WORKERS = 600.0

_CONNECT_PORT = 15002

# Java VMs only hand out tasks. Their second compiler would take 6 % of two cores for minutes to make
# that faster, and the threads of the G1 collector 1.5 %. The extraJavaOptions of a driver and of
# executors come after these, and may say otherwise.
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

_CONF = {
    "spark.app.name": "landcover",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.catalogImplementation": "in-memory",
    # A worker that keeps living keeps its model.
    "spark.python.worker.reuse": "true",
    # A plan of one step has nothing to adapt, and is not worth compiling.
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.driver.defaultJavaOptions": _JAVA,
    "spark.executor.defaultJavaOptions": _JAVA,
}

# Threads of a process start one session at a time: PySpark has one for all of them.
_starting = Lock()

# Of an own session on this machine, which works on the cores that its Java VM runs on.
_LOCAL_CONF = {
    # Without these it depends on how the network names this machine.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # Any user of this machine can connect to its ports. Spark makes a secret for each such session, and
    # tells it to nobody: settings stand in the command line of the Java VM, where all can read them.
    "spark.authenticate": "true",
}

# Bytes of a folder's name in which a folder for Unix sockets can be: a socket's name has at most 103 (macOS), of which
# "/landcover-", 8 letters, "/.", a UUID and ".sock" take the rest.
_BASE_OF_SOCKETS = 41


class Cluster:
    """What a session offers.

    Args:
        session: classic or of Spark Connect.
        where: what the cluster is called in messages.
        patience: seconds that it may leave a run without workers; None: 600.
    """

    def __init__(self, session: AnySession, where: str, patience: float | None) -> None:
        self.session, self.where = session, where
        self.patience = _WITHOUT_WORKERS if patience is None else patience
        self._slots, self._looked = 0, 0.0

    def task_cpus(self) -> int:
        """CPU threads per task."""
        return int(str(self.session.conf.get("spark.task.cpus", "1")))

    def slots(self) -> int:
        """Tasks worked on at once: as it was a second ago, or over Spark Connect at first.

        Raises:
            BackendUnavailable: the cluster is gone.
        """
        classic = isinstance(self.session, SparkSession)
        now = time.monotonic()
        if not self._slots or (classic and now - self._looked > _REFRESH):
            try:
                self._slots = max(1, self._tasks_at_once())
            except Exception as error:
                raise BackendUnavailable(self.where, why_gone(error)) from error
            self._looked = now
        return self._slots

    def _tasks_at_once(self) -> int:
        if isinstance(self.session, SparkSession):
            # Not defaultParallelism: spark.default.parallelism may say anything.
            java = self.session.sparkContext._jsc.sc()
            profile = java.resourceProfileManager().defaultResourceProfile()
            return int(java.schedulerBackend().maxNumConcurrentTasks(profile)) or _AT_FIRST
        # Over Spark Connect the number of cores shows in how Spark splits a range by itself.
        self.session.range(
            1
        ).toArrow()  # a cluster that has just started has its workers after this
        parts = self.session.range(1_000_000).selectExpr("spark_partition_id() AS part").distinct()
        return parts.count() // self.task_cpus()

    def has_workers(self) -> bool:
        """Whether there are executors, as far as that can be seen: over Spark Connect it cannot.

        Raises:
            BackendUnavailable: the cluster is gone.
        """
        if not isinstance(self.session, SparkSession):
            return True
        context = self.session.sparkContext
        if (context.master or "").startswith("local"):
            return True
        try:  # one of them is the driver
            return int(context._jsc.sc().getExecutorMemoryStatus().size()) > 1
        except Exception as error:
            raise BackendUnavailable(self.where, why_gone(error)) from error


@contextmanager
def classic_session(master: str, demands: Mapping[str, str]) -> Iterator[SparkSession]:
    """Start a session with a Java VM of its own; on exit both end.

    Args:
        master: "local[...]", or the master of a cluster.
        demands: further settings of the session.

    Raises:
        BackendUnavailable: Java is missing, the master does not answer, or there is a session.
    """
    with ExitStack() as opened:
        with _starting:
            _refuse_second()
            session = _started(master, demands, opened)
        opened.callback(_stop, session)
        yield session


@contextmanager
def connect_session(url: str) -> Iterator[ConnectSession]:
    """Open a session on a Spark Connect server ("sc://host:port"), and close it on exit.

    Raises:
        BackendUnavailable: the server does not answer.
        MissingExtra: the libraries of Spark Connect are not installed.
    """
    server = url.removeprefix("sc://").split("/")[0]
    server = server if ":" in server else f"{server}:{_CONNECT_PORT}"
    _probe(url, [server], "Spark Connect server: start-connect-server.sh")
    _hush()
    try:
        from pyspark.sql.connect.session import SparkSession as Session
    except ImportError as error:
        raise MissingExtra("Spark Connect", "spark", error.name or "grpcio") from error
    # Not the builder: it would make the session everybody's default.
    session = Session(connection=url)
    try:
        _answer(url, lambda: session.version)
    except BackendUnavailable:
        session.client.close()  # without asking the server once more, as stop() would
        raise
    try:
        yield session
    finally:
        session.stop()


def _started(master: str, demands: Mapping[str, str], opened: ExitStack) -> SparkSession:
    """A session in a Java VM that ends with the stack."""
    probe_master(master)
    _hush()
    opened.enter_context(no_java_vm())
    with _worker_python():
        conf = SparkConf(loadDefaults=False).setMaster(master)
        conf.setAll([*_CONF.items(), *demands.items()])
        if master.startswith("local"):
            sockets = opened.enter_context(_private_sockets())
            conf.setAll([*_LOCAL_CONF.items(), *sockets.items()])
        java = opened.enter_context(java_gateway(conf))
        session = _answer(master, lambda: SparkSession(SparkContext(conf=conf, gateway=java)))
        session.sparkContext._accumulatorServer.handle_error = _note  # type: ignore[method-assign]
        return session


def _note(request: Any, client_address: Any) -> None:
    """What PySpark's server of accumulators prints by itself, as where its Java VM dies: that is told once."""
    _log.debug("Spark's accumulators are served no longer", exc_info=True)


@contextmanager
def _private_sockets() -> Iterator[dict[str, str]]:
    """Settings by which Java and Python of a session meet at sockets in a folder that is this user's alone.

    To a port any user of this machine can connect, and PySpark's daemon forks a process for whoever does, and
    tells its number. PySpark before 4.1 does not know the settings, and keeps to ports.

    Raises:
        BackendUnavailable: there is no room for a folder.
    """
    try:
        base = tempfile.gettempdir()
        if len(base) > _BASE_OF_SOCKETS or not base.isascii():
            base = "/tmp"
        made = tempfile.TemporaryDirectory(
            prefix="landcover-", dir=base, ignore_cleanup_errors=True
        )
    except OSError as error:
        raise BackendUnavailable(
            "Spark", f"no folder for its sockets can be made: {error}"
        ) from error
    with made as folder:
        yield {
            "spark.python.unix.domain.socket.enabled": "true",
            "spark.python.unix.domain.socket.dir": folder,
        }


def _refuse_second() -> None:
    if SparkContext._active_spark_context is not None:
        raise BackendUnavailable(
            "Spark",
            "this process has a Spark session already, and cannot have two: hand it over as "
            "session=..., or stop it first",
        )


def _stop(session: SparkSession) -> None:
    with suppress(Exception):
        session.stop()
    # Where the Java VM has died before, that failed half way; the rest needs no VM.
    session.sparkContext.stop()


def probe_master(master: str) -> None:
    """Find out quickly whether a standalone master is there; of others nothing is asked.

    Raises:
        BackendUnavailable: nothing listens there.
    """
    if master.startswith("spark://"):
        _probe(master, master.removeprefix("spark://").split(","), "master: start-master.sh")


def _probe(address: str, servers: Sequence[str], remedy: str) -> None:
    """Find out quickly that nothing listens: Spark itself would try for minutes."""
    for server in servers:
        host, port = server.rsplit(":", 1)
        try:
            socket.create_connection((host, int(port)), _PORT_PATIENCE / len(servers)).close()
        except (OSError, OverflowError) as error:
            reason = error
        else:
            return
    raise BackendUnavailable(
        address, f"nothing answers here ({reason}): start a {remedy}, or correct backend.address"
    )


def _answer(address: str, ask: Callable[[], S]) -> S:
    """Do what may never return in a thread, and wait only so long for it.

    A thread also keeps PySpark from replacing this process's handler of Ctrl-C.
    """
    answers: SimpleQueue[S | Exception] = SimpleQueue()

    def asked() -> None:
        try:
            answers.put(ask())
        except Exception as error:  # noqa: BLE001  (raised below)
            answers.put(error)

    Thread(target=asked, daemon=True).start()
    patience = _PATIENCE if "://" in address else _PATIENCE_OF_OTHERS
    try:
        answer = answers.get(timeout=patience)
    except Empty:
        answer = TimeoutError(f"no answer within {patience} s")
    if isinstance(answer, TimeoutError):
        raise BackendUnavailable(
            address,
            f"is there, but slow: {answer}; try again once it has less to do. One that authenticates "
            "answers nobody without its spark.authenticate.secret",
        ) from answer
    if isinstance(answer, Exception):
        reason = f"no Spark that speaks with this one answers here: {gist(str(answer))}"
        raise BackendUnavailable(
            address, why_gone(answer) if _vm_gone(answer) else reason
        ) from answer
    return answer


@contextmanager
def _worker_python() -> Iterator[None]:
    """Let Python workers be this Python, unless PYSPARK_PYTHON says otherwise."""
    ours = "PYSPARK_PYTHON" not in os.environ
    if ours:
        os.environ["PYSPARK_PYTHON"] = sys.executable
    try:
        yield
    finally:
        if ours:
            del os.environ["PYSPARK_PYTHON"]


def _hush() -> None:
    """PySpark 4 warns of pandas 3 wherever it touches Arrow; no data frame of pandas is used."""
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)


def why_gone(error: Exception) -> str:
    """What an error says of a session that cannot be used any more."""
    if _vm_gone(error):
        return (
            "the Java VM of its driver is gone (ended by somebody, or for want of memory?): the same "
            "command goes on with the run"
        )
    return f"does not answer: {gist(str(error))}"


def _vm_gone(error: Exception) -> bool:
    return isinstance(error, (Py4JNetworkError, ConnectionError, EOFError)) or unanswered(error)


def unanswered(error: Exception) -> bool:
    """Whether nobody answered a call to Java: of what Java itself says Py4J shows a trace."""
    return type(error) is Py4JError and "\n" not in str(error)


def gist(text: str) -> str:
    """The sentence in a Java stack trace."""
    return text.strip().splitlines()[0][:500] if text.strip() else "no reason given"
