"""Tiles that end the process which reads them: they are found, and all others are scored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.colours import blobs, write_scene

import landcover
from landcover.backends.closing import ClosingBackend
from landcover.contracts import Lost, Task
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource, RasterTask

# What Python does first in every process: one that opens a file of this name comes to harm.
_HARM = """
import os, signal, sys
from pathlib import Path

folder, harm = Path({folder!r}), {harm!r}

def harmed(event, arguments):
    if event != "open" or not str(arguments[0]).endswith("poison.png"):
        return
    if harm == "crash":
        os.abort()
    if not (folder / "once").exists():
        (folder / "once").touch()
        if harm == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise MemoryError

sys.addaudithook(harmed)
"""


@pytest.fixture
def harmful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets processes started from now on come to harm where they open a file "poison.png"."""

    def set_up(harm: str) -> None:
        folder = tmp_path / "harmful"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(_HARM.format(folder=str(folder), harm=harm))
        paths = [str(folder), os.environ.get("PYTHONPATH", "")]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        monkeypatch.setenv("LANDCOVER_CACHE", str(tmp_path / "cache"))

    return set_up


def _images(folder: Path, count: int, *poison: int) -> None:
    folder.mkdir()
    for number in range(count):
        name = f"{number:02}-{'poison' if number in poison else 'good'}.png"
        Image.fromarray(np.moveaxis(blobs(number, 32, 32), 0, -1)).save(folder / name)


@pytest.mark.faults
@pytest.mark.parametrize("backend", ["dask", "spark"])
def test_a_tile_that_ends_its_workers_is_set_aside_and_the_others_are_scored(
    backend: str,
    tmp_path: Path,
    tile_model: Path,
    harmful: Callable[[str], None],
    require_backend: Callable[[str], None],
) -> None:
    require_backend(backend)
    _images(tmp_path / "images", 6, 4)
    harmful("crash")
    run = landcover.score(
        images=str(tmp_path / "images"),
        model=tile_model,
        output=tmp_path / "run",
        backend={"name": backend, "workers": 2},
        overrides={"source.task": 3, "failures.at_most": 0.2},
    )
    assert run.summary["tiles"] == {"planned": 6, "scored": 5, "quarantined": 1, "skipped": 0}
    [failure] = run.failures().to_dict("records")
    assert (failure["tile"], failure["retryable"]) == ("04-poison.png", True)
    assert "the worker that had it died each time" in failure["reason"]


def _command(folder: Path, model: Path, **source: object) -> subprocess.CompletedProcess[str]:
    config = folder / "run.yaml"
    told = {"source": {"images": "images", "task": 3, **source}, "model": str(model)}
    failures = {"at_most": 0.2}
    config.write_text(json.dumps({**told, "failures": failures, "output": {"path": "run"}}))
    command = [sys.executable, "-m", "landcover.cli.main", "score", str(config), "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_tile_that_ends_the_only_process_is_set_aside_and_the_others_are_scored(
    tmp_path: Path, tile_model: Path, harmful: Callable[[str], None]
) -> None:
    _images(tmp_path / "images", 12, 10)  # behind those that the plan looks at
    harmful("crash")
    ended = _command(tmp_path, tile_model)
    assert ended.returncode == 0, ended.stderr
    assert (
        ended.stderr.count("ended by SIGABRT: it goes on, and what it was doing is done apart") == 1
    )
    run = landcover.open_run(tmp_path / "run")
    assert run.summary["tiles"] == {"planned": 12, "scored": 11, "quarantined": 1, "skipped": 0}
    [failure] = run.failures().to_dict("records")
    assert (failure["tile"], failure["retryable"]) == ("10-poison.png", True)
    again = _command(tmp_path, tile_model)  # it is known which task that was
    assert (again.returncode, "SIGABRT" in again.stderr) == (0, False), again.stderr
    healthy = landcover.score(  # on a host with another decoder
        tmp_path / "run.yaml", overrides={"failures.at_most": 0}, output=tmp_path / "run"
    )
    assert healthy.summary["tiles"]["scored"] == 12


@pytest.mark.parametrize("harm", ["killed", "memory"])
def test_where_memory_does_not_suffice_a_run_goes_on_with_less_of_it(
    tmp_path: Path, tile_model: Path, harmful: Callable[[str], None], harm: str
) -> None:
    _images(tmp_path / "images", 12, 10)
    whole = landcover.score(
        images=str(tmp_path / "images"), model=tile_model, output=tmp_path / "whole"
    ).tiles()
    harmful(harm)
    ended = _command(tmp_path, tile_model, task=2)
    assert ended.returncode == 0, ended.stderr
    assert "memory" in ended.stderr
    run = landcover.open_run(tmp_path / "run")
    columns = ["tile", "label", "score"]
    assert run.tiles()[columns].equals(whole[columns])


@pytest.mark.parametrize("poison", [(0,), (7,), (3, 4, 19), (12, 15), (2, 18)])
def test_of_a_task_under_which_workers_die_all_tiles_are_scored_but_those_that_end_them(
    tmp_path: Path, tile_model: Path, poison: tuple[int, ...]
) -> None:
    class WorkersDie(ClosingBackend):
        """No worker survives a task that reads certain tiles."""

        slots = threads = 1

        def _results(self, function: Any, items: Any) -> Any:
            for item in items:
                if isinstance(item, RasterTask) and self._deadly(item):
                    yield Lost(item, "its worker died", died=True)
                else:
                    yield function(item)

        def _deadly(self, task: RasterTask) -> bool:
            return any(place not in task.spared for place in poison)

    scene = write_scene(tmp_path / "a.tif", blobs(1, 128, 160))
    told = {
        "rasters": str(scene),
        "model": tile_model,
        "overrides": {"failures.at_most": 1, "source.task": 100},
    }
    whole = landcover.score(**told, output=tmp_path / "whole").tiles()
    run = landcover.score(**told, output=tmp_path / "run", backend=WorkersDie())
    assert run.summary["tasks"] == 1
    every = whole["tile"].tolist()
    assert len(every) == 20
    failed = [every[place] for place in poison]
    assert run.failures()["tile"].tolist() == failed
    kept = whole[~whole["tile"].isin(failed)].reset_index(drop=True)
    assert run.tiles()[["tile", "label", "score"]].equals(kept[["tile", "label", "score"]])
    again = landcover.score(**told, output=tmp_path / "run")  # on workers that survive them
    assert again.tiles()["tile"].tolist() == every


def _brought(task: Task) -> tuple[list[str], list[str]]:
    strips = [read() for read in task.reads()]
    scored = [tile.tile for strip in strips for tile in strip.tiles]
    return scored, [one.tile.tile for strip in strips for one in strip.failures]


def test_tiles_that_are_spared_come_back_as_failures_and_the_task_stays_the_same(
    tmp_path: Path,
) -> None:
    write_scene(tmp_path / "a.tif", blobs(1, 160, 160))
    _images(tmp_path / "images", 12)
    sources = (
        RasterSource([str(tmp_path / "a.tif")], tile=32),
        ImageSource([str(tmp_path / "images")], tile=32),
    )
    for source in sources:
        [task] = source.tasks()
        every = [tile.tile for tile in task.planned()]
        spared = task.sparing((0, 5, 6))
        assert (spared.digest, spared.tiles, spared.index) == (task.digest, task.tiles, 0)
        assert [tile.tile for tile in spared.planned()] == every
        failed = [every[place] for place in (0, 5, 6)]
        assert _brought(spared) == ([one for one in every if one not in failed], failed)
