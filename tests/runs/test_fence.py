"""The lock behind a URL: it outlives errors of its store, and who has lost it writes nothing more."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field

import pytest
from azure.core.exceptions import HttpResponseError

from landcover.classes import scheme
from landcover.errors import RunReplaced
from landcover.runs.claiming import claim
from landcover.runs.lock import only_run
from landcover.runs.storage import LOCK, Storage

BEAT = 0.02
OTHER = b"by process 1 on another #abc 0"


@pytest.fixture
def url() -> str:
    return f"memory://{uuid.uuid4().hex}/run"


@dataclass(frozen=True)
class Failing(Storage):
    """A storage whose lock cannot be read for some beats, with an error of any kind."""

    left: list[Exception] = field(default_factory=list)
    beats: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def put(self, name: str, content: bytes) -> None:
        super().put(name, content)
        self.beats.release()

    def read(self, name: str) -> bytes:
        if self.left and threading.current_thread() is not threading.main_thread():
            raise self.left.pop()
        return super().read(name)


def test_the_lock_is_renewed_after_errors_of_any_kind(url: str) -> None:
    errors = [OSError("reset"), HttpResponseError("503"), TimeoutError(), ValueError("odd")]
    storage = Failing(url, left=errors)
    with only_run(storage, BEAT) as token:
        assert storage.beats.acquire(timeout=60)
        assert storage.beats.acquire(timeout=60)
        assert storage.left == []
        assert storage.read(LOCK).startswith(token.encode())


def test_who_has_been_replaced_writes_nothing_more(url: str) -> None:
    with claim(url, {"model": "m"}, scheme("nlcd6"), {}, BEAT) as run:
        run.storage.put("before.txt", b"1")
        Storage(url).put(LOCK, OTHER)
        for write in (
            lambda: run.storage.put("after.txt", b"2"),
            lambda: run.storage.put_new("after.txt", b"2"),
            lambda: run.storage.remove("before.txt"),
            lambda: run.finish({}),
        ):
            with pytest.raises(RunReplaced, match="taken this directory over"):
                write()
    assert Storage(url).names() == [LOCK, "before.txt", "run.json"]
    assert Storage(url).read(LOCK) == OTHER


def test_of_a_write_whose_answer_was_lost_the_content_tells_that_it_was_made(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    from landcover.stores import asking

    monkeypatch.setattr(asking, "_WAITS", (0.0, 0.0))
    pipe, calls = MemoryFileSystem.pipe_file, []

    def lost(self: MemoryFileSystem, path: str, value: bytes, **options: str) -> None:
        calls.append(path)
        pipe(self, path, value, **options)
        if len(calls) == 1:
            raise ConnectionResetError("the answer is lost")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", lost)
    assert Storage(url).put_new("a.txt", b"ours")
    assert len(calls) == 2
    assert not Storage(url).put_new("a.txt", b"theirs")
    assert Storage(url).read("a.txt") == b"ours"
