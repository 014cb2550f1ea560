"""Tiles that end the process which reads them: they are found, and all others are scored."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.colours import blobs, write_scene

import landcover
from landcover.backends.local import LocalBackend
from landcover.contracts import Lost, Task
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource, RasterTask

# What Python does first in every process: one that opens a file of this name crashes.
_CRASHING = """
import os, sys

def crash(event, arguments):
    if event == "open" and str(arguments[0]).endswith("poison.png"):
        os.abort()

sys.addaudithook(crash)
"""


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
    monkeypatch: pytest.MonkeyPatch,
    require_backend: Callable[[str], None],
) -> None:
    require_backend(backend)
    _images(tmp_path / "images", 6, 4)
    (tmp_path / "crashing").mkdir()
    (tmp_path / "crashing" / "sitecustomize.py").write_text(_CRASHING)
    paths = [str(tmp_path / "crashing"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
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


@pytest.mark.parametrize("poison", [(0,), (7,), (3, 4, 19), (12, 15)])
def test_of_a_task_under_which_workers_die_all_tiles_are_scored_but_those_that_end_them(
    tmp_path: Path, tile_model: Path, poison: tuple[int, ...]
) -> None:
    class WorkersDie(LocalBackend):
        """No worker survives a task that reads certain tiles."""

        def map(self, function: Any, items: Any) -> Any:
            for item in items:
                if isinstance(item, RasterTask) and self._deadly(item):
                    yield Lost(item, "its worker died", died=True)
                else:
                    yield from super().map(function, [item])

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
