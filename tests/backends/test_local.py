from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

import pytest

from landcover.backends.closing import ClosingBackend
from landcover.backends.local import LocalBackend
from landcover.contracts import Backend, Lost
from landcover.errors import ConfigError
from landcover.machine import usable_cpus
from landcover.plugins import load_backend
from landcover.testing import BackendTests

T = TypeVar("T")
R = TypeVar("R")


class TestLocalBackend(BackendTests):
    name = "local"
    workers_are_processes = False

    @pytest.fixture
    def backend(self) -> Iterator[Backend]:
        with LocalBackend() as made:
            yield made


def test_workers_items_are_worked_on_at_once() -> None:
    together = threading.Barrier(3, timeout=30)
    with LocalBackend(workers=3) as backend:
        assert sorted(backend.map(lambda _: together.wait(), range(3))) == [0, 1, 2]


def test_what_a_backend_owns_ends_also_where_closing_its_maps_fails() -> None:
    ended: list[object] = []

    class Failing(ClosingBackend):
        def _results(
            self, function: Callable[[T], R], items: Iterable[T]
        ) -> Generator[R | Lost[T], None, None]:
            try:
                for item in items:
                    yield function(item)
            finally:
                ended.append("map")
                raise KeyboardInterrupt

    backend = Failing()
    backend._owned.callback(ended.append, "engine")
    with pytest.raises(KeyboardInterrupt), backend:
        maps = [backend.map(abs, [1, 2]) for _ in range(2)]
        assert [next(results) for results in maps] == [1, 1]
    assert ended == ["map", "map", "engine"]


def test_by_default_two_items_share_all_cpus() -> None:
    backend = load_backend("local")
    assert (backend.slots, backend.threads) == (2, usable_cpus())


def test_workers_and_threads_are_two_things() -> None:
    assert LocalBackend(workers=usable_cpus() + 3).threads == usable_cpus()
    one = LocalBackend(workers=1, threads=usable_cpus() + 3)
    assert (one.slots, one.threads) == (1, usable_cpus() + 3)


def test_all_impossible_counts_are_named() -> None:
    with pytest.raises(ConfigError, match=r"workers: must .* not 0; .*threads: must .* not 'all'"):
        load_backend("local", workers=0, threads="all")
    with pytest.raises(ConfigError, match=r"workers: must .* not True"):
        load_backend("local", workers=True)


def test_leaving_the_block_stops_what_is_under_way() -> None:
    started: list[int] = []
    with LocalBackend(workers=1) as backend:
        results = backend.map(started.append, range(1000))
        next(results)
    count = len(started)
    assert count < 10
    assert list(results) == []
    assert len(started) == count


def test_an_exception_drops_the_items_that_wait() -> None:
    started: list[int] = []

    def failing(item: int) -> None:
        started.append(item)
        raise KeyError(item)

    with LocalBackend(workers=1) as backend, pytest.raises(KeyError):
        list(backend.map(failing, range(1000)))
    assert len(started) < 4


def test_no_thread_outlives_its_map() -> None:
    with LocalBackend() as backend:
        list(backend.map(abs, range(10)))
    assert not [one for one in threading.enumerate() if one.name.startswith("landcover")]
