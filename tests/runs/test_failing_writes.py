"""Disks that are full: a map is right or not there, and the sentence says where."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from support.grids import square_grid
from support.maps import gdal_map, write_maps

from landcover.classes import scheme
from landcover.errors import OutputError
from landcover.runs.claiming import claim, ended_run, erase
from landcover.runs.directory import RunDirectory
from landcover.runs.lock import only_run
from landcover.runs.map_format.grid import SceneGrid
from landcover.runs.parts import Part, finished, write_part
from landcover.runs.pixels import PixelBlock
from landcover.runs.storage import HOLDER, Storage

MakePart = Callable[..., Part]


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """The system refuses to write a file any further, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [0, 100, 1000, 5000, 20_000, 60_000, 120_000])
def test_a_map_that_cannot_be_written_is_not_there_and_is_made_later(
    tmp_path: Path, make_part: MakePart, size: int
) -> None:
    run = RunDirectory(str(tmp_path / "run"), scheme("nlcd6"))
    run.storage.prepare("tiles", "quarantine", "pixels")
    codes = np.random.default_rng(3).choice([20, 30, 255], (600, 700)).astype(np.uint8)
    transform = (1.0, 0.0, 4e5, 0.0, -1.0, 5.2e6)
    scene = SceneGrid("a.tif", "EPSG:26914", transform, square_grid(700, 600, 64, 0, 64))
    block = PixelBlock("a.tif", codes, 0, 0, transform, scene.crs)
    write_part(run, make_part(0, [], pixels=block))
    whole = gdal_map(tmp_path / "whole.tif", codes, scene.map_grid("pixel"), scheme("nlcd6"))
    assert whole.stat().st_size > 120_000
    with no_file_above(size), pytest.raises(OutputError, match="cannot be written"):
        write_maps(run, [scene], "pixel")
    assert not run.storage.exists("map.tif")
    write_maps(run, [scene], "pixel")
    assert run.storage.read("map.tif") == whole.read_bytes()
    assert not [name for name in run.storage.names() if name.startswith(".")]


def test_what_is_read_back_must_be_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that says it has written and has not: the last bytes are lost on their way."""

    def lost(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        if path.is_file():
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size - 1)

    monkeypatch.setattr("landcover.runs.storage.os.fsync", lost)
    with pytest.raises(OutputError, match="read back is not what was written"):
        Storage(str(tmp_path)).put("a.tif", b"some content")
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_which_something_cannot_be_removed_does_not_become_another_one(
    tmp_path: Path, make_part: MakePart, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, unlink = str(tmp_path / "run"), os.unlink
    with claim(where, {"model": "a"}, scheme("nlcd6"), {}) as run:
        write_part(run, make_part())

    def fails(path: str | Path, **folder: int) -> None:
        if Path(path).name.startswith("part-"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        unlink(path, **folder)

    monkeypatch.setattr(os, "unlink", fails)
    with pytest.raises(OutputError, match=r"tiles.*[Ii]nput/output error"):
        erase(where)
    other = {"model": "b"}
    with pytest.raises(OutputError, match="model"), claim(where, other, scheme("nlcd6"), {}):
        pass
    monkeypatch.setattr(os, "unlink", unlink)
    erase(where)
    with claim(where, other, scheme("nlcd6"), {}) as run:
        assert finished(run) == {}


def test_content_is_on_the_disk_before_its_name_and_the_name_before_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut a name must not stand for less than all of its content."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def flushed(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        size = "" if path.is_dir() else f", {path.stat().st_size} bytes"
        done.append(f"{'folder' if path.is_dir() else 'file'}{size}")
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        done.append(f"renamed to {target.name}")
        return replace(self, target)

    monkeypatch.setattr("landcover.runs.storage.os.fsync", flushed)
    monkeypatch.setattr(Path, "replace", renamed)
    Storage(str(tmp_path)).put_chunks("a.tif", [b"some ", b"content"])
    assert done == ["file, 12 bytes", "renamed to a.tif", "folder"]


def test_a_run_is_believed_to_be_done_once_the_disk_holds_that_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who said so may have been killed before its name was flushed."""
    what, flushed = (str(tmp_path / "run"), {"model": "a"}, scheme("nlcd6")), []
    with claim(*what, {}) as run:
        run.finish({})
    monkeypatch.setattr("landcover.runs.storage.flush_folder", flushed.append)
    assert ended_run(*what) == run and flushed == [tmp_path / "run"]

    def fails(folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("landcover.runs.storage.flush_folder", fails)
    with pytest.raises(OutputError, match="cannot be written: Input/output error"):
        ended_run(*what)


@pytest.mark.parametrize("place", [5, 2**22 + 5])
def test_what_is_read_back_is_looked_at_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """One byte of several megabytes is another on the disk."""
    Storage(str(tmp_path / "good")).prepare()
    Storage(str(tmp_path / "good")).put("a.tif", bytes(2**22 + 10))
    assert (tmp_path / "good" / "a.tif").stat().st_size == 2**22 + 10

    def turned(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        if path.is_file():
            with path.open("r+b") as file:
                file.seek(place)
                file.write(b"x")

    monkeypatch.setattr("landcover.runs.storage.os.fsync", turned)
    with pytest.raises(OutputError, match="read back is not what was written"):
        Storage(str(tmp_path)).put("a.tif", bytes(2**22 + 10))
    assert [path.name for path in tmp_path.iterdir()] == ["good"]


@pytest.mark.parametrize(("number", "fails"), [(errno.EIO, True), (errno.EINVAL, False)])
def test_a_folder_that_cannot_be_flushed_is_an_error_unless_its_file_system_knows_no_such_thing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fails: bool
) -> None:
    fsync = os.fsync

    def flushed(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").resolve().is_dir():
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr("landcover.runs.storage.os.fsync", flushed)
    expected = pytest.raises(OutputError, match="cannot be written") if fails else nullcontext()
    with expected:
        Storage(str(tmp_path)).put("a.tif", b"content")


def test_a_run_whose_token_found_no_room_goes_on_once_there_is_some(tmp_path: Path) -> None:
    """What is there of the token is another one, and nobody has taken the directory over."""
    with ExitStack() as held:
        with no_file_above(3):
            token = held.enter_context(only_run(Storage(str(tmp_path))))
        Storage(str(tmp_path), token).put("a.txt", b"content")
        assert (tmp_path / HOLDER).read_bytes() != token.encode()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_many_small_files_are_whole_or_not_there_and_are_waited_for_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, waited = Storage(str(tmp_path)), []
    storage.put_quickly("a.txt", b"before")
    with no_file_above(3), pytest.raises(OutputError, match="cannot be written"):
        storage.put_quickly("a.txt", b"later")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.txt", b"before")]
    monkeypatch.setattr(os, "sync", lambda: waited.append("all"))
    storage.settle()
    assert waited == ["all"]


@pytest.mark.parametrize(
    ("number", "times", "goes"),
    [(errno.ENOTEMPTY, 3, True), (errno.ENOENT, 3, True), (errno.ENOTEMPTY, 99, False)],
)
def test_a_folder_goes_though_others_write_to_it_or_remove_it_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, times: int, goes: bool
) -> None:
    (tmp_path / "maps" / "deep").mkdir(parents=True)
    rmtree, tried = shutil.rmtree, []

    def hindered(path: Path) -> None:
        tried.append(path)
        if len(tried) <= times:
            raise OSError(number, os.strerror(number))
        rmtree(path)

    monkeypatch.setattr("landcover.local_files.shutil.rmtree", hindered)
    with nullcontext() if goes else pytest.raises(OutputError, match=os.strerror(number)):
        Storage(str(tmp_path)).remove_folder("maps")
    assert (tmp_path / "maps").exists() is not goes


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room there, then give the same command again"),
        (errno.EDQUOT, "make room there, then give the same command again"),
        (errno.EIO, "mend the disk, or name another place, then give the same command again"),
        (errno.EROFS, "name another place, or let it be written to"),
        (errno.ENOENT, "its folder is gone, perhaps removed"),
    ],
)
def test_what_helps_is_told_where_a_disk_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def refused(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refused)
    with pytest.raises(OutputError, match=f"written: {os.strerror(number)}: {remedy}"):
        Storage(str(tmp_path)).put("a.txt", b"1")
    assert list(tmp_path.iterdir()) == []
