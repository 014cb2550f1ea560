"""Which numbers a network wants is asked for, unless somebody or something says it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from support import networks
from support.colours import blobs, write_scene

import landcover
from landcover.config import ModelSettings
from landcover.errors import ModelError, ScalingUntold
from landcover.models.recipe import Recipe, make_recipe

SIZE = 8
Step = tuple[str, dict[str, Any]]


def starting(path: Path, *steps: Step, branches: int = 1) -> Path:
    """A network that does these operations with constants, each as often, before its convolution."""
    held = {"w": np.ones((2, 3 * branches, 1, 1), np.float32)}
    nodes, ends = [], []
    for branch in range(branches):
        value = "image"
        for at, (kind, constants) in enumerate(steps):
            names = [f"{key}{branch}{at}" for key in constants]
            held |= dict(zip(names, map(np.float32, constants.values()), strict=True))
            nodes.append(helper.make_node(kind, [value, *names], [f"v{branch}{at}"]))
            value = f"v{branch}{at}"
        ends.append(value)
    nodes.append(helper.make_node("Concat", ends, ["all"], axis=1))
    nodes.append(helper.make_node("Conv", ["all" if branches > 1 else ends[0], "w"], ["sums"]))
    nodes.append(helper.make_node("Mul", ["sums", "half"], ["scores"]))
    shape = ["n", 3, SIZE, SIZE]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 2, SIZE, SIZE])
    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in held.items()]
    tensors.append(numpy_helper.from_array(np.float32(0.5), "half"))
    if branches == 1:
        del nodes[-3]
    graph = helper.make_graph(nodes, "net", [image], [scores], tensors)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


def recipe_of(path: Path, runtime: str = "onnxruntime", **told: Any) -> Recipe:
    pytest.importorskip(runtime)
    return make_recipe(ModelSettings(path=str(path), runtime=runtime, **told))


NORMALIZED: Step = (
    "BatchNormalization",
    {key: [1, 1, 1] for key in ("scale", "bias", "mean", "spread")},
)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("steps", "branches"),
    [
        ([("Div", {"d": 255})], 1),
        ([("Sub", {"m": [[[9]], [[8]], [[7]]]})], 1),
        ([("Mul", {"s": 1 / 255})], 1),
        ([("Identity", {}), ("Add", {"m": -127.5})], 1),
        ([NORMALIZED], 1),
        ([("Mul", {"s": 0.01})], 3),
    ],
)
def test_a_network_that_does_arithmetic_with_pixels_first_needs_no_word(
    steps: list[Step], branches: int, runtime: str, tmp_path: Path
) -> None:
    recipe = recipe_of(starting(tmp_path / "net.onnx", *steps, branches=branches), runtime)
    assert (recipe.mean, recipe.scale) == ((0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("steps", [[], [("Relu", {})], [("Relu", {}), ("Div", {"d": 255})]])
def test_any_other_network_of_floats_is_asked_about(
    steps: list[Step], runtime: str, tmp_path: Path
) -> None:
    path = starting(tmp_path / "net.onnx", *steps)
    with pytest.raises(ScalingUntold, match="nothing says which numbers it wants") as asked:
        recipe_of(path, runtime)
    assert str(tmp_path / "net.yaml") in str(asked.value)
    assert recipe_of(path, runtime, mean=3).scale == (1, 1, 1)
    assert recipe_of(path, runtime, scale=2).mean == (0, 0, 0)
    for told in ({"mean": 0}, {"scale": 1}, {"mean": (1, 2, 3), "scale": 0.5}):
        recipe_of(path, runtime, **told)


def test_the_lines_that_are_proposed_settle_it(tmp_path: Path) -> None:
    path = starting(tmp_path / "net.onnx")
    with pytest.raises(ScalingUntold) as asked:
        recipe_of(path)
    place, lines = str(tmp_path / "net.yaml"), str(asked.value).partition("\n\n")[2].splitlines()
    told = [line.removeprefix("# ") for line in lines[1:]]
    assert {"classes", "mean", "scale", "resolution"} <= yaml.safe_load("\n".join(told)).keys()
    Path(place).write_text("\n".join([lines[0], *told]))
    recipe = recipe_of(path)
    assert (recipe.mean, recipe.scale, len(recipe.classes)) == ((0, 0, 0), (1, 1, 1), 2)


def test_keras_networks_are_asked_about_unless_they_scale(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    layers = keras.layers
    image = keras.Input((SIZE, SIZE, 3))
    first = {
        "plain": image,
        "divided": image / 255,
        "less": image - 127.5,
        "rescaled": layers.Rescaling(1 / 255)(image),
        "normalized": layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0] * 3)(image),
        "in batches": layers.BatchNormalization()(image),
    }
    for name, value in first.items():
        path = tmp_path / f"{name}.keras"
        keras.Model(image, layers.Conv2D(4, 3, padding="same", activation="softmax")(value)).save(
            path
        )
        for runtime in ("tensorflow", "openvino"):
            if name == "plain":
                with pytest.raises(ScalingUntold):
                    recipe_of(path, runtime)
            else:
                recipe_of(path, runtime)


def test_a_keras_2_network_that_divides_in_code_is_heard(tmp_path: Path) -> None:
    keras = pytest.importorskip("tf_keras")
    pytest.importorskip("tensorflow")
    image = keras.Input((SIZE, SIZE, 3))
    scores = keras.layers.Conv2D(4, 3, padding="same", activation="softmax")(image / 255)
    keras.Model(image, scores).save(tmp_path / "net.h5")
    recipe_of(tmp_path / "net.h5", "tensorflow")


def test_a_saved_model_that_scales_needs_no_word(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    plain = networks.saved_model(tmp_path / "plain", tf)
    with pytest.raises(ScalingUntold):
        recipe_of(plain, "tensorflow")
    module = tf.Module()
    module.kernel = tf.Variable(np.ones((3, 3, 3, 4), np.float32))
    module.mean = tf.Variable(np.float32([1, 2, 3]))

    @tf.function(input_signature=[tf.TensorSpec((None, SIZE, SIZE, 3), name="image")])
    def serve(image: Any) -> Any:
        return {"s": tf.nn.softmax(tf.nn.conv2d(image - module.mean, module.kernel, 1, "SAME"))}

    tf.saved_model.save(module, str(tmp_path / "less"), signatures={"serving_default": serve})
    for runtime in ("tensorflow", "openvino"):
        recipe_of(tmp_path / "less", runtime)


def test_notes_of_deepness_are_taken_at_their_word(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    shutil.copy(shared / "cases" / "models" / "o15_deepness_metadata.onnx", path)
    recipe = recipe_of(path)
    assert recipe.mean == pytest.approx((123.675, 116.28, 103.53))
    assert recipe.scale == pytest.approx((1 / 58.395, 1 / 57.12, 1 / 57.375))
    assert (recipe.resolution, recipe.classes[1]) == (0.4, "Building")
    # A scale of one's own is not mixed with the mean of another.
    told = recipe_of(path, scale=1 / 255, resolution=0.5)
    assert (told.mean, told.resolution) == ((0, 0, 0), 0.5)


def test_nothing_is_written_before_it_is_told(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", blobs(1, 20, 20))
    model = {"path": str(starting(tmp_path / "net.onnx")), "runtime": "onnxruntime"}
    with pytest.raises(ModelError, match="nothing says which numbers it wants"):
        landcover.score(rasters=str(scene), model=model, output=tmp_path / "run")
    with pytest.raises(ModelError, match="nothing says which numbers it wants"):
        landcover.score_array(blobs(1, 20, 20), model)
    assert not (tmp_path / "run").exists()
    run = landcover.score(rasters=str(scene), model={**model, "mean": 0}, output=tmp_path / "run")
    assert run.summary["model"]["scale"] == [1, 1, 1]
