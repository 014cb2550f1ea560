"""Networks of the shared folder that went wrong once, against their own libraries by hand.

They hold no word of mean and scale, which is asked for: pixels as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

import landcover
from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.inspection.inspection import inspect_model
from landcover.models.model import open_model
from landcover.models.recipe import Recipe, make_recipe

Array = NDArray[np.float32]
AS_THEY_ARE = {"model.mean": 0, "model.scale": 1}


@pytest.fixture
def cases(shared: Path) -> Path:
    return shared / "cases" / "models"


def recipe_of(path: Path, runtime: str, **told: Any) -> Recipe:
    pytest.importorskip(runtime)
    return make_recipe(ModelSettings(path=str(path), runtime=runtime, **told))


def softmax(logits: Array, axis: int = 1) -> Array:
    powers = np.exp(logits - logits.max(axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis, keepdims=True))


def noise(recipe: Recipe, count: int = 5, least: int = 1) -> NDArray[np.uint8]:
    shape = (count, len(recipe.bands), *recipe.input_size)
    return np.random.default_rng(7).integers(least, 256, shape, np.uint8)


def by_hand(path: Path, pixels: Array) -> Array:
    """What ONNX Runtime returns for images, one by one."""
    session = pytest.importorskip("onnxruntime").InferenceSession(str(path))
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: one[None]})[0] for one in pixels])


def _rows(raw: Array) -> Array:
    return raw.reshape(-1, 64, 64, 6).transpose(0, 3, 1, 2)


RETURNED = {
    "o05_sigmoid_binary_pixel": lambda raw: np.concatenate([1 - raw, raw], axis=1),
    "o07_flattened_pixels": _rows,
    "o11_ndvi_inside_pixel": softmax,
    "o15_deepness_metadata": lambda raw: raw,
    "o19_reshape_hardcoded_batch1": softmax,
    "o28_qdq_softmax_output_10": lambda raw: raw,
    "o30_rectangular_tile": softmax,
    "sigmoid_pixel": lambda raw: raw,
}


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", RETURNED)
def test_scores_are_what_the_network_says(name: str, runtime: str, cases: Path) -> None:
    path = cases / f"{name}.onnx"
    recipe = recipe_of(path, runtime, mean=0, scale=1 / 255)
    pixels = noise(recipe)
    expected = RETURNED[name](by_hand(path, pixels * np.float32(1 / 255)))
    model = open_model(recipe, 1)
    found = model.network.run(pixels)
    # One step of a quantized output may fall to either side.
    tolerance = 1 / 255 + 1e-6 if "qdq" in name else 1e-5
    np.testing.assert_allclose(found, expected, atol=tolerance)
    for count in (1, 2):  # also where a batch of 1 is written into the network
        some = model.network.run(pixels[:count])
        np.testing.assert_allclose(some, expected[:count], atol=tolerance)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_bytes_in_nhwc_are_read_as_they_are(runtime: str, cases: Path) -> None:
    path = cases / "o09_uint8_nhwc.onnx"
    recipe = recipe_of(path, runtime)
    pixels = noise(recipe)
    expected = by_hand(path, pixels.transpose(0, 2, 3, 1))
    expected = softmax(expected) if recipe.activation == "softmax" else expected
    np.testing.assert_allclose(open_model(recipe, 1).network.run(pixels), expected, atol=1e-5)


def test_pixels_without_red_and_infrared_have_no_label(cases: Path) -> None:
    recipe = recipe_of(cases / "o11_ndvi_inside_pixel.onnx", "onnxruntime", scale=1)
    pixels = noise(recipe, 1)
    pixels[:, :, 3, 5] = 0
    found = open_model(recipe, 1).network.run(pixels)
    assert np.isnan(found[0, :, 3, 5]).all() or np.isfinite(found).all()


@pytest.mark.parametrize("runtime", ["tensorflow", "openvino"])
@pytest.mark.parametrize(
    ("name", "bands", "size"),
    [
        ("k01_rescaling_inside", 3, None),
        ("k17_int8", 3, None),
        ("k18_fcn_any_size", 4, 48),
        ("k27_s2_patch_9x9x13", 13, None),
    ],
)
def test_keras_networks_score_as_keras_does(
    name: str, bands: int, size: int | None, runtime: str, cases: Path
) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    path = cases / f"{name}.keras"
    told: dict[str, Any] = {} if name.startswith("k01") else {"scale": 1 / 255}
    recipe = recipe_of(path, runtime, input_size=size, **told)
    assert len(recipe.bands) == bands
    pixels = noise(recipe)
    images = pixels.transpose(0, 2, 3, 1).astype(np.float32)
    raw = np.asarray(keras.models.load_model(path)(images * np.float32(told.get("scale", 1))))
    raw = softmax(raw, -1) if recipe.activation == "softmax" else raw
    expected = raw.transpose(0, 3, 1, 2) if raw.ndim == 4 else raw
    found = open_model(recipe, 1).network.run(pixels)
    np.testing.assert_allclose(found, expected, atol=1e-4 if name.startswith("k17") else 2e-5)


def scored(cases: Path, name: str, output: Path) -> landcover.Run:
    told = {**AS_THEY_ARE, "output.path": str(output)}
    return landcover.score(cases / f"cfg_{name}.yaml", overrides=told)


def test_a_quarter_of_the_resolution_gives_the_map_of_the_whole(
    cases: Path, tmp_path: Path
) -> None:
    whole = scored(cases, "full", tmp_path / "full").map().values
    quarter = scored(cases, "quarter", tmp_path / "quarter").map().values
    rows, columns = np.nonzero(whole != quarter)
    # Bilinear interpolation rounds a corner: of the four cells around its pixel, at 5/8 of the way
    # from each, its own has 25/64, and three of the other class have the rest.
    assert len(rows) <= 1
    for row, column in zip(rows, columns, strict=True):
        around = whole[row - 1 : row + 2, column - 1 : column + 2]
        assert (around == whole[row, column]).sum() == 4


def test_a_sigmoid_a_class_stays_what_it_is(cases: Path, tmp_path: Path) -> None:
    run = scored(cases, "sigmoid", tmp_path / "run")
    with rasterio.open(cases / "halves.tif") as scene:
        pixels = scene.read()[None].astype(np.float32)
    recipe = recipe_of(cases / "sigmoid_pixel.onnx", "onnxruntime", scale=1)
    rows, columns = recipe.input_size
    said = by_hand(cases / "sigmoid_pixel.onnx", pixels[:, :, :rows, :columns])[0]
    tile = run.tiles().set_index(["row", "col"]).loc[(0, 0)]
    np.testing.assert_allclose(tile["probabilities"], said.mean(axis=(1, 2)), atol=1e-5)
    labels = said.argmax(0)
    assert tile["score"] == pytest.approx(said.max(0)[labels == labels[0, 0]].mean(), abs=1e-5)


def test_windows_that_are_no_squares_and_a_batch_of_one_are_scored(
    cases: Path, tmp_path: Path
) -> None:
    for name, tiles in (("rect", 1), ("reshape1", 4)):
        run = scored(cases, name, tmp_path / name)
        assert run.summary["tiles"]["scored"] == tiles == run.summary["tiles"]["planned"]


def test_imagery_that_bytes_cannot_hold_is_refused(cases: Path, tmp_path: Path) -> None:
    told = {"output.path": str(tmp_path / "run")}
    with pytest.raises(ModelError, match="reads uint8 and the imagery is uint16"):
        landcover.score(cases / "cfg_u8net_u16img.yaml", overrides=told)


def test_every_one_of_them_can_be_inspected(cases: Path) -> None:
    for path in sorted([*cases.glob("*.onnx"), *cases.glob("*.keras")]):
        found = inspect_model(str(path), window=64)
        assert found.proposal is not None and found.proposal.refusal is None, path.name
