"""A process apart does one item after another, and another one takes over where it dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from landcover import testing
from landcover.backends.apart import ProcessBackend
from landcover.contracts import Lost


@pytest.fixture
def backend() -> Iterator[ProcessBackend]:
    with ProcessBackend(3) as made:
        yield made
    assert not [
        one for one in psutil.Process().children() if "landcover.backends.apart" in one.cmdline()
    ]


def test_an_item_under_which_it_dies_is_lost_and_the_next_has_another_process(
    backend: ProcessBackend,
) -> None:
    assert (backend.slots, backend.threads) == (1, 3)
    deadly = backend.map(os._exit, [7])
    [lost] = deadly
    assert isinstance(lost, Lost)
    assert (lost.item, lost.died) == (7, True) and "ended with code 7" in lost.reason
    [killed] = backend.map(signal.raise_signal, [signal.SIGKILL])
    assert isinstance(killed, Lost) and "signal 9 (Killed)" in killed.reason
    processes = set(backend.map(testing._process, range(3)))
    assert len(processes) == 1 and os.getpid() not in processes


def test_what_it_cannot_do_is_lost_though_it_lives_and_an_exception_comes_home(
    backend: ProcessBackend,
) -> None:
    results = list(backend.map(testing._never_fit, [1, 3, 2]))
    assert [result for result in results if not isinstance(result, Lost)] == [1, 2]
    [lost] = [result for result in results if isinstance(result, Lost)]
    assert (lost.item, lost.died) == (3, False) and "no credentials" in lost.reason
    with pytest.raises(ZeroDivisionError):
        list(backend.map(testing._inverse, [0]))
