"""Every task has an end that can be shown, whatever a backend or a worker makes of it."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import Mock

import pytest
from PIL import Image
from support.colours import blobs

import landcover
from landcover.backends.local import LocalBackend
from landcover.contracts import Backend, Failure, Lost, Task, Tile
from landcover.errors import OutputError, RunIncomplete, SourceError, TooManyFailures, WorkerUnfit
from landcover.local_files import TEMPORARY
from landcover.runs.counts import Counts
from landcover.runs.directory import RunDirectory
from landcover.scoring import worker
from landcover.scoring.totals import Totals
from landcover.scoring.worker import Job, Report, _check_reach


class _LosesAnItem(LocalBackend):
    """Never works on one of the items."""

    def map(self, function: Any, items: Iterable[Any]) -> Any:
        return super().map(function, (item for item in items if item.index != 3))


class _LosesAResult(LocalBackend):
    """Works on all items, and brings one result less home."""

    def map(self, function: Any, items: Iterable[Any]) -> Any:
        return (result for result in super().map(function, items) if result.index != 3)


class _StopsEarly(LocalBackend):
    """Leaves the end of the plan alone."""

    def map(self, function: Any, items: Iterable[Any]) -> Any:
        return super().map(function, islice(items, 3))


class _SaysItTwice(LocalBackend):
    """Brings every result home twice, as a speculating engine may."""

    def map(self, function: Any, items: Iterable[Any]) -> Any:
        for result in super().map(function, items):
            yield result
            yield result


class _CountsOneLess(LocalBackend):
    """Brings word of a task home in which a tile is missing."""

    def map(self, function: Any, items: Iterable[Any]) -> Any:
        for result in super().map(function, items):
            less = replace(result.counts, scored=result.counts.scored - 1)
            yield replace(result, counts=less) if result.index == 3 else result


class _DropsAPart(LocalBackend):
    """Loses a file of a task that was done."""

    def map(self, function: Any, items: Iterable[Any]) -> Any:
        for result in super().map(function, items):
            if result.index == 3:
                (Path(function.run.path) / function.run.part("tiles", 3)).unlink()
            yield result


class _LeavesFiles(LocalBackend):
    """One of its workers was killed while it wrote: the failures of a task are there, no table says so."""

    def map(self, function: Any, items: Iterable[Any]) -> Any:
        if isinstance(function, Job):
            run = Path(function.run.path)
            (run / function.run.part("quarantine", 3, "00ff00ff")).write_bytes(b"of a copy")
            (run / "tiles" / f"{TEMPORARY}0").write_bytes(b"half of")
        return super().map(function, items)


class _LosesTheFirst(LocalBackend):
    """No worker survives the first task."""

    def map(self, function: Any, items: Iterable[Any]) -> Any:
        remaining = iter(items)
        yield Lost(next(remaining), "its worker died")
        yield from super().map(function, remaining)


class _LosesAll(LocalBackend):
    """No worker survives any task."""

    def map(self, function: Any, items: Iterable[Any]) -> Any:
        return (Lost(item, "its worker died") for item in items)


@pytest.fixture
def told(scene: Path, tile_model: Path, tmp_path: Path) -> dict[str, Any]:
    """A run of 35 tiles in 9 tasks."""
    return {
        "rasters": str(scene),
        "model": tile_model,
        "output": tmp_path / "run",
        "overrides": {"source.task": 7},
    }


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        (_LosesAnItem, [3]),
        (_LosesAResult, [3]),
        (_StopsEarly, [3, 4, 5, 6, 7, 8]),
        (_DropsAPart, [3]),
    ],
)
def test_a_run_that_misses_a_task_is_not_done_and_names_it(
    kind: type[LocalBackend], missing: list[int], told: dict[str, Any], tmp_path: Path
) -> None:
    with kind() as backend, pytest.raises(RunIncomplete, match=r"of 9 tasks brought no") as caught:
        landcover.score(**told, backend=backend)
    assert caught.value.missing == missing and caught.value.exit_code == 1
    said = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (said["status"], said["reason"]) == ("failed", str(caught.value))
    assert not (tmp_path / "run" / "map.tif").exists()
    run = landcover.score(**told)
    assert run.summary["tiles"] == {"planned": 35, "scored": 35, "quarantined": 0, "skipped": 0}


def test_a_run_that_misses_a_tile_is_not_done(told: dict[str, Any]) -> None:
    with _CountsOneLess() as backend, pytest.raises(RunIncomplete, match="34 of 35"):
        landcover.score(**told, backend=backend)


def test_a_run_that_allows_no_failure_ends_with_the_first(
    told: dict[str, Any], tmp_path: Path
) -> None:
    told["overrides"]["failures.policy"] = "fail"
    with _LosesTheFirst() as backend, pytest.raises(TooManyFailures, match="6 of 35 tiles"):
        landcover.score(**told, backend=backend)
    assert len(list((tmp_path / "run" / "tiles").iterdir())) == 1


def test_a_run_goes_on_with_tasks_of_the_size_that_it_began_with(told: dict[str, Any]) -> None:
    with _LosesAResult() as backend, pytest.raises(RunIncomplete):
        landcover.score(**told, backend=backend)
    told["overrides"]["source.task"] = 5
    assert landcover.score(**told).summary["tasks"] < 3


def test_a_network_that_is_open_is_no_load_of_the_tasks_that_follow(told: dict[str, Any]) -> None:
    run = landcover.score(**told)
    assert (run.summary["tasks"], run.summary["model_loads"]) == (9, 1)


def test_a_task_that_comes_home_twice_counts_once(told: dict[str, Any]) -> None:
    with _SaysItTwice() as backend:
        run = landcover.score(**told, backend=backend)
    assert run.summary["tiles"] == {"planned": 35, "scored": 35, "quarantined": 0, "skipped": 0}
    assert run.summary["tasks"] == 9


def test_a_run_that_is_done_holds_nothing_that_belongs_to_no_table(
    told: dict[str, Any], tmp_path: Path
) -> None:
    with _LeavesFiles() as backend:
        landcover.score(**told, backend=backend)
    assert not list((tmp_path / "run" / "quarantine").iterdir())
    assert not list(tmp_path.rglob(f"{TEMPORARY}*"))


class _GoneInTheMiddle(LocalBackend):
    """Somebody removes the run, or some of it, while its tasks are done, or its maps are made."""

    def __init__(self, run: Path, gone: str, stage: str = "tasks") -> None:
        super().__init__()
        self.run, self.gone, self.stage, self.home = run, gone, stage, 0

    def map(self, function: Any, items: Iterable[Any]) -> Any:
        for result in super().map(function, items):
            if isinstance(function, Job) == (self.stage == "tasks"):
                for path in self.run.glob(self.gone):
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
                self.home += 1
            yield result


@pytest.mark.parametrize("gone", ["../run", "*", "run.json", "tiles"])
def test_a_run_that_is_removed_in_the_middle_says_so_and_begins_anew(
    told: dict[str, Any], tmp_path: Path, gone: str
) -> None:
    with (
        _GoneInTheMiddle(tmp_path / "run", gone) as backend,
        pytest.raises(OutputError, match=r"is gone.*begins it"),
    ):
        landcover.score(**told, backend=backend)
    assert backend.home == 1 or gone == "tiles"
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    assert landcover.score(**told).summary["tiles"]["scored"] == 35


@pytest.mark.parametrize("gone", ["../run", "*", "run.json", ".writing-maps"])
def test_a_run_that_is_removed_while_its_maps_are_made_says_so_and_begins_anew(
    told: dict[str, Any], tmp_path: Path, gone: str
) -> None:
    with (
        _GoneInTheMiddle(tmp_path / "run", gone, "maps") as backend,
        pytest.raises(OutputError, match=r"is gone.*begins it anew"),
    ):
        landcover.score(**told, backend=backend)
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    assert landcover.score(**told).summary["status"] == "done"


@pytest.mark.parametrize("first", [KeyboardInterrupt(), SourceError("scene.tif", "is gone")])
def test_why_a_run_has_ended_is_told_where_it_cannot_be_noted(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, first: BaseException
) -> None:
    class Ends(LocalBackend):
        def map(self, function: Any, items: Iterable[Any]) -> Any:
            full = OutputError("run.json", "cannot be written: No space left on device")
            monkeypatch.setattr(RunDirectory, "write", Mock(side_effect=full))
            raise first

    with Ends() as backend, pytest.raises(type(first)):
        landcover.score(**told, backend=backend)


def test_what_a_run_misses_survives_pickling() -> None:
    error = RunIncomplete("run", list(range(40)), 50, 10, 50)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert "40 of 50 tasks" in str(error) and "9, ...)" in str(error)


class _TwoHosts:
    """Gives an item that one host cannot do to the other; on each the function runs right here.

    Args:
        enter: called before each item with the number of the host, 0 or 1.
    """

    slots, threads = 2, 1

    def __init__(self, enter: Any) -> None:
        self.enter, self.refused = enter, []

    def map(self, function: Any, items: Iterable[Task]) -> Iterator[Any]:
        for item in items:
            for host in (0, 1):
                self.enter(host)
                try:
                    yield function(pickle.loads(pickle.dumps(item)))
                    break
                except WorkerUnfit as error:
                    self.refused.append(error)
                    last = error
            else:
                yield Lost(item, f"no worker could do it; the last: {last}")

    def __enter__(self) -> Backend:
        return self

    def __exit__(self, *args: object) -> None:
        pass


@pytest.fixture
def images(tmp_path: Path, tile_model: Path) -> dict[str, Any]:
    """A run of 12 images in 4 tasks, of which one image is torn."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(12):
        pixels = blobs(number, 32, 32).transpose(1, 2, 0)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    (folder / "05.png").write_bytes(b"torn")
    settings = {"source.task": 3, "failures.at_most": 0.1}
    told = {"images": str(folder), "model": tile_model, "output": tmp_path / "run"}
    return {**told, "overrides": settings}


def test_tiles_that_are_tried_again_have_not_failed_meanwhile(
    images: dict[str, Any], tmp_path: Path
) -> None:
    images["overrides"]["source.task"] = 1
    with _LosesAll() as backend, pytest.raises(TooManyFailures):
        landcover.score(**images, backend=backend)
    folder = tmp_path / "images"
    (folder / "05.png").write_bytes((folder / "04.png").read_bytes())
    images["overrides"]["failures.policy"] = "fail"
    run = landcover.score(**images)
    assert run.summary["tiles"] == {"planned": 12, "scored": 12, "quarantined": 0, "skipped": 0}


def _hide(folder: Path, hidden: bool) -> None:
    """Take a folder away, as where it is not mounted, or bring it back."""
    aside = folder.with_name(f"{folder.name}-elsewhere")
    if hidden and folder.exists():
        folder.rename(aside)
    elif not hidden and aside.exists():
        aside.rename(folder)


def test_tasks_that_one_host_cannot_read_are_done_by_another(
    images: dict[str, Any], tmp_path: Path
) -> None:
    backend = _TwoHosts(lambda host: _hide(tmp_path / "images", host == 0))
    run = landcover.score(**images, backend=backend)
    assert run.summary["tiles"] == {"planned": 12, "scored": 11, "quarantined": 1, "skipped": 0}
    assert len(backend.refused) == 4
    assert "none of 3 tiles can be read; of 00.png: cannot be read: No such file" in str(
        backend.refused[0]
    )
    assert backend.refused[0].worker == next(iter(run.summary["workers"]))


def test_what_no_host_can_read_is_quarantined_with_the_worker_and_the_reason(
    images: dict[str, Any], tmp_path: Path
) -> None:
    backend = _TwoHosts(lambda host: _hide(tmp_path / "images", hidden=True))
    with pytest.raises(TooManyFailures, match="12 of 12"):
        landcover.score(**images, backend=backend)
    failures = landcover.open_run(tmp_path / "run").failures()
    assert len(failures) == 12 and failures["retryable"].all()
    assert failures["reason"].str.contains(r"worker \S+:\d+: none of 3 tiles can be read").all()
    _hide(tmp_path / "images", hidden=False)
    assert landcover.score(**images).summary["tiles"]["scored"] == 11


def test_a_host_that_cannot_write_leaves_its_tasks_to_another(
    images: dict[str, Any], tmp_path: Path
) -> None:
    backend = _TwoHosts(lambda host: _hide(tmp_path / "run" / "tiles", host == 0))
    run = landcover.score(**images, backend=backend)
    assert run.summary["tiles"]["scored"] == 11
    assert len(backend.refused) == 4 and "cannot be written" in backend.refused[0].reason


def test_a_host_whose_cache_cannot_be_used_leaves_its_tasks_to_another(
    images: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_worker = worker.open_models

    def refuse() -> NoReturn:
        raise OutputError(
            "/home/a/.cache/landcover", "this cache cannot be used (Disk quota exceeded)"
        )

    def enter(host: int) -> None:
        monkeypatch.setattr(worker, "open_models", of_worker if host else refuse)

    backend = _TwoHosts(enter)
    run = landcover.score(**images, backend=backend)
    assert run.summary["tiles"]["scored"] == 11
    assert len(backend.refused) == 4 and "cache cannot be used" in backend.refused[0].reason


def test_an_output_that_no_host_can_write_ends_the_run(
    images: dict[str, Any], tmp_path: Path
) -> None:
    backend = _TwoHosts(lambda host: _hide(tmp_path / "run" / "tiles", hidden=True))
    with pytest.raises(OutputError, match="cannot be written"):
        landcover.score(**images, backend=backend)


def test_a_single_process_says_of_each_tile_why_it_cannot_be_read(
    images: dict[str, Any], tmp_path: Path
) -> None:
    class Unmounted(LocalBackend):
        def map(self, function: Any, items: Iterable[Any]) -> Any:
            listed = list(items)
            _hide(tmp_path / "images", hidden=True)
            return super().map(function, listed)

    with Unmounted() as backend, pytest.raises(TooManyFailures, match="12 of 12"):
        landcover.score(**images, backend=backend)
    reasons = landcover.open_run(tmp_path / "run").failures()["reason"]
    assert set(reasons) == {"cannot be read: No such file or directory"}


def test_what_was_done_earlier_and_is_done_again_counts_once_and_is_no_speed() -> None:
    totals = Totals(planned=30)
    earlier = Counts(planned=10, scored=7, quarantined=3, skipped=0, digest="a", retryable=3)
    totals.add_earlier({0: earlier, 1: replace(earlier, digest="b")})
    assert (totals.done, totals.resumed, totals.per_second) == (20, True, 0.0)
    assert totals.retryable == 6
    assert totals.summary()["earlier_tiles"] == 20
    for index, began in ((0, 100.0), (2, 102.0)):
        counts = Counts(planned=10, scored=10, quarantined=0, skipped=0, digest="c")
        totals.add(Report(index, counts, "host:1", "cpu", 0, began, began + 2))
    assert totals.tiles == {"scored": 27, "quarantined": 3, "skipped": 0}
    assert totals.retryable == 3
    assert totals.per_second == 5.0, "20 tiles in the 4 seconds of this run"


def test_a_task_is_left_to_another_worker_only_where_that_may_be_able_to_do_it() -> None:
    tile = Tile("a.png", "a.png", 0, 0)
    away = Failure(tile, "no such file", retryable=False, unreached=True)
    later, damaged = Failure(tile, "busy", retryable=True), Failure(tile, "is none", False)
    _check_reach([])
    _check_reach([away, damaged])
    with pytest.raises(WorkerUnfit, match=r"none of 2 tiles can be read; of a\.png: no such file"):
        _check_reach([away, later])
