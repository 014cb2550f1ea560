"""Networks that label an image by what else is in its batch, or by chance, are refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.model import open_model
from landcover.models.recipe import make_recipe

RUNTIMES = ("onnxruntime", "openvino")
SIDECAR = "classes: [a, b, c, d]\nmean: 0\nscale: 1\n"
_CHANNELS = ["scale", "offset", "mean", "variance"]

# What stands before the convolution, and makes "z" of the images "x".
TRAINED = [
    helper.make_node("BatchNormalization", ["x", *_CHANNELS], ["z", "m", "v"], training_mode=1)
]
EXPORTED = [helper.make_node("BatchNormalization", ["x", *_CHANNELS], ["z"])]
CENTRED = [
    helper.make_node("ReduceMean", ["x"], ["mean of all"], axes=[0, 2, 3], keepdims=1),
    helper.make_node("Sub", ["x", "mean of all"], ["z"]),
]
NOISY = [
    helper.make_node("RandomNormalLike", ["x"], ["noise"]),
    helper.make_node("Add", ["x", "noise"], ["z"]),
]


def _network(
    folder: Path, before: Sequence[onnx.NodeProto], images: int | str = "n", *, runtime: str
) -> ModelSettings:
    after = [
        helper.make_node("Conv", ["z", "weights"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Softmax", ["f"], ["y"], axis=1),
    ]
    weights = np.random.default_rng(7).normal(size=(4, 3, 3, 3)).astype(np.float32)
    told = zip(_CHANNELS, (1, 0, 0.4, 0.1), strict=True)
    kept = [numpy_helper.from_array(np.full(3, value, np.float32), name) for name, value in told]
    graph = helper.make_graph(
        [*before, *after],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [images, 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [images, 4])],
        [numpy_helper.from_array(weights, "weights"), *kept],
    )
    path = folder / "network.onnx"
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    path.with_suffix(".yaml").write_text(SIDECAR)
    return ModelSettings(path=str(path), runtime=runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("before", [TRAINED, CENTRED], ids=["trained", "centred"])
def test_what_the_rest_of_a_batch_changes_is_refused_and_works_image_by_image(
    before: list[onnx.NodeProto], runtime: str, tmp_path: Path
) -> None:
    told = _network(tmp_path, before, runtime=runtime)
    said = "where others are in its batch .*export it for inference, or set model.batch to 1"
    with pytest.raises(ModelError, match=said):
        make_recipe(told)
    model = open_model(make_recipe(told.model_copy(update={"batch": 1})), 1)
    images = np.random.default_rng(3).integers(1, 255, (3, 3, 32, 32), np.uint8)
    apart = [model.network.run(images[n : n + 1])[0] for n in range(3)]
    assert model.batch == 1
    assert np.ptp(apart, axis=0).max() > 1e-3


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_where_a_file_insists_on_its_batch_another_export_is_what_settles_it(
    runtime: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"export it for inference$"):
        make_recipe(_network(tmp_path, CENTRED, 4, runtime=runtime))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("images", ["n", 1])
def test_chance_in_a_network_is_refused(images: int | str, runtime: str, tmp_path: Path) -> None:
    told = _network(tmp_path, NOISY, images, runtime=runtime)
    with pytest.raises(ModelError, match="each time that it runs: there is chance in it"):
        make_recipe(told)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("images", ["n", 1, 4])
def test_what_was_exported_for_inference_is_taken(
    images: int | str, runtime: str, tmp_path: Path
) -> None:
    assert make_recipe(_network(tmp_path, EXPORTED, images, runtime=runtime)).classes == tuple(
        "abcd"
    )


def test_a_layer_of_keras_over_the_whole_batch_is_refused(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    image = keras.Input((32, 32, 3))
    found = keras.layers.UnitNormalization(axis=0)(image)
    found = keras.layers.Conv2D(4, 3, activation="relu")(found)
    found = keras.layers.GlobalAveragePooling2D()(found)
    path = tmp_path / "network.keras"
    keras.Model(image, keras.layers.Softmax()(found)).save(path)
    path.with_suffix(".yaml").write_text(SIDECAR)
    with pytest.raises(ModelError, match="where others are in its batch"):
        make_recipe(ModelSettings(path=str(path), runtime="tensorflow"))
