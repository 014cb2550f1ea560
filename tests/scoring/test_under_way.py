"""Files that tell the next process under which task this one died."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from landcover.errors import WorkerDied
from landcover.scoring import under_way
from landcover.scoring.under_way import UnderWay, after_crash


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LANDCOVER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(under_way, "_crashed", False)
    yield
    _under_way.clear()


_under_way: list[AbstractContextManager[None]] = []  # what is collected would end


def _dies(run: str, index: int) -> None:
    """A process that dies leaves its note."""
    _under_way.append(UnderWay(run).noted(index, "w"))
    _under_way[-1].__enter__()


def test_a_task_is_suspected_after_two_deaths_and_after_one_that_was_a_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for run in ("one", "other"):
        _dies(run, 3)
    _dies("one", 3)
    with pytest.raises(WorkerDied, match="died each time"), UnderWay("one").noted(3, "w"):
        pass
    with UnderWay("one").noted(4, "w"):  # another task
        pass
    after_crash()
    with pytest.raises(WorkerDied), UnderWay("other").noted(3, "w"):
        pass


def test_a_task_that_was_done_is_suspected_no_more_and_one_that_is_suspect_is_at_once() -> None:
    run = UnderWay("run")
    _dies("run", 3)
    with run.noted(3, "w"):
        pass
    _dies("run", 3)
    with run.noted(3, "w"):
        pass
    run.suspect(3)
    with pytest.raises(WorkerDied), run.noted(3, "w"):
        pass
    run.clear(3)
    with run.noted(3, "w"):
        pass


def test_a_link_in_place_of_a_note_is_not_written_through(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    with UnderWay("run").noted(1, "w"):
        (folder,) = (tmp_path / "cache").rglob("under-way/*")
    for number in (3, 4):
        (folder / str(number)).symlink_to(tmp_path / "none.txt" if number == 3 else mine)
    with UnderWay("run").noted(3, "w"):
        assert not (tmp_path / "none.txt").exists()
    UnderWay("run").suspect(4)
    assert mine.read_text() == "mine"
