"""One run at a time, also where the lock changes under the hands of those who want it."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from landcover.errors import OutputError
from landcover.runs.lock import only_run
from landcover.runs.storage import HOLDER, LOCK, Storage

BEAT = 0.02
OTHER = b"by process 1 on another #abc "


def _gone(path: Path) -> None:
    path.unlink()


def _replaced(path: Path) -> None:
    path.unlink()
    path.write_text("by process 1 on another")


@pytest.mark.parametrize("meanwhile", [_gone, _replaced])
def test_a_lock_on_a_file_that_is_there_no_more_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Path], None]
) -> None:
    """Its holder removes it while this one has opened it, and perhaps a third has made it anew."""
    lockf = fcntl.lockf

    def late(file: object, flags: int) -> None:
        meanwhile(tmp_path / LOCK)
        lockf(file, flags)  # type: ignore[arg-type]

    monkeypatch.setattr("landcover.runs.lock.fcntl.lockf", late)
    before = meanwhile is _replaced
    with pytest.raises(OutputError, match="is being written"), only_run(Storage(str(tmp_path))):
        pass
    assert (tmp_path / LOCK).exists() is before
    monkeypatch.undo()
    with only_run(Storage(str(tmp_path))):
        assert f"by process {os.getpid()} on" in (tmp_path / LOCK).read_text()
    assert not (tmp_path / LOCK).exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EIO])
def test_where_files_cannot_be_locked_no_run_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(file: object, flags: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("landcover.runs.lock.fcntl.lockf", refused)
    told = rf"files cannot be locked there \({os.strerror(number)}\).*another file system"
    with pytest.raises(OutputError, match=told), only_run(Storage(str(tmp_path))):
        pytest.fail("two runs might mix")


def test_a_lock_that_cannot_be_removed_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that has come to its end is not called a defect for that."""

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    with only_run(Storage(str(tmp_path))):
        monkeypatch.setattr(Path, "unlink", refuse)
    assert (tmp_path / LOCK).exists()
    monkeypatch.undo()
    with only_run(Storage(str(tmp_path))) as token:
        assert (tmp_path / HOLDER).read_text() == token
    assert not (tmp_path / LOCK).exists()


def test_a_lock_that_cannot_be_closed_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(io.FileIO):
        def close(self) -> None:
            if not self.closed:
                super().close()
                raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "fdopen", Refusing)
    with only_run(Storage(str(tmp_path))):
        pass
    monkeypatch.undo()
    with only_run(Storage(str(tmp_path))):
        pass


@dataclass(frozen=True)
class Watched(Storage):
    """A storage behind a URL that says what is written there as a lock."""

    written: list[bytes] = field(default_factory=list)
    later: Callable[[int], None] = lambda count: None
    failing: Exception | None = None
    beats: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def put(self, name: str, content: bytes) -> None:
        self.written.append(content)
        if len(self.written) == 2 and self.failing:
            raise self.failing
        super().put(name, content)
        self.later(len(self.written))
        self.beats.release()

    def put_new(self, name: str, content: bytes) -> bool:
        self.put(name, content)
        return True

    def read(self, name: str) -> bytes:
        content = super().read(name)
        if content.startswith(OTHER):
            self.beats.release()
        return content


@pytest.fixture
def url() -> str:
    return f"memory://{uuid.uuid4().hex}/run"


def test_of_two_runs_that_start_together_behind_a_url_one_goes_on(url: str) -> None:
    plain = Storage(url)
    storage = Watched(url, later=lambda count: plain.put(LOCK, OTHER + b"0"))
    with (
        pytest.raises(OutputError, match="is being written by process 1 on another:"),
        only_run(storage, BEAT),
    ):
        pytest.fail("the other one wrote last, and goes on")
    assert plain.read(LOCK) == OTHER + b"0"


def test_a_lock_behind_a_url_changes_with_every_beat_and_goes_with_its_run(url: str) -> None:
    storage = Watched(url)
    with only_run(storage, BEAT):
        for _ in range(4):
            assert storage.beats.acquire(timeout=60)
    assert len(set(storage.written)) == len(storage.written) >= 4
    assert not storage.exists(LOCK)


def test_no_two_runs_hold_a_lock_behind_a_url_by_the_same_mark(url: str) -> None:
    """Two processes of one number run on two hosts of one name, as in containers."""
    marks = []
    for _ in range(2):
        with only_run(Storage(url), BEAT) as mark:
            marks.append(mark)
    assert marks[0] != marks[1]


@pytest.mark.parametrize(
    "failing",
    [
        OutputError(LOCK, "cannot be written: the store is busy"),
        ValueError("what a client of a store makes of an answer that it cannot read"),
    ],
)
def test_a_store_that_fails_for_a_moment_does_not_end_the_beats(
    failing: Exception, url: str
) -> None:
    storage = Watched(url, failing=failing)
    with only_run(storage, BEAT):
        for _ in range(3):
            assert storage.beats.acquire(timeout=60)
    assert len(storage.written) >= 4


def test_the_lock_of_another_is_neither_written_over_nor_removed(url: str) -> None:
    plain, storage = Storage(url), Watched(url)
    with only_run(storage, BEAT):
        plain.put(LOCK, OTHER + b"7")
        while storage.beats.acquire(blocking=False):
            pass
        for _ in range(4):
            assert storage.beats.acquire(timeout=60)
    assert plain.read(LOCK) == OTHER + b"7"


def test_a_lock_is_not_written_over_where_a_store_knows_no_new_files(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder would take the directory for lost, though it beats."""
    plain = Storage(url)
    plain.put(LOCK, OTHER + b"0")
    monkeypatch.setattr(threading.Event, "wait", lambda *_: plain.put(LOCK, OTHER + b"1"))
    storage = Watched(url)
    with pytest.raises(OutputError, match="is being written by process 1"), only_run(storage, BEAT):
        pytest.fail("its holder is alive")
    assert storage.written == []


def test_a_lock_whose_beat_comes_late_is_left_alone(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Storage(url)
    plain.put(LOCK, OTHER + b"0")

    def time_goes_by(self: threading.Event, seconds: float) -> bool:
        if seconds >= 2 * BEAT:  # a whole beat late
            plain.put(LOCK, OTHER + b"1")
        return False

    monkeypatch.setattr(threading.Event, "wait", time_goes_by)
    with (
        pytest.raises(OutputError, match="is being written by process 1 on another:"),
        only_run(plain, BEAT),
    ):
        pytest.fail("it has beaten meanwhile")
