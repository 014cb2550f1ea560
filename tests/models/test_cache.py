"""The cache is one user's: what others may have put there is not used, and no link of it is followed."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from landcover.errors import OutputError
from landcover.models import cache as models_cache
from landcover.models.cache import alone, cache_folder, cached, noted, own_folder
from landcover.scoring.tuning import Tuning


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LANDCOVER_CACHE", str(tmp_path / "cache"))
    return cache_folder()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    file = tmp_path / "outside"
    file.write_text("theirs")
    return file


def _write(path: Path) -> None:
    path.write_text("made")


def _refuse(*_: object, **__: object) -> NoReturn:
    raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


def test_what_is_made_is_nobody_elses(cache: Path) -> None:
    cached("a/b.txt", _write)
    for folder in (cache, cache / "a"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o722, 0o1777])
def test_a_cache_that_others_may_write_into_is_refused(cache: Path, mode: int) -> None:
    cache.mkdir()
    cache.chmod(mode)
    with pytest.raises(OutputError, match=rf"cache: others may write .* {mode:o}.*LANDCOVER_CACHE"):
        cached("a/b.txt", _write)
    assert stat.S_IMODE(cache.stat().st_mode) == mode  # it may be a folder for all


def test_where_the_cache_cannot_be_made_it_is_said_how_another_one_is_named(
    cache: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins = r"this cache cannot be used \((Not a directory|Disk quota exceeded)\): name another"
    monkeypatch.setenv("LANDCOVER_CACHE", str(outside / "cache"))
    with pytest.raises(OutputError, match=begins):
        cached("a/b.txt", _write)
    monkeypatch.setenv("LANDCOVER_CACHE", str(cache))
    for call in ("open_lock", "mkdtemp"):
        with monkeypatch.context() as disk:
            target = tempfile if call == "mkdtemp" else models_cache
            disk.setattr(target, call, _refuse)
            with pytest.raises(OutputError, match=begins):
                cached("a/b.txt", _write)
    assert cached("a/b.txt", _write).read_text() == "made"


def test_one_that_others_may_read_and_one_that_is_a_link_are_the_users_own_choice(
    cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "scratch").mkdir(mode=0o755)
    cache.symlink_to(tmp_path / "scratch")
    assert cached("a/b.txt", _write).read_text() == "made"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("place", [".", "a", "a/b.txt"])
def test_what_belongs_to_another_user_is_refused(cache: Path, place: str) -> None:
    cached("a/b.txt", _write)
    os.lchown(cache / place, 65534, 65534)
    with pytest.raises(OutputError) as told:
        cached("a/b.txt", _write)
    assert "belongs to another user" in str(told.value) and str(cache / place) in str(told.value)


@pytest.mark.parametrize("place", ["a", "a/b.txt", "a/.b.txt.lock"])
def test_links_in_the_cache_are_not_followed(cache: Path, outside: Path, place: str) -> None:
    own_folder("" if place == "a" else "a")
    (cache / place).symlink_to(outside if "." in place else outside.parent)
    with pytest.raises(OSError, match="is a link"):
        cached("a/b.txt", _write)
    assert outside.read_text() == "theirs"
    assert not (outside.parent / "b.txt").exists()


def test_a_note_takes_the_place_of_a_link_or_a_pipe(cache: Path, outside: Path) -> None:
    place = own_folder("tuning") / "a.json"
    for put in (lambda: place.symlink_to(outside), lambda: os.mkfifo(place)):
        place.unlink(missing_ok=True)
        put()
        noted(place, "{}")
        assert place.read_text() == "{}" and not place.is_symlink()
    assert outside.read_text() == "theirs"


def test_nothing_is_noted_where_a_folder_is_a_link(cache: Path, outside: Path) -> None:
    cache.mkdir(mode=0o700)
    (cache / "tuning").symlink_to(outside.parent)
    noted(cache / "tuning/a.json", "{}")
    assert not (outside.parent / "a.json").exists()


def test_what_nobody_has_measured_is_no_tuning() -> None:
    for batch, speed in ((0, 1.0), (10**9, 1.0), (8, float("nan")), (8, -1.0)):
        with pytest.raises(ValueError, match="nobody has measured"):
            Tuning(batch, speed)


def test_what_is_measured_is_locked_and_noted_in_no_folder_elsewhere(
    cache: Path, outside: Path
) -> None:
    cache.mkdir(mode=0o700)
    (cache / "tuning").symlink_to(outside.parent)
    before = sorted(outside.parent.iterdir())
    with pytest.raises(OutputError, match="is a link"), alone(cache / "tuning/a.json"):
        pass
    assert sorted(outside.parent.iterdir()) == before


def test_a_cache_that_is_full_is_named_with_what_names_another(cache: Path) -> None:
    with pytest.raises(OutputError, match=f"{cache}.*Disk quota exceeded.*in LANDCOVER_CACHE"):
        cached("kind/name", _refuse)


@pytest.mark.parametrize("folder", [False, True])
def test_where_files_cannot_be_locked_each_process_makes_what_the_first_leaves_there(
    cache: Path, monkeypatch: pytest.MonkeyPatch, folder: bool
) -> None:
    def refuses(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    def make(path: Path) -> None:
        if folder:
            path.mkdir()
        (path / "file" if folder else path).write_text("made")

    def make_as_another_does(path: Path) -> None:
        cached("kind/name", make)
        make(path)

    monkeypatch.setattr("landcover.models.cache.fcntl.flock", refuses)
    found = cached("kind/name", make_as_another_does)
    assert (found / "file" if folder else found).read_text() == "made"
    assert not list(found.parent.glob(".making-*"))
