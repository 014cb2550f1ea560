"""Whose a run directory is, and that only one run writes it."""

from __future__ import annotations

import errno
import json
import os
import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

from landcover.classes import scheme
from landcover.errors import OutputError
from landcover.local_files import TEMPORARY
from landcover.runs.claiming import Overtaken, ended_run, looked_at
from landcover.runs.claiming import claim as claim_with
from landcover.runs.directory import MANIFEST, RunDirectory
from landcover.runs.lock import forget_left_over
from landcover.runs.storage import Storage

MINE = {"model": "m1", "grid": {"tile": 224}}
CLASSES = scheme("nlcd6")
claim = partial(claim_with, beat=0.02)


def test_a_new_run_says_so_from_the_start(place: str) -> None:
    with claim(place, MINE, CLASSES, {"config": {"tile": 224}}) as run:
        said = run.manifest()
    assert said["status"] == "running"
    assert said["config"] == {"tile": 224}
    assert said["fingerprint"]["model"] == "m1"
    assert len(said["fingerprint"]["digest"]) == 64
    assert RunDirectory.open(place).scheme == CLASSES


def test_the_summary_joins_the_manifest_at_the_end(place: str) -> None:
    with claim(place, MINE, CLASSES, {"config": {}}) as run:
        run.finish({"tiles": {"planned": 3}})
    said = run.manifest()
    assert (said["status"], said["tiles"], said["config"]) == ("done", {"planned": 3}, {})
    assert said["started"] <= said["finished"]
    for time in (said["started"], said["finished"]):
        assert datetime.fromisoformat(time).utcoffset() == timedelta(0)


def test_parts_of_plans_of_more_than_a_million_tasks_are_found(place: str) -> None:
    with claim(place, MINE, CLASSES, {}) as run:
        for name in ("000007", "1000007", "200000"):
            run.storage.put(f"tiles/part-{name}.parquet", b"x")
        assert run.parts("tiles") == [7, 200_000, 1_000_007]


def test_names_come_in_their_order_whatever_that_of_the_disk(tmp_path: Path) -> None:
    names = [f"{number * 37 % 101:03}" for number in range(101)]
    for name in names:
        (tmp_path / name).touch()
    assert Storage(str(tmp_path)).names() == sorted(names)


def test_an_interrupted_run_goes_on_and_keeps_its_beginning(place: str) -> None:
    with claim(place, MINE, CLASSES, {}) as run:
        run.storage.put("tiles/part-000007.parquet", b"x")
        said = run.manifest()
        run.storage.put(MANIFEST, json.dumps({**said, "started": "2017-04-01"}).encode())
    with claim(place, MINE, CLASSES, {}) as run:
        assert run.parts("tiles") == [7]
        assert run.manifest()["started"] == "2017-04-01"


@pytest.mark.parametrize(
    ("other", "classes", "named"),
    [
        ({**MINE, "model": "m2"}, CLASSES, "another model"),
        ({**MINE, "grid": {"tile": 256}}, CLASSES, "another grid"),
        ({**MINE, "recipe": 1}, CLASSES, "another recipe"),
        ({"model": "m1"}, CLASSES, "another grid"),
        (MINE, scheme("nlcd3"), "another classes"),
    ],
)
def test_another_job_is_refused_and_told_what_differs(
    place: str, other: dict[str, object], classes: object, named: str
) -> None:
    with claim(place, MINE, CLASSES, {}):
        pass
    before = Storage(place).read(MANIFEST)
    with (
        pytest.raises(OutputError, match=f"belongs to another run, with {named}"),
        claim(place, other, classes, {}),  # type: ignore[arg-type]
    ):
        pass
    assert Storage(place).read(MANIFEST) == before


def test_what_goes_into_a_fingerprint_is_not_called_like_the_whole(place: str) -> None:
    """It would be taken for it, and not be compared."""
    with (
        pytest.raises(ValueError, match="'digest' stands for the whole fingerprint"),
        claim(place, {**MINE, "digest": "d"}, CLASSES, {}),
    ):
        pass


def test_a_run_that_is_done_is_told_from_all_others(place: str) -> None:
    assert ended_run(place, MINE, CLASSES) is None
    with claim(place, MINE, CLASSES, {}) as run:
        assert ended_run(place, MINE, CLASSES) is None
        run.finish({"retryable": 3})
        assert ended_run(place, MINE, CLASSES) is None
        run.finish({"retryable": 0})
    assert ended_run(place, MINE, CLASSES) == run
    assert ended_run(place, {**MINE, "another": 1}, CLASSES) is None


def test_a_run_that_is_done_may_try_again_what_may_not_fail_again(place: str) -> None:
    with claim(place, MINE, CLASSES, {}) as run:
        run.finish({"retryable": 3})
    with claim(place, MINE, CLASSES, {}) as run:
        assert run.manifest()["status"] == "running"


def test_what_was_decided_before_another_command_wrote_is_not_done(place: str) -> None:
    looked = looked_at(place)
    assert looked == b""
    with claim(place, MINE, CLASSES, {}, looked=looked) as run:
        run.finish({})
    with pytest.raises(Overtaken), claim(place, MINE, CLASSES, {}, looked=looked):
        pytest.fail("another command has done it meanwhile")
    assert run.manifest()["status"] == "done"
    with claim(place, MINE, CLASSES, {}, looked=looked_at(place)) as run:
        assert run.manifest()["status"] == "running"


def _told_in_one_go(place: str, error: type[BaseException] = ZeroDivisionError) -> None:
    with pytest.raises(error), claim(place, MINE, CLASSES, {}, at_once=True) as run:
        run.storage.put("tiles/a.tif", b"x")
        raise ZeroDivisionError


def test_what_is_made_in_one_go_leaves_nothing_where_it_fails(place: str) -> None:
    _told_in_one_go(place)
    assert Storage(place).names() == []
    assert "://" in place or not Path(place).exists()


def test_it_leaves_what_was_there_before_it_began(place: str) -> None:
    with claim(place, MINE, CLASSES, {}) as run:
        run.storage.put("map.tif", b"x")
    _told_in_one_go(place)
    assert {"run.json", "map.tif"} <= {*Storage(place).names()}


def test_one_that_is_refused_leaves_what_another_command_is_writing(place: str) -> None:
    """Though the directory was new to it when it looked."""
    with claim(place, MINE, CLASSES, {}) as run:
        run.storage.put("map.tif", b"x")
        _told_in_one_go(place, OutputError)
        assert {"run.json", "map.tif"} <= {*Storage(place).names()}


def test_a_run_that_is_gone_when_it_ends_is_not_called_none(tmp_path: Path) -> None:
    with claim(str(tmp_path / "run"), MINE, CLASSES, {}) as run:
        (tmp_path / "run" / MANIFEST).unlink()
        with pytest.raises(OutputError, match=r"its run\.json is gone.*remove what is left"):
            run.finish({})
    assert not (tmp_path / "run" / MANIFEST).exists()


def test_a_run_that_ended_with_failures_may_go_on(place: str) -> None:
    with claim(place, MINE, CLASSES, {}) as run:
        run.finish({}, status="failed")
    with claim(place, MINE, CLASSES, {}) as run:
        assert run.manifest()["status"] == "running"


def test_a_folder_with_other_files_is_left_alone(place: str) -> None:
    Storage(place).prepare()
    Storage(place).put("thesis.txt", b"x")
    with pytest.raises(OutputError, match=r"holds 'thesis.txt'"), claim(place, MINE, CLASSES, {}):
        pass
    assert Storage(place).names() == ["thesis.txt"]


def test_a_second_run_of_the_same_process_is_refused(place: str) -> None:
    with (
        claim(place, MINE, CLASSES, {}),
        pytest.raises(OutputError, match="is being written by"),
        claim(place, MINE, CLASSES, {}),
    ):
        pass
    with claim(place, MINE, CLASSES, {}):
        pass
    assert ".lock" not in Storage(place).names()


def test_another_job_waits_its_turn_before_it_looks_at_what_is_there(place: str) -> None:
    """What a run that goes on has written meanwhile is no reason to name another output."""
    with (
        claim(place, MINE, CLASSES, {}),
        pytest.raises(OutputError, match="is being written by"),
        claim(place, {"model": "m2"}, CLASSES, {}),
    ):
        pass


def test_a_second_process_is_refused_until_the_first_one_dies(tmp_path: Path) -> None:
    code = (
        "import sys; from landcover.runs.lock import only_run;"
        "from landcover.runs.storage import Storage\n"
        "with only_run(Storage(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(OutputError, match=f"by process {other.pid} on"),
            claim(str(tmp_path), MINE, CLASSES, {}),
        ):
            pass
        other.kill()
        other.wait()
        with claim(str(tmp_path), MINE, CLASSES, {}) as run:
            assert run.manifest()["status"] == "running"


def test_a_lock_behind_a_url_that_no_longer_beats_is_taken_over(place: str) -> None:
    Storage(place).prepare()
    Storage(place).put(".lock", b"by process 1 on gone #abc 5")
    with claim(place, MINE, CLASSES, {}) as run:
        assert run.manifest()["status"] == "running"


def test_what_a_command_left_that_was_killed_after_its_last_word_is_removed(place: str) -> None:
    storage = Storage(place)
    with claim(place, MINE, CLASSES, {}) as run:
        run.finish({})
    whole = storage.names()
    left = [".lock", ".holder"] if storage.local else [".lock"]
    for name in (*left, "state"):
        storage.put(name, b"by process 1 on gone #abc 5")
    storage.prepare("folder")
    storage.put("folder/file", b"x")
    forget_left_over(storage, lambda: ["state", "folder"], beat=0.02)
    assert storage.names() == whole
    storage.put(".lock", b"by process 1 on gone #abc 5")
    forget_left_over(storage, beat=0.02)
    assert storage.names() == whole


def test_what_others_write_into_a_run_that_is_done_stays(tmp_path: Path) -> None:
    """A report, say: that needs no lock."""
    (tmp_path / ".lock").touch()
    (tmp_path / f"{TEMPORARY}report").touch()
    forget_left_over(Storage(str(tmp_path)))
    assert Storage(str(tmp_path)).names() == [f"{TEMPORARY}report"]


def test_what_is_of_a_command_that_came_between_stays(place: str) -> None:
    """It has begun anew, and was killed."""
    storage = Storage(place)
    storage.prepare()
    storage.put("state", b"x")
    asked = iter([["state"], []])
    forget_left_over(storage, lambda: next(asked), beat=0.02)
    assert storage.names() == ["state"]


def test_it_stays_where_another_command_holds_the_directory(place: str) -> None:
    with claim(place, MINE, CLASSES, {}) as run:
        run.storage.put("state", b"x")
        before = run.storage.names()
        forget_left_over(Storage(place), lambda: ["state"], beat=0.02)
        assert run.storage.names() == before
        run.finish({})  # it has not lost its lock


def test_it_stays_where_it_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may only read a run that is done is told what came out, as ever."""
    (tmp_path / ".lock").touch()

    def refuse(path: Path, mode: int) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("landcover.runs.lock.open_lock", refuse)
    forget_left_over(Storage(str(tmp_path)))
    assert (tmp_path / ".lock").exists()


def test_a_directory_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(OutputError, match=r"cannot be made .Not a directory.: name another output"),
        claim(str(tmp_path / "file" / "run"), MINE, CLASSES, {}),
    ):
        pass


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "full").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        Storage(str(tmp_path)).put("taken", b"x")
    assert Storage(str(tmp_path)).names() == ["taken"]


def test_of_two_writers_of_a_new_file_the_first_one_wins(place: str) -> None:
    storage = Storage(place)
    storage.prepare()
    assert storage.put_new("a", b"first")
    assert not storage.put_new("a", b"second")
    assert (storage.read("a"), storage.names()) == (b"first", ["a"])


def test_so_it_does_where_a_file_system_has_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(path: Path, target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", unknown)
    test_of_two_writers_of_a_new_file_the_first_one_wins(str(tmp_path))


def test_what_killed_processes_left_half_written_is_swept_away(tmp_path: Path) -> None:
    with claim(str(tmp_path), MINE, CLASSES, {}) as run:
        (tmp_path / "maps").mkdir()
        for folder in ("", "tiles", "quarantine", "pixels", "maps"):
            (tmp_path / folder / ".writing-0a").touch()
        (tmp_path / ".writing-maps").mkdir()
        (tmp_path / ".writing-maps" / "0-0-0-0").touch()
        run.storage.put("tiles/part-000000.parquet", b"x")
    with claim(str(tmp_path), MINE, CLASSES, {}):
        assert Storage(str(tmp_path)).names("tiles") == ["part-000000.parquet"]
        assert [path.name for path in tmp_path.rglob(".writing*")] == []


@pytest.mark.parametrize("name", ["tiles", "quarantine", "pixels", "maps", ".lock", ".writing-0"])
def test_a_link_in_a_run_directory_of_others_is_not_followed(tmp_path: Path, name: str) -> None:
    """Nothing outside is written, emptied or removed."""
    with claim(str(tmp_path / "run"), MINE, CLASSES, {}):
        pass
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / ".writing-1").mkdir(parents=True)
    (elsewhere / "file").write_text("mine")
    for folder in (tmp_path / "run").glob(f"{name}*"):
        folder.rmdir()
    target = elsewhere / "file" if name == ".lock" else elsewhere
    (tmp_path / "run" / name).symlink_to(target)
    with suppress(OutputError), claim(str(tmp_path / "run"), MINE, CLASSES, {}) as run:
        assert name == ".writing-0", "a run began in a directory with a link"
        assert not run.storage.names("tiles")
    assert (elsewhere / ".writing-1").is_dir() and (elsewhere / "file").read_text() == "mine"


def test_an_output_that_is_a_link_is_told_with_where_it_leads(tmp_path: Path) -> None:
    """It may have come with the files of somebody else; a folder above it is its owner's choice."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(OutputError, match=r"run: is a link to .*/elsewhere: name that folder"),
        claim(str(tmp_path / "run"), MINE, CLASSES, {}),
    ):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []
    with claim(str(tmp_path / "run" / "2016"), MINE, CLASSES, {}):
        assert (tmp_path / "elsewhere" / "2016" / "run.json").is_file()


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    contents = {b"a" * 2_000_000, b"b" * 2_000_000}
    storage.put("x", b"a" * 2_000_000)
    done = threading.Event()

    def write() -> None:
        for _ in range(20):
            for content in contents:
                storage.put("x", content)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        assert storage.read("x") in contents
    thread.join()


def test_a_folder_that_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"holds no run\.json: it is no run directory"):
        RunDirectory.open(str(tmp_path))
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(OutputError, match="cannot be read"):
        RunDirectory.open(str(tmp_path))


def test_a_run_directory_pickles_into_few_bytes(place: str) -> None:
    assert len(pickle.dumps(RunDirectory(place, CLASSES))) < 1000


def test_names_come_sorted(place: str) -> None:
    storage = Storage(place)
    storage.prepare("tiles")
    names = [f"part-{n * 7919 % 1000:06d}.parquet" for n in range(60)]
    for name in names:
        storage.put(f"tiles/{name}", b"x")
    assert storage.names("tiles") == sorted(names)


@pytest.mark.parametrize(
    "url",
    [
        "memory://folder/run?sig=s3cret",
        "memory://folder/run?Signature=s3cret",
        "memory://me:s3cret@folder/run",
    ],
)
def test_an_output_whose_url_holds_a_secret_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(OutputError, match="holds a password or a signature") as refused:
        Storage(url).put("run.json", b"{}")
    assert "s3cret" not in str(refused.value)
    with pytest.raises(OutputError) as refused, claim(url, MINE, CLASSES, {}):
        pytest.fail("nothing must be written there")
    assert "s3cret" not in str(refused.value)


class Listing(MemoryFileSystem):
    """A store whose listings are kept until it is told that they are old, as those of clouds are."""

    protocol = "listing"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    kept: ClassVar[dict[str, Any]] = {}

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        key = f"{path} {detail}"
        if key not in self.kept:
            self.kept[key] = super().ls(path, detail, **options)
        return self.kept[key]

    def exists(self, path: str, **options: Any) -> bool:
        key = f"{path} exists"
        if key not in self.kept:
            self.kept[key] = super().exists(path, **options)
        return bool(self.kept[key])

    def invalidate_cache(self, path: str | None = None) -> None:
        self.kept.clear()


def test_what_others_write_to_a_store_with_listings_is_seen() -> None:
    fsspec.register_implementation("listing", Listing, clobber=True)
    storage = Storage("listing://folder/run")
    other = fsspec.filesystem("memory")
    storage.put("tiles/part-000000.parquet", b"x")
    assert storage.names("tiles") == ["part-000000.parquet"]
    assert not storage.exists("tiles/part-000001.parquet")
    [place] = [place for place in Listing.store if place.endswith("part-000000.parquet")]
    beside = place.replace("part-000000", "part-000001")
    Listing.store[beside] = MemoryFile(other, beside, b"y")
    assert storage.names("tiles") == ["part-000000.parquet", "part-000001.parquet"]
    assert storage.exists("tiles/part-000001.parquet")
