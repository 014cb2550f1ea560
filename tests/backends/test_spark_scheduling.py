"""Spark schedules the items itself: on clusters that grow, that share, and that fail in parts."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest
from support import clusters
from support.clusters import spark_session as session

from landcover.backends.spark import SparkBackend
from landcover.contracts import Lost
from landcover.errors import BackendUnavailable, WorkerUnfit

# Seconds after which a test gives up what it waits for.
PATIENCE = 120


@pytest.fixture(scope="module", autouse=True)
def spark_is_here(require_backend: Callable[[str], None]) -> None:
    require_backend("spark")
    from pyspark.cloudpickle import register_pickle_by_value

    register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests


class Named:
    """A function with words of its own."""

    def __str__(self) -> str:
        return "runs/2016"

    def __call__(self, item: int) -> int:
        return item


class TestOneSession:
    """A session of two workers, in which items wait for their turn (FIFO)."""

    @pytest.fixture(scope="class")
    @classmethod
    def spark(cls) -> Iterator[Any]:
        with session("local[2,4]", ui__enabled="true", ui__port="0") as spark:
            yield spark

    def test_its_pages_show_few_jobs_of_many_tasks_in_words_of_the_run(self, spark: Any) -> None:
        assert len(list(SparkBackend(session=spark).map(Named(), range(100)))) == 100
        context = spark.sparkContext
        pages = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/jobs"
        with urlopen(pages) as answer:
            jobs = [job for job in json.load(answer) if "runs/2016" in job["description"]]
        assert sum(job["numTasks"] for job in jobs) == 100
        assert len(jobs) <= 13
        assert "landcover: items 1 to 8 of runs/2016" in {job["description"] for job in jobs}
        assert len({job["jobGroup"] for job in jobs}) == 1

    def test_two_maps_share_its_workers(self, spark: Any) -> None:
        _two_maps_share_the_workers_of(spark)

    def test_a_deadly_item_costs_its_neighbours_in_the_job_nothing(
        self, spark: Any, tmp_path: Path
    ) -> None:
        """Their results count once, and those that were home already are not worked out again."""
        deadly = partial(_deadly_later, tmp_path)
        results = list(SparkBackend(session=spark).map(deadly, range(8)))
        (lost,) = [result for result in results if isinstance(result, Lost)]
        assert lost.item == 7
        assert "worker died" in lost.reason
        assert sorted(result for result in results if result is not lost) == list(range(7))
        assert all((tmp_path / f"0-{item}").exists() for item in range(7))
        assert not list(tmp_path.glob("1-[0-5]"))

    def test_items_that_no_worker_can_do_are_lost_with_worker_and_reason(
        self, spark: Any, tmp_path: Path
    ) -> None:
        never_mounted = partial(_never_mounted, tmp_path)
        results = list(SparkBackend(session=spark).map(never_mounted, range(20)))
        assert sorted(lost.item for lost in results if isinstance(lost, Lost)) == list(range(20))
        assert {lost.reason.partition(";")[0] for lost in results if isinstance(lost, Lost)} == {
            "2 workers could not do it"
        }
        assert all(f"{socket.gethostname()}:" in lost.reason for lost in results)
        assert all("no mount" in lost.reason for lost in results)


@pytest.mark.faults  # in short: what BackendTests asks of a worker that dies or lacks something
class TestUnlikeExecutors:
    """A standalone cluster of two executors, of which one lacks what items need."""

    @pytest.fixture(scope="class")
    @classmethod
    def master(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        with _unlike_workers(tmp_path_factory.mktemp("unlike")) as master:
            yield master

    def test_what_an_executor_cannot_do_another_one_does(
        self, master: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with SparkBackend(address=master) as backend:
            results = list(backend.map(partial(_where_mounted, tmp_path), range(60)))
        assert sorted(results) == list(range(60))
        # Only those that were under way until it was found out.
        assert 1 <= len(list(tmp_path.glob("refused-*"))) <= 4 * 2 + 8 + 1
        assert "could do one that it refused (no mount)" in caplog.text

    def test_an_executor_that_is_killed_costs_no_item(self, master: str) -> None:
        with SparkBackend(address=master) as backend:
            done = []
            for item, executor in backend.map(_with_executor, range(60)):
                if len(done) == 10:
                    os.kill(executor, signal.SIGKILL)
                done.append(item)
        assert sorted(done) == list(range(60))

    def test_items_wait_for_an_executor_that_is_killed_where_the_others_cannot_do_them(
        self, master: str
    ) -> None:
        with SparkBackend(address=master) as backend:
            done: list[object] = []
            for result in backend.map(_with_executor_where_mounted, range(60)):
                if len(done) == 10:
                    assert isinstance(result, tuple), result
                    os.kill(result[1], signal.SIGKILL)
                done.append(result[0] if isinstance(result, tuple) else result)
        assert sorted(done, key=str) == sorted(range(60), key=str)


@pytest.mark.faults
def test_executors_come_for_a_run_and_go_after_it(tmp_path: Path) -> None:
    settings = {
        "dynamicAllocation__enabled": "true",
        "dynamicAllocation__shuffleTracking__enabled": "true",
        "dynamicAllocation__executorIdleTimeout": "2s",
        "executor__cores": "1",
        "executor__memory": "450m",
    }
    with clusters.spark_standalone(tmp_path) as master, session(master, **settings):
        assert not _executors(tmp_path)
        from pyspark.sql import SparkSession

        used: set[int] = set()
        deadline = time.monotonic() + PATIENCE
        backend = SparkBackend(session=SparkSession.getActiveSession())
        for executor in backend.map(_executor_of_a_moment, count()):
            used.add(executor)
            assert time.monotonic() < deadline, "the second executor did not come"
            if len(used) == 2:
                break
        while _executors(tmp_path):
            assert time.monotonic() < deadline, "the executors did not go"
            time.sleep(0.1)


@pytest.mark.faults
def test_two_maps_share_a_session_that_schedules_fairly() -> None:
    with session("local[2,4]", scheduler__mode="FAIR") as spark:
        _two_maps_share_the_workers_of(spark)


@pytest.mark.faults
def test_a_copy_that_speculation_starts_counts_once(tmp_path: Path) -> None:
    settings = {"speculation": "true", "speculation__quantile": "0.5"}
    with (
        clusters.spark_master(tmp_path) as master,
        clusters.spark_worker(master, tmp_path),
        clusters.spark_worker(master, tmp_path, host="127.0.0.2"),  # copies go to other hosts
        session(master, **settings) as spark,
    ):
        results = SparkBackend(session=spark).map(partial(_until_copied, tmp_path), range(30))
        assert sorted(results) == list(range(30))
    assert (tmp_path / "copied").exists()


@pytest.mark.faults
def test_a_host_that_does_nothing_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if os.getuid() != 0:
        pytest.skip("giving a worker a host name of its own needs root")
    with _unlike_workers(tmp_path, "bare") as master, SparkBackend(address=master) as backend:
        assert len(list(backend.map(partial(_where_mounted, tmp_path), range(60)))) == 60
    assert "bare gets no more items" in caplog.text


def _two_maps_share_the_workers_of(spark: Any) -> None:
    """A map that goes on for ever does not keep another one from its end, nor ends with it."""
    backend = SparkBackend(session=spark)
    with ThreadPoolExecutor() as threads:
        begun, over = threading.Event(), threading.Event()

        def endless() -> int:
            """Goes on until the other map is over, and for a while after it."""
            done = after = 0
            for _ in backend.map(_after_a_moment, count()):
                done += 1
                after += over.is_set()
                if done == 20:
                    begun.set()
                if after == 10:
                    break
            return done

        first = threads.submit(endless)
        assert begun.wait(PATIENCE)
        second = threads.submit(lambda: sorted(backend.map(_after_a_moment, range(40))))
        assert second.result(PATIENCE) == list(range(40))
        over.set()
        assert first.result(PATIENCE) > 20


@contextmanager
def _unlike_workers(folder: Path, hostname: str | None = None) -> Iterator[str]:
    """A standalone cluster of two executors, of which one lacks what items need."""
    bare, whole = folder / "bare", folder / "whole"
    bare.mkdir()
    whole.mkdir()
    with (
        clusters.spark_master(folder) as master,
        clusters.spark_worker(master, bare, hostname=hostname),
        clusters.spark_worker(master, whole, MOUNTED="yes"),
    ):
        yield master


def _executors(folder: Path) -> list[int]:
    """The processes of executors below a cluster's folder."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "cwd"])
        if "CoarseGrainedExecutorBackend" in " ".join(process.info["cmdline"] or ())
        and str(process.info["cwd"]).startswith(str(folder))
    ]


def _with_executor(item: int) -> tuple[int, int]:
    """The item, and the executor whose daemon has forked this worker."""
    time.sleep(0.02)
    return item, psutil.Process(os.getppid()).ppid()


def _with_executor_where_mounted(item: int) -> tuple[int, int]:
    if "MOUNTED" not in os.environ:
        raise WorkerUnfit(f"{socket.gethostname()}:{os.getpid()}", "no mount")
    return _with_executor(item)


def _executor_of_a_moment(item: int) -> int:
    time.sleep(0.05)
    return os.getppid()


def _after_a_moment(item: int) -> int:
    time.sleep(0.01)
    return item


def _until_copied(folder: Path, item: int) -> int:
    """Item 5 ends when a copy of it has begun."""
    if item == 5:
        try:
            (folder / "begun").touch(exist_ok=False)
        except FileExistsError:
            (folder / "copied").touch()
        _wait_for(folder / "copied", "no copy of a slow task was started")
    return item


def _deadly_later(folder: Path, item: int) -> int:
    """Leaves a file for every time it began. Item 7 kills its worker; 6 is not done while its job goes on."""
    tries = len(list(folder.glob(f"*-{item}")))
    (folder / f"{tries}-{item}").touch()
    if item == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    if item == 6 and tries == 0:
        _wait_for(folder / "4-7", "item 7 got no job of its own")
    return item


def _wait_for(file: Path, otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not file.exists():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)


def _where_mounted(folder: Path, item: int) -> int:
    if "MOUNTED" not in os.environ:
        (folder / f"refused-{item}").touch()
        raise WorkerUnfit(f"{socket.gethostname()}:{os.getpid()}", "no mount")
    time.sleep(0.05)
    return item


def _never_mounted(folder: Path, item: int) -> int:
    (folder / f"{os.getpid()}-{item}").touch(exist_ok=False)  # nobody is asked twice
    raise WorkerUnfit(f"{socket.gethostname()}:{os.getpid()}", "no mount")


@pytest.mark.faults
def test_a_master_that_gives_no_worker_is_told_from_one_that_is_down(tmp_path: Path) -> None:
    with (
        clusters.spark_master(tmp_path) as master,
        SparkBackend(address=master, patience=3) as backend,
        pytest.raises(BackendUnavailable, match=r"answers, but has given this run no worker for"),
    ):
        next(iter(backend.map(abs, [1])))
    with ExitStack() as there:
        master = there.enter_context(clusters.spark_master(tmp_path))
        with SparkBackend(address=master, patience=3) as backend:
            assert backend.slots  # its session has begun
            there.close()
            with pytest.raises(BackendUnavailable, match="nothing answers here"):
                next(iter(backend.map(abs, [1])))
    with (
        SparkBackend(address=master) as backend,
        pytest.raises(BackendUnavailable, match="nothing answers here"),
    ):
        next(iter(backend.map(abs, [1])))


@pytest.mark.faults
def test_a_java_vm_that_is_gone_is_told() -> None:
    others = psutil.Process().children()
    with (
        SparkBackend(workers=1) as backend,
        pytest.raises(BackendUnavailable, match="Java VM of its driver is gone"),
    ):
        for _ in backend.map(_after_a_moment, count()):
            for child in psutil.Process().children():
                if "java" in child.name() and child not in others:
                    child.kill()
