"""Open models: each once a process, however many runs there are, and not for ever."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.colours import blobs, write_scene

import landcover
from landcover.config import ModelSettings
from landcover.contracts import Backend, Strip, Tile
from landcover.devices import Gpu
from landcover.errors import ModelError
from landcover.models.model import ScoringModel, open_model
from landcover.models.recipe import Recipe, make_recipe
from landcover.plugins import load_backend
from landcover.run import Run
from landcover.scoring.model import OpenModel, OpenModels, open_models
from landcover.scoring.pipeline import Batch, Tally


@pytest.fixture
def recipe(tile_model: Path) -> Recipe:
    return make_recipe(ModelSettings(path=str(tile_model), runtime="onnxruntime"), threads=1)


def test_threads_that_ask_at_the_same_time_get_one_model(recipe: Recipe) -> None:
    models, together = OpenModels(), threading.Barrier(8)

    def ask(number: int) -> tuple[int, bool]:
        together.wait(60)
        with models.use(replace(recipe, batch=number + 1), 1) as opened:
            together.wait(60)
            return id(opened), opened.take_load() > 0

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert len({one for one, _ in found}) == len(models) == 1
    assert [load for _, load in found].count(True) == 1


@pytest.mark.parametrize(("gpu", "together"), [(None, 2), (Gpu("GPU-made", "made", 0, 0), 3)])
def test_a_gpu_has_a_batch_under_way_to_it_one_with_it_and_one_back(
    recipe: Recipe, gpu: Gpu | None, together: int
) -> None:
    """As many batches meet at a barrier; with fewer at once it would break."""
    meeting = threading.Barrier(together)

    class Meeting:
        batch = 1

        def __call__(self, batch: Batch) -> int:
            meeting.wait(60)
            return len(batch.tiles)

    opened = OpenModel(ScoringModel(recipe, open_model(recipe).network, gpu), 1, 0.0)
    tiles = [Tile(str(number), "image.png", 0, 0) for number in range(2 * together)]
    strip = Strip(tiles, np.zeros((len(tiles), 3, 4, 4), np.uint8))
    found = [result for _, result in opened.pipeline.score([lambda: strip], Meeting(), Tally())]
    opened.pipeline.close()
    assert found == [1] * len(tiles)


def test_another_model_or_number_of_threads_is_opened_beside_it(
    recipe: Recipe, pixel_model: Path
) -> None:
    other = make_recipe(ModelSettings(path=str(pixel_model), runtime="onnxruntime"), threads=1)
    models = OpenModels()
    with models.use(recipe, 1) as one, models.use(other, 1) as two, models.use(recipe, 2) as three:
        assert len({id(one), id(two), id(three)}) == len(models) == 3
        with models.use(recipe, 1) as again:
            assert again is one


def test_a_model_that_nobody_uses_is_closed_in_time(recipe: Recipe) -> None:
    models, deadline = OpenModels(kept=0), time.monotonic() + 60
    with models.use(recipe, 1), models.use(recipe, 1):
        pass
    while len(models):
        assert time.monotonic() < deadline
    models = OpenModels(kept=60)
    with models.use(recipe, 1):
        pass
    assert len(models) == 1


def test_models_that_nobody_uses_make_way_while_memory_is_short(recipe: Recipe) -> None:
    left = [True, True, False]
    models = OpenModels(short=lambda: left.pop(0), between=0)
    with models.use(recipe, 1):
        with models.use(recipe, 2), models.use(recipe, 3), models.use(recipe, 4):
            assert len(models) == 4 and len(left) == 3  # nothing could make way
        with models.use(recipe, 5):
            assert len(models) == 3 and not left
        with models.use(recipe, 1) as kept:
            assert kept.take_load() > 0


def test_runs_between_two_tasks_keep_their_models_while_memory_is_short(recipe: Recipe) -> None:
    models = OpenModels(short=lambda: True)
    opened = 0
    for _ in range(3):
        for threads in (1, 2):
            with models.use(recipe, threads) as one:
                opened += one.take_load() > 0
    assert opened == 2


def test_models_that_nobody_uses_make_way_for_one_that_finds_no_memory(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = OpenModels(short=lambda: False)
    with models.use(recipe, 1):
        pass

    def beside_nothing(*key: Any) -> ScoringModel:
        if len(models) > 1:
            raise ModelError(recipe.path, "CUDA out of memory")
        return open_model(*key)

    monkeypatch.setattr("landcover.scoring.model.open_model", beside_nothing)
    with models.use(recipe, 2):
        assert len(models) == 1
        with pytest.raises(ModelError, match="out of memory"), models.use(recipe, 3):
            pass


def test_few_models_that_nobody_uses_stay_open_those_used_last(recipe: Recipe) -> None:
    models = OpenModels(short=lambda: False, between=0)
    for threads in range(1, 9):
        with models.use(recipe, threads) as opened:
            assert len(models) <= 5 and opened.take_load() > 0
    for threads, stayed in ((8, True), (1, False)):
        with models.use(recipe, threads) as opened:
            assert (opened.take_load() == 0) == stayed


def test_a_model_that_cannot_be_opened_leaves_nothing_behind(recipe: Recipe) -> None:
    models = OpenModels()
    for _ in range(2):
        asked = models.use(replace(recipe, digest="0" * 64), 1)
        with pytest.raises(ModelError, match="has changed"), asked:
            pass
    assert len(models) == 0


def test_arrays_and_runs_share_an_open_model(recipe: Recipe) -> None:
    section = {"path": recipe.path, "runtime": "onnxruntime"}
    landcover.score_array(blobs(1, 40, 50), section)
    before = len(open_models())
    with open_models().use(replace(recipe, batch=3), 0) as opened:
        landcover.score_array(blobs(2, 70, 90), {**section, "batch": 2})
        assert opened.take_load() > 0
        assert len(open_models()) == before


def test_a_forked_child_opens_models_of_its_own(recipe: Recipe) -> None:
    with open_models().use(recipe, 1):
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply(_count_open) == 0
        assert len(open_models()) >= 1


def _count_open() -> int:
    return len(open_models())


@pytest.fixture
def jobs(tile_model: Path, pixel_model: Path, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Two runs of one network and one of another; 60 tasks each."""
    scene = write_scene(tmp_path / "scene.tif", blobs(5, 192, 320))
    models = {"one": tile_model, "two": tile_model, "three": pixel_model}
    settings = {"source.task": 1, "model.runtime": "onnxruntime"}
    return {
        name: {"rasters": str(scene), "model": model, "overrides": settings}
        for name, model in models.items()
    }


@pytest.mark.parametrize("name", ["local", "dask"])
def test_runs_at_the_same_time_load_each_network_once_a_worker(
    name: str,
    jobs: dict[str, dict[str, Any]],
    tmp_path: Path,
    require_backend: Callable[[str], None],
) -> None:
    require_backend(name)
    alone = [landcover.score(**job, output=tmp_path / "alone" / at) for at, job in jobs.items()]
    with load_backend(name, workers=2) as backend:
        assert list(backend.map(abs, [-1])) == [1]  # it has started
        together = _at_once(jobs, tmp_path, backend)
    pairs = {
        (worker, run.summary["model"]["digest"])
        for run in together
        for worker in run.summary["workers"]
    }
    assert len({worker for worker, _ in pairs}) == (1 if name == "local" else 2)
    assert sum(run.summary["model_loads"] for run in together) == len(pairs)
    for run, expected in zip(together, alone, strict=True):
        assert expected.summary["model_loads"] == 1
        _assert_same(run, expected)


def _at_once(jobs: dict[str, dict[str, Any]], folder: Path, backend: Backend) -> list[Run]:
    """Do all jobs in one backend; after its first task each waits for the others'."""
    begun = threading.Barrier(len(jobs))

    def do(name: str) -> Run:
        waited: list[int] = []

        def progress(tiles: object) -> None:
            if not waited:
                waited.append(begun.wait(120))

        return landcover.score(
            **jobs[name], output=folder / name, backend=backend, progress=progress
        )

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(do, jobs))


def _assert_same(run: Run, other: Run) -> None:
    one, two = (each.tiles().sort_values("tile", ignore_index=True) for each in (run, other))
    assert one.drop(columns="score").equals(two.drop(columns="score"))
    assert np.allclose(one["score"], two["score"], rtol=0, atol=1e-5)
    assert run.map().identical(other.map())
