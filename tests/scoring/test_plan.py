"""What a configuration says of the imagery reaches the source that tasks come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rasterio.transform import from_origin
from support.rasters import RGBA, imagery, write

from landcover.config import ModelSettings, SourceSettings, load_config
from landcover.errors import ConfigError
from landcover.models.recipe import Recipe, make_recipe
from landcover.runs.maps.maker import Overlap
from landcover.scoring.plan import (
    as_written,
    check_task_size,
    make_source,
    model_settings,
    task_size,
    tell_hidden,
)


@pytest.fixture(scope="module")
def tile_recipe(tile_model: Path) -> Recipe:
    return make_recipe(ModelSettings(path=str(tile_model), runtime="onnxruntime"))


@pytest.fixture(scope="module")
def pixel_recipe(pixel_model: Path) -> Recipe:
    return make_recipe(ModelSettings(path=str(pixel_model), runtime="onnxruntime"))


def test_every_key_about_rasters_gives_another_source(tmp_path: Path, tile_recipe: Recipe) -> None:
    file = write(tmp_path / "a.tif", imagery(4, 150, 170), colours=RGBA, resolution=0.6)

    def printed(**told: Any) -> dict[str, object]:
        return make_source(SourceSettings(rasters=(file,), **told), tile_recipe).fingerprint()

    told: list[dict[str, Any]] = [
        {},
        {"stride": 16},
        {"halo": 3},
        {"resolution": 1.0},
        {"grid": "ground"},
        {"alpha": "imagery"},
    ]
    found = [printed(**one) for one in told]
    assert all(found.count(one) == 1 for one in found)


def test_every_key_about_images_gives_another_source(tmp_path: Path, tile_recipe: Recipe) -> None:
    for name in ("water", "town"):
        (tmp_path / name).mkdir()
        pixels = np.moveaxis(imagery(4, 32, 32), 0, 2).copy()
        pixels[..., 3] = 255
        Image.fromarray(pixels).save(tmp_path / name / "a.png")

    def printed(**told: Any) -> dict[str, object]:
        images = (str(tmp_path),)
        return make_source(SourceSettings(images=images, **told), tile_recipe).fingerprint()

    told: list[dict[str, Any]] = [
        {},
        {"labels": "parent"},
        {"resize": "fit"},
        {"resize": "pad"},
        {"alpha": "imagery"},
        {"alpha": "mask"},
    ]
    found = [printed(**one) for one in told]
    assert all(found.count(one) == 1 for one in found)


def test_what_the_source_says_of_the_models_input_wins() -> None:
    told = {
        "source": {"rasters": ["a.tif"], "bands": [3, 1, 2], "tile": 96},
        "model": {"path": "m.onnx", "bands": [1, 2, 3], "input_size": 64, "resolution": 1},
        "output": {"path": "run"},
    }
    found = model_settings(load_config(told, environment={}))
    assert (found.bands, found.input_size, found.resolution) == ((3, 1, 2), 96, 1)


def test_a_network_labels_what_is_written_and_no_more(
    pixel_recipe: Recipe, tile_recipe: Recipe
) -> None:
    for told, halo in (({}, 2), ({"halo": 2}, 2), ({"halo": 9}, 9), ({"stride": 20}, 8)):
        settings = SourceSettings(rasters=("a.tif",), **told)  # type: ignore[arg-type]
        assert as_written(settings, pixel_recipe) == replace(pixel_recipe, halo=halo)
    assert as_written(SourceSettings(images=("a.png",)), pixel_recipe) == pixel_recipe
    assert as_written(SourceSettings(rasters=("a.tif",)), tile_recipe) == tile_recipe


def test_networks_that_label_pixels_get_masks_and_others_none(
    tmp_path: Path, tile_recipe: Recipe, pixel_recipe: Recipe
) -> None:
    pixels = imagery(3, 70, 70)
    pixels[:, 40:60, 10:30] = 0
    file = write(tmp_path / "a.tif", pixels, nodata=0)
    for recipe, masked in ((tile_recipe, False), (pixel_recipe, True)):
        source = make_source(SourceSettings(rasters=(file,)), recipe)
        strips = [read() for task in source.tasks() for read in task.reads()]
        assert any(strip.valid is not None for strip in strips) is masked


def test_the_resolution_is_that_of_the_run_or_else_of_the_model(
    tmp_path: Path, tile_recipe: Recipe
) -> None:
    file = write(tmp_path / "a.tif", imagery(3, 70, 70), resolution=0.6)
    for model, run, wanted in ((None, None, None), (2.0, None, 2.0), (2.0, 1.5, 1.5)):
        settings = SourceSettings(rasters=(file,), resolution=run)
        source = make_source(settings, replace(tile_recipe, resolution=model))
        assert source.fingerprint()["resolution"] == wanted


@pytest.mark.parametrize("told", [{"halo": 1}, {"halo": 0}, {"stride": 36}])
def test_a_halo_below_the_models_is_refused(told: dict[str, int], pixel_recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match="less than the 2 pixels that the model reads"):
        as_written(SourceSettings(rasters=("a.tif",), **told), pixel_recipe)  # type: ignore[arg-type]


def test_it_is_said_of_scenes_over_one_another_which_one_the_map_shows(
    tmp_path: Path, tile_recipe: Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    files = tuple(
        write(tmp_path / f"{name}.tif", imagery(3, 100, 100), transform=where)
        for name, left in (("d2016", 0), ("d2018", 10), ("d2020", 10))
        for where in [from_origin(500000.0 + left, 4000000.0, 1.0, 1.0)]
    )

    def said(overlap: Overlap, **told: Any) -> list[str]:
        caplog.clear()
        tell_hidden(make_source(SourceSettings(rasters=files, **told), tile_recipe), overlap)
        return [record.getMessage() for record in caplog.records]

    [first] = said("first")
    assert first == (
        "d2018: shows the place that d2016 shows (and so do 1 more): each scene has its own map, "
        "but of those over one another the map of all shows the first that is listed; "
        "source.date makes a map of each date"
    )
    [centre] = said("centre")
    assert centre.startswith("d2020: shows the place that d2018 shows: each scene")
    assert said("newest", date={"pattern": r"d(?P<date>\d{4})"}) == []


@pytest.mark.parametrize(
    ("run_seconds", "expected"), [(1, 0.5), (25, 2.0), (64, 3.2), (400, 8.0), (10**6, 8.0)]
)
def test_tasks_are_as_long_as_loses_least_by_their_number_and_at_the_end(
    tile_recipe: Recipe, run_seconds: int, expected: float
) -> None:
    """Of a run of an hour and of one of a minute; whatever the workers and their speed."""
    for slots, speed in ((1, 1000.0), (1000, 100.0)):
        count = round(run_seconds * slots * speed)
        assert task_size(tile_recipe, count, speed, slots) == round(expected * speed)
        assert task_size(tile_recipe, count, speed, slots, 0.25) == round(0.25 * speed)


def test_a_task_has_no_more_probabilities_than_a_part_is_read_with(tile_recipe: Recipe) -> None:
    many = replace(tile_recipe, classes=tuple(map(str, range(20_000))))
    told = {"count": 10**7, "tiles_per_second": 1e6, "slots": 1}
    assert task_size(many, **told) == 8192
    assert task_size(many, **told, probabilities=True) == 3355  # 2^26 numbers
    assert check_task_size(3355, many, probabilities=True) == 3355
    assert check_task_size(1_000_000, many, probabilities=False) == 1_000_000
    with pytest.raises(
        ConfigError, match=r"at most 3,355 tiles with 20,000 probabilities each, not 3,356"
    ):
        check_task_size(3356, many, probabilities=True)
    with pytest.raises(ConfigError, match=r"at most 1,000,000 tiles, not 1,000,001"):
        check_task_size(1_000_001, many, probabilities=False)
