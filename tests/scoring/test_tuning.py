"""The search for a batch, and what is remembered of it, with networks of a made speed and size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import landcover
from landcover.config import ModelSettings
from landcover.contracts import Tile
from landcover.errors import ModelError
from landcover.models.model import ScoringModel
from landcover.models.preprocessing.specification import Pixels, Probabilities
from landcover.models.recipe import Recipe, make_recipe
from landcover.models.runtimes.onnxruntime import OnnxRuntime
from landcover.scoring.inference import Labelling
from landcover.scoring.model import OpenModel
from landcover.scoring.pipeline import Batch
from landcover.scoring.tuning import Tuning, _key, measure, remember_smaller, remembered


class Roomy:
    """Takes as long for many tiles as for one, so that the largest batch is the fastest."""

    def __init__(self, room: int) -> None:
        self.room, self.largest = room, 0

    def run(self, pixels: Pixels) -> Probabilities:
        if len(pixels) > self.room:
            raise MemoryError
        self.largest = max(self.largest, len(pixels))
        return np.full((len(pixels), 4), 0.25, np.float32)


@pytest.fixture
def recipe(tile_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setenv("LANDCOVER_CACHE", str(tmp_path / "cache"))
    return make_recipe(ModelSettings(path=str(tile_model), runtime="onnxruntime"), threads=1)


def test_the_search_ends_where_memory_does(recipe: Recipe) -> None:
    network = Roomy(room=6)
    assert measure(ScoringModel(recipe, network), 1).batch <= 4
    assert network.largest == 4


@pytest.mark.parametrize(
    ("output", "edge", "largest"),
    [
        ("pixel", 16, 128),
        ("pixel", 224, 32),
        ("pixel", 512, 8),
        ("pixel", 4000, 1),
        ("tile", 224, 128),
    ],
)
def test_batches_of_large_windows_whose_pixels_are_labelled_stay_small(
    recipe: Recipe, output: Literal["tile", "pixel"], edge: int, largest: int
) -> None:
    """Such a network returns many times the memory of its windows."""
    network = Roomy(room=1000)
    measure(ScoringModel(replace(recipe, output=output, input_size=(edge, edge)), network), 1)
    assert network.largest == largest


def test_what_was_found_is_remembered(recipe: Recipe) -> None:
    found = measure(ScoringModel(recipe, Roomy(room=100)), 1)
    unused = Roomy(room=100)
    assert measure(ScoringModel(recipe, unused), 1) == found
    assert unused.largest == 0


def test_a_batch_that_had_to_shrink_stays_small_in_later_runs(recipe: Recipe) -> None:
    found = measure(ScoringModel(recipe, Roomy(room=100)), 1)
    assert found.batch > 2
    remember_smaller(ScoringModel(replace(recipe, batch=2), Roomy(room=2)), 1)
    assert measure(ScoringModel(recipe, Roomy(room=100)), 1) == replace(found, batch=2)
    remember_smaller(ScoringModel(replace(recipe, batch=8), Roomy(room=8)), 1)
    assert measure(ScoringModel(recipe, Roomy(room=100)), 1).batch == 2


def test_batches_that_had_to_shrink_stay_small_in_this_run_and_in_later_ones(
    recipe: Recipe,
) -> None:
    assert measure(ScoringModel(recipe, Roomy(room=100)), 1).batch > 4
    opened = OpenModel(ScoringModel(replace(recipe, batch=2**31), Roomy(room=5)), 1, 0.0)
    labelling = Labelling(opened, 16)
    tiles = [Tile(str(n), "scene", 0, n) for n in range(16)]
    pixels = np.zeros((16, 3, 32, 32), np.uint8)
    assert len(labelling(Batch(tiles, pixels, None)).labels) == 16
    assert labelling.batch == 4
    assert measure(ScoringModel(recipe, Roomy(room=100)), 1).batch == 4
    opened.pipeline.close()


def test_nothing_is_remembered_of_a_network_that_fits_no_tile(recipe: Recipe) -> None:
    with pytest.raises(ModelError, match="not even one tile of 32 x 32 pixels"):
        measure(ScoringModel(recipe, Roomy(room=0)), 1)
    assert measure(ScoringModel(recipe, Roomy(room=100)), 1).batch >= 1


def test_a_run_goes_on_with_batches_that_fit(
    scene: Path, tile_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real network, made to run out of memory above five tiles once its speed is known."""
    monkeypatch.setenv("LANDCOVER_CACHE", str(tmp_path / "cache"))
    settings = {"path": str(tile_model), "runtime": "onnxruntime"}
    one = landcover.score(rasters=str(scene), model=settings, output=tmp_path / "one")
    sizes = []
    compiled = OnnxRuntime.open

    def tight(self: OnnxRuntime, *args: object) -> object:
        graph = compiled(self, *args)
        network_of = graph.compile

        def compile(steps: object) -> object:
            network = network_of(steps)
            run = network.run

            def limited(pixels: Pixels) -> Probabilities:
                if len(pixels) > 5:
                    raise RuntimeError("BFCArena: Failed to allocate memory")
                sizes.append(len(pixels))
                return run(pixels)

            network.run = limited
            return network

        graph.compile = compile
        return graph

    monkeypatch.setattr(OnnxRuntime, "open", tight)
    told = {"model.batch": 16}
    two = landcover.score(
        rasters=str(scene), model=settings, output=tmp_path / "two", overrides=told
    )
    assert max(sizes) <= 5
    assert two.summary["tiles"]["scored"] == 35
    names = ["tile", "label"]
    both = [run.tiles().sort_values("tile")[names].to_numpy().tolist() for run in (one, two)]
    assert both[0] == both[1]


def test_what_was_measured_in_one_precision_says_nothing_of_another(recipe: Recipe) -> None:
    recipes = [replace(recipe, precision=one) for one in ("f32", "bf16")]
    assert len({_key(one, None, 1) for one in recipes}) == 2


def test_what_was_measured_of_one_network_says_nothing_of_another(recipe: Recipe) -> None:
    others = [replace(recipe, digest="another"), replace(recipe, head="another")]
    assert len({_key(one, None, 1) for one in (recipe, *others)}) == 3


def test_what_is_remembered_is_told_without_opening_the_model(recipe: Recipe) -> None:
    assert remembered(recipe, 1) is None
    found = measure(ScoringModel(recipe, Roomy(1)), 1)
    assert remembered(recipe, 1) == found
    assert remembered(recipe, 2) is None


@pytest.mark.parametrize(
    "said",
    [
        {"batch": True, "tiles_per_second": 5.0},
        {"batch": 2.5, "tiles_per_second": 5.0},
        {"batch": 2, "tiles_per_second": 0.0},
        {"batch": 2, "tiles_per_second": float("nan")},
        {"batch": 1_000_000, "tiles_per_second": 5.0},
    ],
)
def test_what_nobody_can_have_measured_is_not_believed(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="nobody has measured"):
        Tuning(**said)
