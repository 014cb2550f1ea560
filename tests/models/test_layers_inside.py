"""A layer inside a network is what is wanted of it, where it is named, in files of all libraries."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.libraries import imported

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.model import open_model
from landcover.models.recipe import make_recipe

tf, keras = imported("tensorflow"), imported("keras")

PIXELS = np.random.default_rng(3).uniform(0, 1, (3, 3, 16, 16)).astype(np.float32)


def _shares() -> tuple[Any, Any]:
    """An image, and the probabilities of four classes."""
    keras.utils.set_random_seed(7)
    image = keras.Input((16, 16, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(6, 3)(image))
    return image, keras.layers.Dense(4, activation="softmax", name="shares")(features)


def _expected() -> Any:
    return keras.Model(*_shares()).predict(PIXELS.transpose(0, 2, 3, 1), verbose=0)


def _percentages() -> Any:
    image, shares = _shares()
    return keras.Model(image, keras.layers.Rescaling(100.0, name="percent")(shares))


def _of_another_network() -> Any:
    image = keras.Input((16, 16, 3))
    shares = keras.Model(*_shares(), name="within")(image)
    return keras.Model(image, keras.layers.Rescaling(100.0, name="percent")(shares))


def _ranked() -> Any:
    image, shares = _shares()
    return keras.Model(image, keras.ops.top_k(shares, 4)[0])


def _best() -> Any:
    image, shares = _shares()
    return keras.Model(image, keras.ops.top_k(shares, 1)[0])


def _keras(model: Any, folder: Path) -> Path:
    path = folder / "net.keras"
    model.save(path)
    return path


def _saved_model(model: Any, folder: Path) -> Path:
    model.export(folder / "net", verbose=False)
    return folder / "net"


def _frozen(saved: Path, path: Path) -> Path:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    if saved.is_dir():
        model = tf.saved_model.load(str(saved))  # it holds the variables
        traced = model.signatures["serving_default"]
    else:
        model = keras.models.load_model(saved)
        spec = tf.TensorSpec((None, 16, 16, 3), tf.float32)
        traced = tf.function(lambda image: model(image)).get_concrete_function(spec)
    definition = convert_variables_to_constants_v2(traced).graph.as_graph_def()
    tf.io.write_graph(definition, str(path.parent), path.name, as_text=False)
    return path


@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
@pytest.mark.parametrize("write", [_keras, _saved_model], ids=lambda w: w.__name__[1:])
@pytest.mark.parametrize(
    "make", [_percentages, _of_another_network, _ranked, _best], ids=lambda m: m.__name__[1:]
)
def test_what_comes_after_probabilities_is_refused_with_the_name_of_the_layer_that_makes_them(
    make: Callable[[], Any], write: Callable[[Any, Path], Path], runtime: str, tmp_path: Path
) -> None:
    told: dict[str, Any] = {"path": str(write(make(), tmp_path)), "runtime": runtime, "scale": 1}
    with pytest.raises(ModelError, match="set head to '") as caught:
        make_recipe(ModelSettings(**told))
    head = re.search("set head to '([^']+)'", str(caught.value))
    assert head is not None
    recipe = make_recipe(ModelSettings(**told, head=head[1]))
    np.testing.assert_allclose(open_model(recipe, 1).network.run(PIXELS), _expected(), atol=1e-5)


@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
@pytest.mark.parametrize("saved", [_keras, _saved_model], ids=lambda w: w.__name__[1:])
def test_a_frozen_graph_is_wanted_for_what_its_softmax_makes(
    saved: Callable[[Any, Path], Path], runtime: str, tmp_path: Path
) -> None:
    """As TensorFlow 2 freezes it: variables to wait for, and attributes of no value, stay in it."""
    path = _frozen(saved(_percentages(), tmp_path), tmp_path / "net.pb")
    recipe = make_recipe(ModelSettings(path=str(path), runtime=runtime, scale=1))
    np.testing.assert_allclose(open_model(recipe, 1).network.run(PIXELS), _expected(), atol=1e-5)


def test_what_follows_a_layer_that_is_named_is_left_out(tmp_path: Path) -> None:
    """Also what a runtime does not know, such as boxes that are chosen after all classes."""
    onnx = pytest.importorskip("onnx")
    make = onnx.helper.make_node
    nodes = [
        make("GlobalAveragePool", ["image"], ["mean"]),
        make("Flatten", ["mean"], ["flat"]),
        make("Softmax", ["flat"], ["shares"]),
        make("Unheard", ["shares"], ["out"], domain="nobody"),
    ]
    ends = [
        onnx.helper.make_tensor_value_info(name, 1, shape)
        for name, shape in (("image", ["n", 3, 16, 16]), ("out", ["n", 3]))
    ]
    graph = onnx.helper.make_graph(nodes, "net", ends[:1], ends[1:])
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("nobody", 1)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "n.onnx"
    )
    expected = np.exp(PIXELS.mean((2, 3)))
    expected /= expected.sum(1, keepdims=True)
    for runtime in ("openvino", "onnxruntime"):
        told = {"path": str(tmp_path / "n.onnx"), "runtime": runtime, "scale": 1}
        recipe = make_recipe(ModelSettings(**told, head="shares"))
        np.testing.assert_allclose(open_model(recipe, 1).network.run(PIXELS), expected, atol=1e-6)
