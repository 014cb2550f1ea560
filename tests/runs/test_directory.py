"""Whose a run directory is, and that only one run writes it."""

from __future__ import annotations

import errno
import json
import os
import pickle
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from landcover.classes import scheme
from landcover.errors import OutputError
from landcover.runs.directory import MANIFEST, RunDirectory, ended_run
from landcover.runs.directory import claim as claim_with
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
        (tmp_path / "tiles" / ".writing-0a").touch()
        run.storage.put("tiles/part-000000.parquet", b"x")
    with claim(str(tmp_path), MINE, CLASSES, {}):
        assert Storage(str(tmp_path)).names("tiles") == ["part-000000.parquet"]


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
