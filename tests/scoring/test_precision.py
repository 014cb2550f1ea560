"""What a run in a lower precision says of it, on a CPU that computes in bf16."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.colours import blobs, write_scene

import landcover
from landcover.cli.score import score
from landcover.config import ModelSettings
from landcover.models.recipe import Recipe, make_recipe
from landcover.scoring.precision import _compared, check_precision
from landcover.tiles.rasters import RasterSource


def _bf16(model: Path) -> Recipe:
    openvino = pytest.importorskip("openvino")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU does not compute in bf16")
    settings = {"path": str(model), "runtime": "openvino", "precision": "bf16"}
    return make_recipe(ModelSettings(**settings), threads=1)


def _source(scene: Path, recipe: Recipe) -> RasterSource:
    return RasterSource(
        (str(scene),),
        tile=recipe.input_size[0],
        stride=None,
        halo=recipe.halo,
        resolution=None,
        bands=recipe.bands,
        mask=recipe.output == "pixel",
    )


def test_the_first_tiles_with_data_are_held_against_f32(tile_model: Path, tmp_path: Path) -> None:
    recipe = _bf16(tile_model)
    pixels = blobs(1, 64, 640)
    pixels[:, :, :96] = 0  # three columns of tiles hold nothing
    source = _source(write_scene(tmp_path / "scene.tif", pixels, nodata=0), recipe)
    found = check_precision(recipe, source, threads=1, most=20)
    assert found is not None
    assert (found.precision, found.tiles, found.labels) == ("bf16", 20, 20)
    assert 0.8 <= found.agreement <= 1
    assert 0 < found.largest_score_difference < 0.1


def test_pixels_without_data_count_for_nothing(pixel_model: Path, tmp_path: Path) -> None:
    recipe = _bf16(pixel_model)
    pixels = blobs(1, 32, 640)
    pixels[:, :, :40] = 0
    pixels[:, :, 500:520] = 0
    source = _source(write_scene(tmp_path / "scene.tif", pixels, nodata=0), recipe)
    found = check_precision(recipe, source, threads=1)
    assert found is not None
    assert (found.tiles, found.labels) == (19, 32 * (640 - 40 - 20))


def test_labels_and_scores_are_compared_class_by_class_and_pixel_by_pixel() -> None:
    """By arrays, so that it is shown on a CPU without bf16, too."""
    exact = np.array([[0.1, 0.7, 0.2], [0.3, 0.3, 0.4], [0.5, 0.25, 0.25]], np.float32)
    lower = np.array([[0.1, 0.6, 0.3], [0.3, 0.45, 0.25], [0.5, 0.25, 0.25]], np.float32)
    assert _compared(lower, exact, None) == ([1, 0, 1], [1, 1, 1], pytest.approx(0.15))
    valid = np.array([[[True, False, True]]])
    maps = [one.T[None, :, None, :] for one in (lower, exact)]
    assert _compared(*maps, valid) == ([2], [2], pytest.approx(0.1))
    lower[2] = np.nan  # no label is no equal label
    assert _compared(lower, exact, None)[:2] == ([1, 0, 0], [1, 1, 1])


def test_a_plan_without_data_has_nothing_to_compare(tile_model: Path, tmp_path: Path) -> None:
    recipe = _bf16(tile_model)
    scene = write_scene(tmp_path / "empty.tif", np.zeros((3, 64, 64), np.uint8), nodata=0)
    assert check_precision(recipe, _source(scene, recipe), threads=1) is None


def test_a_run_in_bf16_says_how_far_its_labels_are_from_f32(
    scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    _bf16(tile_model)
    (tmp_path / "run.yaml").write_text(
        f"source: {{rasters: {scene}, task: 16}}\noutput: {tmp_path / 'run'}\n"
        f"model: {{path: {tile_model}, runtime: openvino, precision: bf16, batch: 8}}\n"
    )
    said = CliRunner().invoke(score, [str(tmp_path / "run.yaml"), "--quiet"])
    assert said.exit_code == 0, said.output
    check = landcover.open_run(str(tmp_path / "run")).summary["precision_check"]
    assert (check["tiles"], check["labels"]) == (32, 32)
    assert f"in bf16, {check['agreement']:.2%} of 32 labels of 32 tiles are those of f32" in (
        said.output
    )


def test_a_run_in_f32_has_nothing_to_check(scene: Path, tile_model: Path, tmp_path: Path) -> None:
    run = landcover.score(rasters=str(scene), model=tile_model, output=tmp_path / "run")
    assert "precision_check" not in run.summary
