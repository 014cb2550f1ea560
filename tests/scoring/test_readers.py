"""Threads that read ahead: what counts as the time of a read, and what becomes of one that hangs."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from landcover.scoring.readers import Limits, Readers


def test_a_read_takes_time_from_when_it_begins_and_not_while_it_waits_for_a_thread() -> None:
    readers, begun, release = Readers(1), threading.Event(), threading.Event()

    def first() -> int:
        begun.set()
        release.wait()
        return 1

    one, other = readers.submit(first), readers.submit(lambda: 2)
    begun.wait()
    assert one.begun is not None
    assert other.begun is None
    release.set()
    assert (one.result(Limits()), other.result(Limits())) == (1, 2)
    assert other.begun is not None and other.begun >= one.begun
    readers.close()


def test_a_read_that_runs_out_of_time_by_itself_says_so_at_once() -> None:
    readers = Readers(1)

    def fails() -> None:
        raise TimeoutError("the server did not answer")

    with pytest.raises(TimeoutError, match="the server did not answer"):
        readers.submit(fails).result(Limits(timeout=1))
    readers.close()


def test_a_read_that_hangs_does_not_keep_the_process_from_ending() -> None:
    code = (
        "import threading\n"
        "from landcover.scoring.readers import Readers\n"
        "Readers(1).submit(threading.Event().wait)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
