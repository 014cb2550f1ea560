from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from pathlib import Path
from threading import Barrier

import psutil
import pytest
from py4j.protocol import Py4JNetworkError
from support import clusters

from landcover.contracts import Backend
from landcover.errors import BackendUnavailable, ConfigError
from landcover.plugins import load_backend
from landcover.testing import BackendTests


@pytest.fixture(scope="module", autouse=True)
def spark_is_here(require_backend: Callable[[str], None]) -> None:
    require_backend("spark")


class SparkTests(BackendTests):
    name = "spark"

    def test_two_slots_are_two_python_workers_for_the_whole_run(self, backend: Backend) -> None:
        assert (backend.slots, backend.threads) == (2, 1)
        assert len(set(backend.map(lambda _: os.getpid(), range(200)))) == 2

    def test_ending_early_interrupts_the_jobs_that_run(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        gate = tmp_path / "never"

        def waiting_at_16(item: int) -> int:
            while item == 16 and not gate.exists():
                time.sleep(0.01)
            return item

        # Jobs start in any order, so that only one of the two workers may wait at the gate.
        results = backend.map(waiting_at_16, count())
        assert len(list(islice(results, 18))) == 18
        began = time.monotonic()
        del results
        assert time.monotonic() - began < 60
        assert sorted(backend.map(abs, range(3))) == [0, 1, 2]


class TestLocalSession(SparkTests):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Iterator[Backend]:
        with load_backend("spark", workers=2) as made:
            yield made


class TestStandaloneMaster(SparkTests):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, spark_master: str) -> Iterator[Backend]:
        with load_backend("spark", address=spark_master) as made:
            yield made


class TestSparkConnect(SparkTests):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, spark_connect: str) -> Iterator[Backend]:
        with load_backend("spark", address=spark_connect) as made:
            yield made


def test_a_given_session_goes_on() -> None:
    with clusters.spark_session("local[1]"):
        pass  # its Java VM stays, and would keep the settings of the session that started it
    # What its owner wants queries to be split into says nothing of its cores.
    with clusters.spark_session("local[5]", task__cpus="2", default__parallelism="64") as session:
        whole = load_backend("spark", session=session)
        assert (whole.slots, whole.threads) == (2, 2)
        with load_backend("spark", session=session, workers=1, threads=4) as backend:
            assert (backend.slots, backend.threads) == (1, 4)
            assert sorted(backend.map(abs, range(5))) == list(range(5))
        assert session.range(3).count() == 3
        second = load_backend("spark", workers=2)
        with second, pytest.raises(BackendUnavailable, match="has a Spark session already"):
            next(second.map(abs, [1]))
        assert session.range(3).count() == 3


def test_of_own_sessions_that_threads_start_at_once_one_starts() -> None:
    together = Barrier(2)

    def result(item: int) -> str:
        with load_backend("spark", workers=1) as backend:
            together.wait(60)
            try:
                done = str(list(backend.map(abs, [item])))
            except BackendUnavailable as error:
                done = str(error)
            together.wait(60)  # the session of the other is still there
            return done

    with ThreadPoolExecutor(2) as threads:
        refused, done = sorted(threads.map(result, [-3, -3]))
    assert done == "[3]" and "has a Spark session already" in refused


def test_threads_that_use_a_backend_first_share_one_session() -> None:
    together = Barrier(3)
    with load_backend("spark", workers=1) as backend, ThreadPoolExecutor(3) as threads:

        def results(_: int) -> list[int]:
            together.wait(60)
            return sorted(backend.map(abs, range(-3, 0)))

        assert list(threads.map(results, range(3))) == [[1, 2, 3]] * 3


def test_a_java_vm_that_dies_ends_the_run_and_not_the_next_whose_own_ends_with_its_block(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = _javas()
    with load_backend("spark", workers=2) as backend:
        results = backend.map(abs, count())
        assert next(results) >= 0
        for java in _javas() - before:
            os.kill(java, signal.SIGKILL)
        with pytest.raises(BackendUnavailable, match="Java VM of its driver is gone"):
            list(results)
    assert "Traceback" not in capfd.readouterr().err
    before = _javas()
    with load_backend("spark", workers=2, threads=2) as backend:
        assert (backend.slots, backend.threads) == (2, 2)
        assert _javas() == before
        assert len(set(backend.map(lambda _: os.getpid(), range(100)))) == 2
        (java,) = _javas() - before
        # Cores are the network's.
        assert {"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"} <= {*psutil.Process(java).cmdline()}
    assert java not in _javas()
    assert "PYSPARK_PYTHON" not in os.environ


@pytest.mark.parametrize(
    ("starting", "said"),
    [
        ("spark_jvm.launch_gateway", "Java: ended at once, .*Java 17.*where the kernel killed it"),
        (
            "spark_sessions.SparkContext",
            "Java VM of its driver is gone .*: the same command goes on",
        ),
    ],
)
@pytest.mark.parametrize("kind", [ConnectionRefusedError, Py4JNetworkError])
def test_a_java_vm_that_dies_while_its_session_begins_is_told(
    monkeypatch: pytest.MonkeyPatch, starting: str, said: str, kind: type[Exception]
) -> None:
    class Dead:
        _active_spark_context = _gateway = _jvm = None

        def __init__(self, *_: object, **__: object) -> None:
            raise kind("Error while sending or receiving")

    monkeypatch.setattr(f"landcover.backends.{starting}", Dead)
    with (
        load_backend("spark", workers=1) as backend,
        pytest.raises(BackendUnavailable, match=said),
    ):
        list(backend.map(abs, [1]))


def test_a_folder_for_temporary_files_may_have_any_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Unix sockets may not, and the Java VM's own encoding has to know its letters."""
    long = tmp_path / ("ü" * 50)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with load_backend("spark", workers=1) as backend:
        assert list(backend.map(abs, [-1])) == [1]


def test_workers_without_landcover_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocker = tmp_path / "landcover"
    blocker.mkdir()
    lines = "raise ModuleNotFoundError(\"No module named 'landcover'\", name='landcover')\n"
    (blocker / "__init__.py").write_text(lines)
    monkeypatch.chdir(tmp_path)  # where Python workers look first
    backend = load_backend("spark", workers=2)
    with backend, pytest.raises(BackendUnavailable, match="workers cannot import landcover"):
        list(backend.map(abs, [1]))


@pytest.mark.parametrize("kind", ["spark", "sc"])
def test_an_absent_cluster_is_named_within_half_a_minute(kind: str) -> None:
    address = f"{kind}://127.0.0.1:{clusters.free_port()}"
    began = time.monotonic()
    backend = load_backend("spark", address=address)
    with backend, pytest.raises(BackendUnavailable, match=f"{address}: nothing answers here"):
        next(backend.map(abs, [1]))
    assert time.monotonic() - began < 30


def test_missing_java_comes_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    backend = load_backend("spark", workers=2)
    with backend, pytest.raises(BackendUnavailable, match="apt-get install openjdk-17"):
        next(backend.map(abs, [1]))


def test_java_that_does_not_start_is_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho UnsupportedClassVersionError >&2\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    backend = load_backend("spark", workers=2)
    said = pytest.raises(BackendUnavailable, match=r"UnsupportedClassVersionError.*needs Java 17")
    with backend, said:
        next(backend.map(abs, [1]))


@pytest.mark.parametrize("address", ["10.0.0.5", "local[4]", "spark://host", "tcp://host:8786", 1])
def test_an_address_that_is_none_is_refused(address: object) -> None:
    with pytest.raises(ConfigError, match=r"must be spark://host:7077, sc://host:15002"):
        load_backend("spark", address=address)


def test_all_mistakes_about_the_cluster_are_named() -> None:
    with pytest.raises(ConfigError, match=r"name two clusters.*must be a SparkSession"):
        load_backend("spark", address="yarn", session="mine")


def _javas() -> set[int]:
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if child.name() == "java"}
