"""Who holds a directory: the lock outlives errors of a store, and who has lost it writes nothing more."""

from __future__ import annotations

import errno
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from fsspec.implementations.memory import MemoryFileSystem

from landcover.classes import scheme
from landcover.errors import OutputError, RunReplaced
from landcover.local_files import TEMPORARY
from landcover.runs.claiming import claim, erase
from landcover.runs.lock import only_run
from landcover.runs.parts import Part, finished, write_part
from landcover.runs.storage import HOLDER, LOCK, Storage
from landcover.stores import asking

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


def test_who_is_replaced_while_a_map_is_made_does_not_write_it(place: str) -> None:
    with claim(place, {"model": "m"}, scheme("nlcd6"), {}, BEAT) as run:
        holder = LOCK if run.storage.local is None else HOLDER

        def made() -> Iterator[bytes]:
            yield b"the first half"
            Storage(place).put(holder, OTHER)
            yield b"the second"

        with pytest.raises(RunReplaced, match="taken this directory over"):
            run.storage.put_chunks("map.tif", made())
        assert not Storage(place).exists("map.tif")
        assert not [name for name in Storage(place).names() if name.startswith(TEMPORARY)]


def test_who_has_been_replaced_writes_nothing_more(url: str) -> None:
    with claim(url, {"model": "m"}, scheme("nlcd6"), {}, BEAT) as run:
        run.storage.put("before.txt", b"1")
        run.storage.put("tiles/before.txt", b"1")
        Storage(url).put(LOCK, OTHER)
        for write in (
            lambda: run.storage.put("after.txt", b"2"),
            lambda: run.storage.put_new("after.txt", b"2"),
            lambda: run.storage.put_chunks("after.txt", [b"2"]),
            lambda: run.storage.remove("before.txt"),
            lambda: run.storage.remove_folder("tiles"),
            lambda: run.storage.clear(),
            lambda: run.finish({}),
        ):
            with pytest.raises(RunReplaced, match="taken this directory over"):
                write()
    assert Storage(url).names() == [LOCK, "before.txt", "run.json", "tiles"]
    assert Storage(url).names("tiles") == ["before.txt"]
    assert Storage(url).read(LOCK) == OTHER


def test_behind_a_url_a_lock_that_is_gone_is_nobodys(url: str) -> None:
    with claim(url, {"model": "m"}, scheme("nlcd6"), {}, BEAT) as run:
        Storage(url).remove(LOCK)
        with pytest.raises(RunReplaced, match="taken this directory over, or removed it"):
            run.storage.put("after.txt", b"2")


def test_who_removes_everything_goes_on_holding_the_directory(url: str) -> None:
    with claim(url, {"model": "m"}, scheme("nlcd6"), {}, BEAT) as run:
        run.storage.put("tiles/a.txt", b"1")
        run.storage.clear()
        assert run.storage.names() == [LOCK]
        run.storage.put("b.txt", b"2")


def test_who_erases_a_run_and_is_replaced_meanwhile_removes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = str(tmp_path / "run")
    with claim(where, {"model": "m"}, scheme("nlcd6"), {}) as run:
        run.storage.put("map.tif", b"a map")
    remove_folder = Storage.remove_folder

    def late(storage: Storage, folder: str) -> None:
        (tmp_path / "run" / HOLDER).write_text("another")
        remove_folder(storage, folder)

    monkeypatch.setattr(Storage, "remove_folder", late)
    with pytest.raises(RunReplaced, match="taken this directory over"):
        erase(where)
    assert run.storage.read("map.tif") == b"a map"


def test_workers_whose_driver_is_gone_write_nothing_into_the_run_of_another_one(
    tmp_path: Path, make_part: Callable[..., Part]
) -> None:
    where = str(tmp_path / "run")
    with claim(where, {"model": "a"}, scheme("nlcd6"), {}) as gone:
        pass
    erase(where)
    with claim(where, {"model": "b"}, scheme("nlcd6"), {}) as run:
        for write in (
            lambda: write_part(gone, make_part()),
            lambda: gone.storage.put_quickly("a.txt", b"1"),
            lambda: gone.storage.remove("run.json"),
            lambda: gone.storage.remove_folder("tiles"),
        ):
            with pytest.raises(RunReplaced, match="taken this directory over"):
                write()
        assert finished(run) == {}
        write_part(run, make_part())
        assert list(finished(run)) == [0]
    assert not [name for name in run.storage.names() if name.startswith(".")]


def test_what_workers_that_go_on_remove_meanwhile_is_swept_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / f".writing-{name}").touch()
        (tmp_path / f".writing-folder-{name}").mkdir()
    unlink, rmdir = Path.unlink, os.rmdir

    def others(path: Path, missing_ok: bool = False) -> None:
        for each in tmp_path.glob(".writing-?"):
            unlink(each, missing_ok=True)
        unlink(path, missing_ok=missing_ok)

    def other(*arguments: Any, **options: Any) -> None:
        rmdir(*arguments, **options)
        raise FileNotFoundError(errno.ENOENT, "somebody else was quicker")

    monkeypatch.setattr(Path, "unlink", others)
    monkeypatch.setattr(os, "rmdir", other)
    Storage(str(tmp_path)).sweep("")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["link", "pipe"])
def test_what_a_stranger_has_put_in_the_place_of_the_token_is_not_written_to(
    tmp_path: Path, what: str
) -> None:
    other, run = tmp_path / "other.txt", tmp_path / "run"
    other.write_text("dear")
    run.mkdir()
    if what == "link":
        (run / HOLDER).symlink_to(other)
    else:
        os.mkfifo(run / HOLDER)
    with only_run(Storage(str(run))) as token:
        assert Storage(str(run), token).read(HOLDER) == token.encode()
    assert other.read_text() == "dear"
    assert list(run.iterdir()) == []


def test_of_a_write_whose_answer_was_lost_the_content_tells_that_it_was_made(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_removal_whose_answer_was_lost_is_one(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_WAITS", (0.0, 0.0))
    remove, calls = MemoryFileSystem.rm_file, []

    def lost(self: MemoryFileSystem, path: str) -> None:
        calls.append(path)
        remove(self, path)
        raise ConnectionResetError("the answer is lost")

    Storage(url).put("a.txt", b"ours")
    monkeypatch.setattr(MemoryFileSystem, "rm_file", lost)
    Storage(url).remove("a.txt")
    assert len(calls) == 2 and Storage(url).names() == []


def test_a_store_that_keeps_less_than_it_was_sent_has_not_written(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, put = MemoryFileSystem.pipe_file, MemoryFileSystem.put_file

    def piped(self: MemoryFileSystem, path: str, value: bytes, **options: str) -> None:
        pipe(self, path, value[:-1], **options)

    def sent(self: MemoryFileSystem, local: str, path: str) -> None:
        os.truncate(local, Path(local).stat().st_size - 1)
        put(self, local, path)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", piped)
    monkeypatch.setattr(MemoryFileSystem, "put_file", sent)
    for number, write in enumerate((Storage(url).put, Storage(url).put_new)):
        with pytest.raises(OutputError, match="3 of 4 bytes have arrived"):
            write(f"{number}.txt", b"ours")
    with pytest.raises(OutputError, match="3 of 4 bytes have arrived"):
        Storage(url).put_chunks("a.txt", [b"ou", b"rs"])
