from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count, islice
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import psutil
import pytest
from support import clusters

from landcover.contracts import Backend
from landcover.errors import BackendUnavailable, ConfigError, WorkerUnfit
from landcover.plugins import load_backend
from landcover.testing import BackendTests

if TYPE_CHECKING:
    from distributed import Client, Scheduler


@pytest.fixture(scope="module", autouse=True)
def dask_is_here(require_backend: Callable[[str], None]) -> None:
    require_backend("dask")


class TestOwnCluster(BackendTests):
    name = "dask"

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Iterator[Backend]:
        with load_backend("dask", workers=2, threads=2) as made:
            yield made

    def test_a_process_works_on_one_item_at_a_time(self, backend: Backend, tmp_path: Path) -> None:
        assert backend.threads == 2
        assert len(list(backend.map(partial(_alone, tmp_path), range(50)))) == 50


class TestRunningCluster(BackendTests):
    name = "dask"

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, dask_scheduler: str) -> Iterator[Backend]:
        with load_backend("dask", address=dask_scheduler) as made:
            yield made

    def test_the_cluster_says_how_many_slots_and_threads_there_are(
        self, backend: Backend, dask_scheduler: str
    ) -> None:
        from distributed import Client

        # A worker that an earlier test has killed may not be back yet.
        with Client(dask_scheduler, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        assert len(list(backend.map(abs, range(4)))) == 4
        assert (backend.slots, backend.threads) == (2, 1)


def test_workers_is_the_most_to_use_of_a_running_cluster(dask_scheduler: str) -> None:
    with load_backend("dask", address=dask_scheduler, workers=1, threads=3) as backend:
        assert (backend.slots, backend.threads) == (1, 3)
        assert len(set(backend.map(lambda _: os.getpid(), range(20)))) == 1


def test_workers_that_join_are_put_to_work(dask_scheduler: str, tmp_path: Path) -> None:
    with load_backend("dask", address=dask_scheduler) as backend:
        results = backend.map(lambda _: os.getpid(), count())
        seen = set(islice(results, 20))
        with clusters.dask_workers(dask_scheduler, 1, tmp_path):
            assert backend.slots == 3
            deadline = time.monotonic() + 60
            while len(seen) < 3 and time.monotonic() < deadline:
                seen.add(next(results))
        assert len(seen) == 3
        assert len(list(islice(results, 20))) == 20


def test_no_more_workers_are_used_though_others_join_before_anything_is_placed() -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
        load_backend("dask", client=client, workers=1) as backend,
        ThreadPoolExecutor(1) as thread,
    ):
        processes = thread.submit(set, backend.map(_pid, range(20)))
        client.sync(_until_queued, client)
        cluster.scale(3)
        assert len(processes.result(60)) == 1


def test_a_worker_that_answers_before_it_is_seen_counts_among_those_that_are_used() -> None:
    from distributed import Client, LocalCluster

    from landcover.backends.dask_workers import Workers

    with (
        LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        workers = Workers(client, 1)
        assert workers.room(0, 0).search
        workers.did("tcp://127.0.0.1:4000", {})
        assert workers.room(0, 0) == (1, ["tcp://127.0.0.1:4000"], False)


def test_no_more_items_are_worked_on_at_once_than_workers_were_asked_for(tmp_path: Path) -> None:
    """Dask moves what waits to workers that have nothing to do, if items take long enough for that."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
        load_backend("dask", client=client, workers=1) as backend,
    ):
        alone = partial(_alone, tmp_path, name=lambda: "one", seconds=0.4)
        assert len(list(backend.map(alone, range(12)))) == 12


def test_a_map_that_is_done_does_not_wait_for_workers_that_can_do_more(
    dask_scheduler: str,
) -> None:
    from distributed import Client

    from landcover.backends.dask_tasks import Tasks

    with Client(dask_scheduler, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        tasks: Tasks[int, int] = Tasks(client, abs, None, patience=1)
        results = tasks.results(range(12))
        assert sorted(islice(results, 12)) == list(range(12))
        tasks._workers.did("tcp://10.0.0.5:8786", dict.fromkeys(client.nthreads(), "no mount"))
        assert list(results) == []


@pytest.fixture
def two_workers() -> Iterator[Client]:
    """A client of a cluster as others start it: two workers of four threads each."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=4, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_a_process_of_several_threads_works_on_one_item_at_a_time(
    two_workers: Client, tmp_path: Path
) -> None:
    with load_backend("dask", client=two_workers) as backend:
        assert len(list(backend.map(partial(_alone, tmp_path), range(40)))) == 40


def test_two_runs_of_one_worker_each_take_two_workers(two_workers: Client, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = load_backend("dask", client=two_workers, workers=1)
    other = load_backend("dask", client=two_workers, workers=1)
    with first, other, ThreadPoolExecutor(1) as thread:
        held = thread.submit(list, first.map(partial(_pid_after, gate), range(3)))
        two_workers.sync(_until_busy, two_workers)
        processes = set(other.map(_pid, range(10)))
        gate.touch()
        assert len(processes) == 1
        assert processes.isdisjoint(held.result(60))


def test_items_do_not_wait_behind_the_task_of_a_stranger(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
        load_backend("dask", client=client) as backend,
    ):
        gate = tmp_path / "gate"
        stranger = client.submit(_pid_after, gate, 0, pure=False)
        processes = set(backend.map(_pid, range(12)))
        assert not stranger.done()
        gate.touch()
        assert processes == set(client.run(os.getpid).values()) - {stranger.result(60)}


def test_a_worker_that_is_retired_costs_no_item_a_try(tmp_path: Path) -> None:
    """More often than workers may die under an item."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=6, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
        load_backend("dask", client=client) as backend,
        ThreadPoolExecutor(1) as thread,
    ):
        gate = tmp_path / "gate"
        result = thread.submit(list, backend.map(partial(_item_after, gate), [7]))
        for _ in range(5):
            client.retire_workers([client.sync(_until_busy, client)])
        gate.touch()
        assert result.result(60) == [7]


def test_an_adaptive_cluster_grows_from_nothing_and_shrinks_again(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
        load_backend("dask", client=client) as backend,
    ):
        cluster.adapt(minimum=0, maximum=2, interval="100ms", target_duration="10ms")
        results, seen = backend.map(_pid, count()), set[int]()
        while len(seen) < 2:
            seen.add(next(results))
        results.close()
        client.sync(_until_empty, client)


def test_a_cluster_that_never_gets_a_worker_ends_in_a_sentence() -> None:
    import dask
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
        dask.config.set({"distributed.scheduler.no-workers-timeout": "1s"}),
        load_backend("dask", client=client) as backend,
        pytest.raises(BackendUnavailable, match="no worker that can do the work came within"),
    ):
        list(backend.map(abs, [1]))


def test_a_worker_that_fails_what_others_can_do_gets_no_more_items(
    two_workers: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with load_backend("dask", client=two_workers) as backend:
        results = list(backend.map(partial(_unfit_in_one_process, tmp_path), range(200)))
    assert sorted(results) == list(range(200))
    assert caplog.text.count("gets no more items") == 1
    assert "no mount" in caplog.text
    assert len((tmp_path / "refused").read_text()) < 50


def test_what_one_worker_refuses_waits_for_another_of_an_own_cluster_that_has_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes to come back: a busy host may need a minute."""
    monkeypatch.setattr("landcover.backends.dask_workers._SOON", 0.0)
    with load_backend("dask", workers=2) as backend:
        done = set(map(str, backend.map(partial(_refused_but_by_the_next, tmp_path), range(4))))
    assert done == set("0123")


def test_a_worker_of_an_own_cluster_is_started_again_whenever_dask_looks_for_it(
    tmp_path: Path,
) -> None:
    import dask

    at_once = {"distributed.deploy.lost-worker-timeout": "1ms"}  # while it is being started
    with dask.config.set(at_once), load_backend("dask", workers=1, patience=60) as backend:
        assert sorted(backend.map(partial(_ends_its_worker_once, tmp_path), range(3))) == [0, 1, 2]


@pytest.mark.parametrize(
    ("kept", "patience", "soon"), [(0, 600, False), (1, 600, False), (2, 600, True), (2, 0, False)]
)
def test_a_worker_that_died_is_waited_for_where_its_cluster_starts_it_again(
    monkeypatch: pytest.MonkeyPatch, kept: int, patience: float, soon: bool
) -> None:
    from distributed import Client, LocalCluster

    from landcover.backends.dask_workers import Workers

    monkeypatch.setattr("landcover.backends.dask_workers._SOON", 0.0)
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        assert Workers(client, None, patience, kept).change() is soon


def test_no_more_workers_are_used_where_one_is_left_out(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
        load_backend("dask", client=client, workers=2) as backend,
    ):
        unfit = partial(_unfit_in_one_process, tmp_path, told=_pid)
        assert len(set(backend.map(unfit, range(100)))) == 2


def test_what_a_worker_refused_goes_to_another_that_is_used_already(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
        load_backend("dask", client=client, workers=2) as backend,
    ):
        by = dict(backend.map(partial(_refused_once_at_30, tmp_path), range(60)))
    assert by[0] != by[1] and by[30] in (by[0], by[1])


def test_a_given_client_stays_open(dask_scheduler: str) -> None:
    from distributed import Client

    with Client(dask_scheduler, set_as_default=False) as client:
        with load_backend("dask", client=client) as backend:
            next(backend.map(abs, count()))
        assert client.submit(abs, -1).result() == 1


def test_leaving_the_block_ends_an_own_cluster() -> None:
    before = _children()
    with load_backend("dask", workers=2) as backend:
        workers = set(backend.map(lambda _: os.getpid(), range(20)))
        assert workers <= _children()
    assert not workers & _children()
    assert len(_children() - before) <= 1  # Python's own tracker of shared resources


def test_an_own_cluster_that_is_slow_to_end_takes_no_result_with_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from distributed import LocalCluster

    close = LocalCluster.close

    def slow(cluster: LocalCluster) -> None:
        close(cluster)
        raise TimeoutError

    monkeypatch.setattr(LocalCluster, "close", slow)
    with load_backend("dask", workers=1) as backend:
        assert list(backend.map(abs, [-1])) == [1]
    assert "did not see its workers end in time" in caplog.text


def test_threads_that_use_a_backend_first_share_one_cluster() -> None:
    together = Barrier(4)
    with load_backend("dask", workers=1) as backend, ThreadPoolExecutor(4) as threads:

        def schedulers(_: int) -> set[str]:
            together.wait(60)
            return set(backend.map(_scheduler, range(3)))

        assert len(set.union(*threads.map(schedulers, range(4)))) == 1


def test_an_own_cluster_measures_nothing_for_a_dashboard_that_is_not_there() -> None:
    import dask

    def profiled(_: object) -> bool:
        return bool(dask.config.get("distributed.worker.profile.enabled"))

    before = profiled(0)
    with load_backend("dask", workers=1) as backend:
        assert list(backend.map(profiled, [0])) == [False]
        assert before and profiled(0)  # this process keeps its own settings


def test_nothing_is_started_for_a_map_that_nobody_asks() -> None:
    before = _children()
    with load_backend("dask", workers=2, threads=3) as backend:
        backend.map(abs, range(3))
        assert (backend.slots, backend.threads) == (2, 3)
        assert _children() == before


def test_an_absent_scheduler_is_named_within_half_a_minute() -> None:
    address = f"tcp://127.0.0.1:{clusters.free_port()}"
    began = time.monotonic()
    said = pytest.raises(BackendUnavailable, match=f"{address}: no Dask scheduler answers")
    with load_backend("dask", address=address) as backend, said:
        next(backend.map(abs, [1]))
    assert time.monotonic() - began < 30


def test_a_running_cluster_with_certificates_is_reached_by_those_of_dask_s_configuration(
    tmp_path: Path,
) -> None:
    import dask
    from distributed import LocalCluster
    from distributed.security import Security

    made = Security.temporary()
    files = {"ca-file": made.tls_ca_file, "client.cert": made.tls_client_cert}
    named = {}
    for name, text in (files | {"client.key": made.tls_client_key}).items():
        (tmp_path / name).write_text(text)
        named[f"distributed.comm.tls.{name}"] = str(tmp_path / name)
    options = {"n_workers": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(security=made, **options) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        with dask.config.set(named), load_backend("dask", address=address) as backend:
            assert list(backend.map(abs, [-1])) == [1]
        said = pytest.raises(BackendUnavailable, match=r"names none: set ca-file, client\.cert")
        with load_backend("dask", address=address) as backend, said:
            next(backend.map(abs, [1]))


def test_a_client_that_is_closed_ends_the_run(dask_scheduler: str) -> None:
    from distributed import Client

    with Client(dask_scheduler, set_as_default=False) as client:
        backend = load_backend("dask", client=client)
        results = backend.map(abs, count())
        assert next(results) >= 0
    with pytest.raises(BackendUnavailable):
        list(results)


def test_workers_without_landcover_are_told_apart(tmp_path: Path) -> None:
    blocker = tmp_path / "blocker" / "landcover"
    blocker.mkdir(parents=True)
    lines = "raise ModuleNotFoundError(\"No module named 'landcover'\", name='landcover')\n"
    (blocker / "__init__.py").write_text(lines)
    said = pytest.raises(BackendUnavailable, match="workers cannot import landcover")
    cluster = clusters.dask_cluster(tmp_path, PYTHONPATH=str(blocker.parent))
    with cluster as address, load_backend("dask", address=address) as backend, said:
        list(backend.map(abs, [1]))


def test_a_scheduler_that_goes_away_ends_the_run(tmp_path: Path) -> None:
    """What helps is told."""
    with clusters.dask_cluster(tmp_path) as address:
        backend = load_backend("dask", address=address)
        results = backend.map(abs, count())
        assert next(results) >= 0
    said = f"{address}: .*: once one answers there, the same command goes on with the run"
    with pytest.raises(BackendUnavailable, match=said):
        list(results)
    backend.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        ("CommClosedError", "once one answers there, the same command goes on"),
        ("FutureCancelledError", "once one answers there, the same command goes on"),
        ("TimeoutError", "no sign; the same command goes on"),
    ],
)
def test_whatever_dask_says_at_the_end_of_a_run_what_helps_is_told(
    dask_scheduler: str, error: str, helps: str
) -> None:
    import distributed
    from distributed.comm.core import CommClosedError

    from landcover.backends.dask_tasks import Tasks

    said = {
        "CommClosedError": CommClosedError("Stream is closed"),
        "FutureCancelledError": CancelledError("lost"),
        "TimeoutError": distributed.TimeoutError("no sign"),
    }[error]
    with (
        distributed.Client(dask_scheduler, set_as_default=False) as client,
        pytest.raises(BackendUnavailable, match=f"{dask_scheduler}: .*{helps}"),
    ):
        Tasks(client, abs, None)._give_up(said)


@pytest.mark.parametrize("address", ["10.0.0.5", "tcp://", "spark://host:7077/x y", 8786])
def test_an_address_that_is_none_is_refused(address: object) -> None:
    with pytest.raises(ConfigError, match="must look like tcp://host:8786"):
        load_backend("dask", address=address)


def test_all_mistakes_about_the_cluster_are_named() -> None:
    with pytest.raises(ConfigError, match=r"name two clusters.*must be a synchronous"):
        load_backend("dask", address="tcp://host:8786", client="tcp://host:8786")


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def _own_number() -> str:
    return str(os.getpid())


def _alone(
    folder: Path, item: int, name: Callable[[], str] = _own_number, seconds: float = 0.002
) -> int:
    mine = folder / name()
    mine.touch(exist_ok=False)
    time.sleep(seconds)
    mine.unlink()
    return item


def _scheduler(item: int) -> str:
    from distributed import get_worker

    return str(get_worker().scheduler.address)


def _pid(item: int) -> int:
    return os.getpid()


def _pid_after(gate: Path, item: int) -> int:
    _item_after(gate, item)
    return os.getpid()


def _item_after(gate: Path, item: int) -> int:
    deadline = time.monotonic() + 120
    while not gate.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return item


def _itself(item: int) -> int:
    return item


def _unfit_in_one_process(folder: Path, item: int, told: Callable[[int], int] = _itself) -> int:
    with suppress(FileExistsError):
        (folder / "unfit").symlink_to(str(os.getpid()))
    if str((folder / "unfit").readlink()) == str(os.getpid()):
        with (folder / "refused").open("a") as file:
            file.write(".")
        raise WorkerUnfit(f"host:{os.getpid()}", "no mount")
    return told(item)


def _refused_but_by_the_next(folder: Path, item: int) -> int:
    """Of two workers one dies, and the other refuses everything: left is the one that is started then."""
    for name in ("first", "second"):
        with suppress(FileExistsError):
            if not [path for path in folder.iterdir() if path.readlink() == Path(str(os.getpid()))]:
                (folder / name).symlink_to(str(os.getpid()))
    first, second = folder / "first", folder / "second"
    if first.readlink() == Path(str(os.getpid())):
        while not second.is_symlink():
            time.sleep(0.01)
        os._exit(1)
    if second.readlink() == Path(str(os.getpid())):
        while Path("/proc", first.readlink()).exists():
            time.sleep(0.01)
        raise WorkerUnfit(f"host:{os.getpid()}", "no mount")
    return item


def _ends_its_worker_once(folder: Path, item: int) -> int:
    with suppress(FileExistsError):
        (folder / "ended").touch(exist_ok=False)
        os._exit(1)
    return item


def _refused_once_at_30(folder: Path, item: int) -> tuple[int, int]:
    (folder / f"begun {item}").touch()
    while item < 2 and not (folder / f"begun {1 - item}").exists():
        time.sleep(0.01)  # so that both workers are in use, however long one takes to begin
    with suppress(FileExistsError):
        if item == 30:
            (folder / "refused").touch(exist_ok=False)
            raise WorkerUnfit(f"host:{os.getpid()}", "no mount")
    return item, os.getpid()


async def _until_busy(client: Client) -> str:
    """The address of the first worker that has something to do."""
    while True:
        processing = await client.scheduler.processing(workers=None)
        if busy := [worker for worker, tasks in processing.items() if tasks]:
            return str(busy[0])
        await asyncio.sleep(0.01)


async def _until_queued(client: Client) -> None:
    """Until the scheduler has something to do, and nobody who does it."""
    while not await client.run_on_scheduler(_waiting, asynchronous=True):
        await asyncio.sleep(0.01)


def _waiting(dask_scheduler: Scheduler) -> int:
    return len(dask_scheduler.queued) + len(dask_scheduler.unrunnable)


async def _until_empty(client: Client) -> None:
    while await client.scheduler.ncores():
        await asyncio.sleep(0.01)
