"""Conformance suites, for those who write a backend of their own as well.

Inherit a suite in a test module and override what its docstring names; pytest finds the inherited
tests. Overriding a test, or leaving one out, means that the promise behind it is not kept.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import xarray as xr

from landcover.contracts import Backend, Lost
from landcover.errors import ConfigError, LandcoverError, ModelError, WorkerUnfit
from landcover.models.model import ScoringModel, open_model
from landcover.models.recipe import Recipe
from landcover.plugins import load_backend


class BackendTests:
    """What every backend promises (:class:`landcover.contracts.Backend`).

    A subclass sets ``name`` and overrides the fixture ``backend``, which yields an entered backend
    with at least two slots; a wider scope saves starting it for every test::

        class TestMyBackend(BackendTests):
            name = "mine"

            @pytest.fixture(scope="class")
            def backend(self) -> Iterator[Backend]:
                with load_backend("mine", workers=2) as made:
                    yield made

    Workers must be able to import this module (so they need pytest), and to see the files below
    the tests' temporary folder.

    Attributes:
        name: what the backend is registered under.
        workers_are_processes: whether items are worked on in other processes than the caller's.
    """

    name: str
    workers_are_processes: bool = True

    @pytest.fixture
    def backend(self) -> Iterator[Backend]:
        """An entered backend with at least two slots; to be overridden."""
        raise NotImplementedError("override the fixture 'backend'")

    def test_it_offers_slots_and_threads(self, backend: Backend) -> None:
        assert isinstance(backend, Backend)
        assert backend.slots >= 2
        assert backend.threads >= 1

    def test_an_unknown_option_is_an_error(self) -> None:
        with pytest.raises(ConfigError, match="no_such_option"):
            load_backend(self.name, no_such_option=1)

    def test_every_item_gives_one_result(self, backend: Backend) -> None:
        assert sorted(cast("list[int]", list(backend.map(_square, range(20))))) == [
            item**2 for item in range(20)
        ]

    def test_no_items_give_no_results(self, backend: Backend) -> None:
        assert list(backend.map(_square, [])) == []

    def test_none_is_a_result_like_any_other(self, backend: Backend) -> None:
        assert list(backend.map(_nothing, range(3))) == [None, None, None]

    def test_nothing_starts_before_the_first_result_is_asked_for(self, backend: Backend) -> None:
        backend.map(_square, _at_most(0))

    def test_items_are_pulled_a_bounded_number_ahead(self, backend: Backend) -> None:
        ahead = 4 * backend.slots + 8
        results = backend.map(_square, _at_most(3 + ahead))
        assert len(list(islice(results, 3))) == 3

    def test_an_abandoned_map_leaves_the_backend_of_use(self, backend: Backend) -> None:
        for _ in backend.map(_square, count()):
            break
        assert sorted(cast("list[int]", list(backend.map(_square, range(3))))) == [0, 1, 4]

    def test_results_come_home_while_a_slow_item_runs(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        gate = tmp_path / "gate"
        results = backend.map(partial(_waiting_at, gate), range(10))
        assert sorted(cast("list[int]", list(islice(results, 9)))) == list(range(1, 10))
        gate.touch()
        assert list(results) == [0]

    def test_an_exception_comes_home_as_its_own_type(self, backend: Backend) -> None:
        with pytest.raises(ZeroDivisionError):
            list(backend.map(_inverse, [1, 2, 0]))
        assert list(backend.map(_inverse, [1])) == [1]

    def test_an_exception_with_a_finicky_constructor_comes_home(self, backend: Backend) -> None:
        with pytest.raises(FinickyError, match="tile 3 of county") as caught:
            list(backend.map(_finicky, [3]))
        assert caught.value.tile == 3

    def test_an_exception_that_does_not_pickle_comes_home_in_words(self, backend: Backend) -> None:
        with pytest.raises((LandcoverError, UnpicklableError), match="stuck at tile 3"):
            list(backend.map(_unpicklable, [3]))

    def test_an_exception_of_the_items_reaches_the_caller(self, backend: Backend) -> None:
        with pytest.raises(LookupError, match="no more tiles"):
            list(backend.map(_square, _broken()))

    def test_workers_are_reused(self, backend: Backend) -> None:
        processes = set(backend.map(_process, range(50)))
        assert len(processes) <= backend.slots
        assert (os.getpid() in processes) is not self.workers_are_processes

    def test_an_item_whose_worker_dies_is_given_to_another(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        self._need_processes()
        deadly = partial(_deadly_once, os.getpid(), tmp_path / "died")
        assert sorted(cast("list[int]", list(backend.map(deadly, range(6))))) == list(range(6))
        assert (tmp_path / "died").exists()

    def test_an_item_that_kills_all_its_workers_is_yielded_as_lost(self, backend: Backend) -> None:
        self._need_processes()
        results = list(backend.map(partial(_deadly, os.getpid()), range(6)))
        lost = [result for result in results if isinstance(result, Lost)]
        assert [(one.item, one.died) for one in lost] == [(3, True)]
        assert lost[0].reason
        assert sorted(cast("set[int]", set(results) - set(lost))) == [0, 1, 2, 4, 5]

    def test_an_item_that_one_worker_cannot_do_goes_to_another(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        self._need_processes()
        results = backend.map(partial(_unfit_in_one_process, tmp_path / "unfit"), range(30))
        assert sorted(cast("list[int]", list(results))) == list(range(30))
        assert (tmp_path / "unfit").exists()

    def test_an_item_that_no_worker_can_do_is_lost_and_takes_no_other_with_it(
        self, backend: Backend
    ) -> None:
        results = list(backend.map(_never_fit, range(6)))
        lost = [result for result in results if isinstance(result, Lost)]
        assert [(one.item, one.died) for one in lost] == [(3, False)]
        assert f"worker {socket.gethostname()}:" in lost[0].reason
        assert "no credentials" in lost[0].reason
        assert sorted(cast("set[int]", set(results) - set(lost))) == [0, 1, 2, 4, 5]

    def test_a_run_that_no_worker_can_do_ends_with_every_item_lost(self, backend: Backend) -> None:
        results = list(backend.map(_unfit, range(5)))
        lost = [(one.item, one.died) for one in results if isinstance(one, Lost)]
        assert sorted(lost) == [(item, False) for item in range(5)]

    def _need_processes(self) -> None:
        if not self.workers_are_processes:
            pytest.skip("the workers of this backend are threads of this process, and die with it")


class ModelTests:
    """What every model promises, whatever its format and runtime.

    A subclass overrides the fixture ``recipe`` with one of the scope "class", which returns the
    recipe of a model that ends in probabilities::

        class TestMyRuntime(ModelTests):
            @pytest.fixture(scope="class")
            @classmethod
            def recipe(cls) -> Recipe:
                return make_recipe(ModelSettings(path="model.mine", runtime="mine", scale=1))

    Attributes:
        tolerance: how far scores of the same tile may be apart; more for half precision.
    """

    tolerance: float = 1e-5

    @pytest.fixture(scope="class")
    @classmethod
    def recipe(cls) -> Recipe:
        """The recipe of a model; to be overridden."""
        raise NotImplementedError("override the fixture 'recipe'")

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, recipe: Recipe) -> ScoringModel:
        """The model, opened as a worker does it."""
        return open_model(recipe, threads=2)

    @pytest.fixture
    def noise(self, recipe: Recipe) -> xr.DataArray:
        """Seven tiles of noise that pixels of all dtypes can hold."""
        shape = (7, len(recipe.bands), *recipe.input_size)
        pixels = np.random.default_rng(1).integers(0, 128, shape, np.uint8)
        return xr.DataArray(pixels, dims=("tile", "band", "y", "x"))

    def test_a_recipe_is_small_and_travels(self, recipe: Recipe) -> None:
        assert pickle.loads(pickle.dumps(recipe)) == recipe
        assert len(pickle.dumps(recipe)) < 4096 + 64 * len(recipe.classes)
        assert json.loads(json.dumps(recipe.as_dict())) == recipe.as_dict()

    def test_scores_have_the_dims_of_the_contract(
        self, model: ScoringModel, noise: xr.DataArray
    ) -> None:
        recipe = model.recipe
        dims = {"tile": 7, "class": len(recipe.classes)}
        if recipe.output == "pixel":
            height, width = recipe.input_size
            dims |= {"y": height - 2 * recipe.halo, "x": width - 2 * recipe.halo}
        scores = model.score(noise)
        assert dict(zip(scores.dims, scores.shape, strict=True)) == dims
        assert tuple(scores.coords["class"].values) == recipe.classes
        assert scores.dtype == np.float32

    def test_scores_are_probabilities(self, model: ScoringModel, noise: xr.DataArray) -> None:
        scores = model.score(noise)
        assert float(scores.min()) >= 0
        assert float(scores.max()) <= 1 + self.tolerance
        if model.recipe.form != "scores" or model.recipe.activation == "softmax":
            np.testing.assert_allclose(scores.sum("class"), 1, atol=1e-3)

    def test_tiles_are_told_apart(self, model: ScoringModel, noise: xr.DataArray) -> None:
        assert np.ptp(model.score(noise).values, axis=0).max() > 0

    @pytest.mark.parametrize("dtype", ["int8", "uint16", "int16", "int32", "float32", "float64"])
    def test_the_same_pixels_score_alike_in_every_dtype(
        self, model: ScoringModel, noise: xr.DataArray, dtype: str
    ) -> None:
        self._alike(model.score(noise.astype(dtype)), model.score(noise))

    def test_pixels_of_a_view_or_another_byte_order_score_alike(
        self, model: ScoringModel, noise: xr.DataArray
    ) -> None:
        view = noise.copy(data=np.moveaxis(np.moveaxis(noise.values, 1, 3).copy(), 3, 1))
        self._alike(model.score(view), model.score(noise))
        self._alike(model.score(noise.astype(">u2")), model.score(noise))

    @pytest.mark.parametrize("batch", [1, 2, 5, 7])
    def test_a_tile_scores_alike_in_every_batch(
        self, model: ScoringModel, noise: xr.DataArray, batch: int
    ) -> None:
        by_batch = dataclasses.replace(model.recipe, batch=batch)
        self._alike(ScoringModel(by_batch, model.network).score(noise), model.score(noise))

    def test_no_tiles_have_no_scores(self, model: ScoringModel, noise: xr.DataArray) -> None:
        assert model.score(noise[:0]).shape == (0, *model.score(noise[:1]).shape[1:])

    def test_threads_get_the_scores_of_their_own_tiles(
        self, model: ScoringModel, noise: xr.DataArray
    ) -> None:
        rolled = [noise.roll(tile=shift) for shift in range(8)] * 2
        with ThreadPoolExecutor(8) as threads:
            together = list(threads.map(model.score, rolled))
        for scores, tiles in zip(together, rolled, strict=True):
            self._alike(scores, model.score(tiles))

    def test_a_model_opened_again_scores_alike(
        self, model: ScoringModel, noise: xr.DataArray
    ) -> None:
        self._alike(open_model(model.recipe, threads=1).score(noise), model.score(noise))

    def test_coordinates_of_tiles_and_pixels_are_kept(
        self, model: ScoringModel, noise: xr.DataArray
    ) -> None:
        columns = np.arange(noise.sizes["x"])
        scores = model.score(noise.assign_coords(tile=list("abcdefg"), x=columns))
        assert "".join(scores.coords["tile"].values) == "abcdefg"
        if model.recipe.output == "pixel":
            assert scores.coords["x"][0] == model.recipe.halo

    def test_another_number_of_bands_is_refused(
        self, model: ScoringModel, noise: xr.DataArray
    ) -> None:
        more = xr.concat([noise, noise[:, :1]], "band")
        with pytest.raises(ModelError, match=f"reads {noise.sizes['band']} bands"):
            model.score(more)

    def test_another_window_is_refused(self, model: ScoringModel, noise: xr.DataArray) -> None:
        with pytest.raises(ModelError, match="reads tiles of"):
            model.score(noise[..., 1:])

    def test_other_dims_are_refused(self, model: ScoringModel, noise: xr.DataArray) -> None:
        with pytest.raises(ModelError, match="dims"):
            model.score(noise.transpose("tile", "y", "x", "band"))

    def _alike(self, scores: xr.DataArray, expected: xr.DataArray) -> None:
        np.testing.assert_allclose(scores.values, expected.values, atol=self.tolerance, rtol=0)


class FinickyError(Exception):
    """Cannot be made again from its arguments, as pickle tries to."""

    def __init__(self, tile: int, *, scene: str) -> None:
        super().__init__(f"tile {tile} of {scene}")
        self.tile = tile


class UnpicklableError(Exception):
    """Holds what no other process can have."""

    def __init__(self, tile: int) -> None:
        super().__init__(f"stuck at tile {tile}")
        self.lock = threading.Lock()


def _at_most(limit: int) -> Iterator[int]:
    yield from range(limit)
    pytest.fail(f"more than {limit} items were pulled")


def _broken() -> Iterator[int]:
    yield 1
    raise LookupError("no more tiles")


def _square(item: int) -> int:
    return item**2


def _nothing(item: int) -> None:
    return None


def _inverse(item: int) -> float:
    return 1 / item


def _process(item: int) -> int:
    return os.getpid()


def _finicky(item: int) -> None:
    raise FinickyError(item, scene="county")


def _unpicklable(item: int) -> None:
    raise UnpicklableError(item)


def _waiting_at(gate: Path, item: int) -> int:
    """Item 0 ends after the gate opens, or in error after a minute."""
    deadline = time.monotonic() + 60
    while item == 0 and not gate.exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the results of the other items did not come home")
        time.sleep(0.01)
    return item


def _deadly_once(caller: int, marker: Path, item: int) -> int:
    if item == 3 and not marker.exists():
        marker.touch()
        _die(caller)
    return item


def _deadly(caller: int, item: int) -> int:
    if item == 3:
        _die(caller)
    return item


def _unfit(item: int) -> int:
    raise WorkerUnfit(f"{socket.gethostname()}:{os.getpid()}", "no credentials for the imagery")


def _never_fit(item: int) -> int:
    return _unfit(item) if item == 3 else item


def _unfit_in_one_process(marker: Path, item: int) -> int:
    """The first process that comes here cannot do anything."""
    with suppress(FileExistsError), marker.open("x") as mark:
        mark.write(str(os.getpid()))
    return _unfit(item) if marker.read_text() == str(os.getpid()) else item


def _die(caller: int) -> None:
    """End this worker as the operating system does when memory runs out."""
    assert os.getpid() != caller, "this is no worker process: set workers_are_processes = False"
    os.kill(os.getpid(), signal.SIGKILL)
