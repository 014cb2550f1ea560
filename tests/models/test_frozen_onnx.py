"""Networks of TensorFlow and Keras that label pixels: OpenVINO computes only what is written of them, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landcover.config import ModelSettings
from landcover.errors import OutputError
from landcover.models.formats.detection import detect
from landcover.models.model import open_model
from landcover.models.recipe import Recipe, make_recipe
from landcover.models.runtimes import frozen_onnx
from landcover.models.runtimes.openvino import OpenvinoRuntime
from landcover.training.network import load_keras

for _library in ("tensorflow", "keras", "openvino", "tf2onnx"):
    if find_spec(_library) is None:
        pytest.skip(f"needs {_library}, which is not installed", allow_module_level=True)

EDGE, BANDS = 64, 4

Layers = Callable[[Any], Any]


def _narrow(x: Any) -> Any:
    """A stage down and up, whose result is doubled as Keras does by default, and joined with what was."""
    layers = load_keras().layers
    first = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    deep = layers.Conv2D(8, 3, padding="same")(layers.MaxPooling2D(2)(first))
    deep = layers.LeakyReLU()(layers.BatchNormalization()(deep))
    return layers.Concatenate()([first, layers.UpSampling2D(2)(deep)])


def _smooth(x: Any) -> Any:
    layers = load_keras().layers
    deep = layers.Conv2D(8, 3, strides=2, padding="same", activation="swish")(x)
    return layers.UpSampling2D(2, interpolation="bilinear")(deep)


def _apart(x: Any) -> Any:
    layers = load_keras().layers
    x = layers.SeparableConv2D(8, 3, dilation_rate=2, padding="same")(layers.ZeroPadding2D(1)(x))
    return layers.Cropping2D(1)(layers.Activation("elu")(x))


def _learned(x: Any) -> Any:
    layers = load_keras().layers
    deep = layers.AveragePooling2D(2)(layers.Conv2D(4, 3, padding="same")(x))
    return layers.Conv2DTranspose(6, 4, strides=2, padding="same")(deep)


KINDS = {"narrow": _narrow, "smooth": _smooth, "apart": _apart, "learned": _learned}


def _saved(layers: Layers, path: Path, edge: int | None = EDGE, crop: int = 20) -> Path:
    keras = load_keras()
    keras.utils.set_random_seed(3)
    pixels = keras.layers.Input((edge, edge, BANDS))
    x = keras.layers.Conv2D(3, 1)(layers(pixels))
    x = keras.layers.Cropping2D(crop)(x) if crop else x
    network = keras.Model(pixels, keras.layers.Softmax()(x))
    network.export(path, verbose=False) if path.suffix == "" else network.save(path)
    return path


def _recipe(path: Path, runtime: str = "openvino", input_size: int | None = None) -> Recipe:
    told = {"scale": 1 / 255, "input_size": input_size}
    return make_recipe(ModelSettings(path=str(path), runtime=runtime, **told))


def _scores(recipe: Recipe) -> tuple[Any, Any]:
    model = open_model(recipe, 1)
    shape = (3, BANDS, *recipe.input_size)
    pixels = np.random.default_rng(4).integers(0, 256, shape, np.uint8)
    return model.network.run(pixels), model.arithmetic


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["network.keras", "saved_model"])
def test_only_what_is_written_is_computed_and_the_scores_are_those_of_tensorflow(
    tmp_path: Path, kind: str, name: str
) -> None:
    path = _saved(KINDS[kind], tmp_path / name)
    expected, _ = _scores(_recipe(path, "tensorflow"))
    found, arithmetic = _scores(_recipe(path))
    assert found.shape == (3, 3, EDGE - 40, EDGE - 40)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    assert arithmetic is not None and arithmetic.computed < 0.75 * arithmetic.whole


def test_a_network_whose_window_is_free_is_cropped_for_each_window(tmp_path: Path) -> None:
    path = _saved(_narrow, tmp_path / "network.keras", edge=None, crop=0)
    for edge in (EDGE, 96):
        recipe = _recipe(path, input_size=edge)
        whole, nothing = _scores(recipe)
        found, arithmetic = _scores(replace(recipe, halo=16))
        np.testing.assert_allclose(found, whole[:, :, 16:-16, 16:-16], rtol=0, atol=2e-6)
        assert nothing is None
        assert arithmetic is not None and arithmetic.computed < 0.8 * arithmetic.whole


def test_it_is_converted_once_a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = _recipe(_saved(_apart, tmp_path / "network.keras"))
    expected, _ = _scores(recipe)

    def never(frozen: bytes, shape: Any) -> Any:
        raise AssertionError("converted again")

    monkeypatch.setattr(frozen_onnx, "_converted", never)
    found, arithmetic = _scores(recipe)
    np.testing.assert_array_equal(found, expected)
    assert arithmetic is not None


def test_a_conversion_that_returns_something_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = _recipe(_saved(_smooth, tmp_path / "network.keras"))
    right = frozen_onnx._converted

    def wrong(frozen: bytes, shape: Any) -> Any:
        model = right(frozen, shape)
        for node in model.graph.node:
            for attribute in node.attribute:
                if attribute.name == "coordinate_transformation_mode":
                    attribute.s = b"asymmetric"
        return model

    monkeypatch.setattr(frozen_onnx, "_converted", wrong)
    expected, _ = _scores(replace(recipe, runtime="tensorflow"))
    found, arithmetic = _scores(recipe)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    assert arithmetic is None


@pytest.mark.parametrize("lacking", ["tf2onnx", "what it can convert"])
def test_a_network_that_cannot_be_converted_is_computed_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    recipe = _recipe(_saved(_learned, tmp_path / "network.keras"))

    def fail(*given: Any) -> Any:
        raise ValueError("no rule for it")

    if lacking == "tf2onnx":
        monkeypatch.setattr(frozen_onnx, "version_of", lambda name: None)
    else:
        monkeypatch.setattr(frozen_onnx, "_converted", fail)
    expected, _ = _scores(replace(recipe, runtime="tensorflow"))
    found, arithmetic = _scores(recipe)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    assert arithmetic is None


@pytest.mark.parametrize(
    "error", [RuntimeError("std::bad_alloc"), ImportError("numpy is another"), OSError(28, "full")]
)
def test_a_conversion_that_fails_for_a_while_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    recipe = _recipe(_saved(_apart, tmp_path / "network.keras"))
    with monkeypatch.context() as patch:

        def fail(*given: Any) -> Any:
            raise error

        patch.setattr(frozen_onnx, "_converted", fail)
        expected, nothing = _scores(recipe)
    found, arithmetic = _scores(recipe)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    assert nothing is None
    assert arithmetic is not None


def test_a_cache_that_cannot_be_written_to_does_not_stop_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one in the image of a container, filled beforehand by an earlier version."""
    recipe = _recipe(_saved(_apart, tmp_path / "network.keras"))

    def full(name: str, make: Any) -> Any:
        raise OutputError(name, "this cache cannot be used (Read-only file system)")

    monkeypatch.setattr(frozen_onnx, "cached", full)
    expected, _ = _scores(replace(recipe, runtime="tensorflow"))
    found, arithmetic = _scores(recipe)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    assert arithmetic is None


def test_what_is_quantized_is_cropped_too(tmp_path: Path) -> None:
    path = _saved(_narrow, tmp_path / "network.keras", crop=0)
    recipe = replace(_recipe(path), halo=20)
    bare = OpenvinoRuntime().open(detect(path), None).bare(recipe.steps())
    assert [dim.get_length() for dim in list(bare.outputs[0].partial_shape)[1:]] == [
        EDGE - 40,
        EDGE - 40,
        3,
    ]
