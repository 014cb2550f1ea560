"""Every format through every runtime that runs it: the contract, and the same answer as by hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from support import networks

from landcover.config import ModelSettings
from landcover.errors import ModelError, PluginNotFound
from landcover.models.formats.detection import Format
from landcover.models.model import open_model
from landcover.models.recipe import Recipe, make_recipe
from landcover.models.runtimes.registry import choose_runtime
from landcover.plugins import load_runtime, runtime_names
from landcover.testing import ModelTests

CNTK = Path(__file__).parents[1] / "data" / "cntk"

ANY_SIZE = ("cntk-pixel", "onnx-pixel", "onnx-old", "keras-pixel")
OF_ONNX = ("onnx", "onnx-nhwc", "onnx-old", "onnx-pixel", "cntk", "cntk-pixel")
OF_KERAS = ("keras", "keras-pixel", "keras2", "h5", "h5-keras2")
OF_TENSORFLOW = ("savedmodel", "savedmodel-1", "graphdef", "tf1-checkpoint")
CASES = [
    *[(format, "onnxruntime") for format in OF_ONNX],
    *[(format, "tensorflow") for format in (*OF_KERAS, *OF_TENSORFLOW)],
    *[(format, "openvino") for format in (*OF_ONNX, *OF_KERAS, *OF_TENSORFLOW)],
]

Make = Callable[[str], Path]


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes a model of a format, once."""

    @cache
    def made(format: str) -> Path:
        if format.startswith("cntk"):
            return CNTK / {"cntk": "two_outputs.model", "cntk-pixel": "fcn_free_dims.model"}[format]
        if format.startswith("onnx"):
            return networks.make(format, tmp_path_factory.mktemp(format))
        tf = pytest.importorskip("tensorflow")
        keras, old = pytest.importorskip("keras"), pytest.importorskip("tf_keras")
        return networks.make(format, tmp_path_factory.mktemp(format), tf, keras, old)

    return made


@pytest.mark.parametrize(("format", "runtime"), CASES, scope="class")
class TestModels(ModelTests):
    @pytest.fixture(scope="class")
    @classmethod
    def recipe(cls, model_file: Make, format: str, runtime: str) -> Recipe:
        pytest.importorskip(runtime)
        return recipe_of(model_file, format, runtime)


@pytest.mark.parametrize("format", [*OF_ONNX, *OF_KERAS, *OF_TENSORFLOW])
def test_runtimes_agree(model_file: Make, format: str) -> None:
    pytest.importorskip("openvino")
    other = "onnxruntime" if format in OF_ONNX else "tensorflow"
    one, two = (recipe_of(model_file, format, name) for name in (other, "openvino"))
    pixels = noise(32, one)
    scores = [open_model(recipe, 2).network.run(pixels) for recipe in (one, two)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)
    assert (scores[0].argmax(1) == scores[1].argmax(1)).mean() >= 0.999
    assert {**one.as_dict(), "runtime": 0} == {**two.as_dict(), "runtime": 0}


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_every_step_before_the_network_is_that_of_float32(model_file: Make, runtime: str) -> None:
    onnxruntime, _ = pytest.importorskip("onnxruntime"), pytest.importorskip(runtime)
    path = model_file("onnx")
    mean, scale = (101.5, 90.25, 33.125), (1 / 64, 1 / 127.5, 0.0123)
    told = ModelSettings(
        path=str(path), runtime=runtime, mean=mean, scale=scale, channel_order="bgr"
    )
    recipe = make_recipe(told)
    pixels = noise(5, recipe, np.uint16, 2000)
    shifted = pixels.astype(np.float32) - np.float32(mean).reshape(3, 1, 1)
    image = (shifted * np.float32(scale).reshape(3, 1, 1))[:, ::-1]
    (logits,) = onnxruntime.InferenceSession(str(path)).run(None, {"image": image})
    np.testing.assert_allclose(
        open_model(recipe).network.run(pixels), softmax(logits), atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("format", [*OF_KERAS, "savedmodel"])
def test_a_network_scores_as_its_framework_does_by_hand(model_file: Make, format: str) -> None:
    recipe = recipe_of(model_file, format, "tensorflow")
    pixels = noise(6, recipe)
    images = (pixels.astype(np.float32) * np.float32(1 / 64)).transpose(0, 2, 3, 1)
    expected = by_hand(format, model_file(format), images)
    np.testing.assert_allclose(open_model(recipe).network.run(pixels), expected, atol=1e-6)


def test_dropout_of_a_checkpoint_is_off(model_file: Make) -> None:
    tf = pytest.importorskip("tensorflow")
    recipe = recipe_of(model_file, "tf1-checkpoint", "tensorflow")
    pixels = noise(6, recipe)
    kernel, dense = (networks.numpy_helper.to_array(w) for w in networks.weights())
    images = (pixels.astype(np.float32) / 64).transpose(0, 2, 3, 1)
    features = tf.nn.relu(tf.nn.conv2d(images, kernel.transpose(2, 3, 1, 0), 1, "VALID"))
    logits = features.numpy().mean((1, 2)) @ dense
    scores = open_model(recipe).network.run(pixels)
    np.testing.assert_allclose(scores, softmax(logits), atol=1e-5)


def test_half_precision_is_computed_only_where_asked(model_file: Make) -> None:
    openvino = pytest.importorskip("openvino")
    path = str(model_file("onnx"))
    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for precision, capability in (("bf16", "BF16"), ("f16", "FP16")):
        told = ModelSettings(path=path, runtime="openvino", precision=precision, scale=1)
        if capability in able:
            assert make_recipe(told).precision == precision
        else:
            with pytest.raises(ModelError, match=f"does not compute in {precision}"):
                make_recipe(told)
    for runtime in ("onnxruntime", "tensorflow"):
        with pytest.raises(ModelError, match="not in bf16"):
            load_runtime(runtime, precision="bf16")


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("threads", [1, 2])
def test_no_thread_of_a_network_is_bound_to_a_core(
    model_file: Make, runtime: str, threads: int
) -> None:
    """Threads of sibling processes would all be bound to the same ones."""
    pytest.importorskip(runtime)
    recipe = recipe_of(model_file, "onnx", runtime)
    # Networks of other tests that are still open have threads too.
    others = {int(task.name) for task in Path("/proc/self/task").iterdir()}
    network, pixels = open_model(recipe, threads).network, noise(64, recipe)
    usable, bound = os.sched_getaffinity(0), set[int]()
    with ThreadPoolExecutor(1) as pool:  # they may be bound while they compute only
        computing = pool.submit(lambda: [network.run(pixels) for _ in range(50)])
        while not computing.done():
            for thread in {int(t.name) for t in Path("/proc/self/task").iterdir()} - others:
                with suppress(ProcessLookupError):
                    if os.sched_getaffinity(thread) != usable:
                        bound.add(thread)
        computing.result()
    assert not bound


def test_a_runtime_that_cannot_run_a_format_names_those_that_can(model_file: Make) -> None:
    told = ModelSettings(path=str(model_file("onnx")), runtime="tensorflow")
    with pytest.raises(ModelError, match="does not run onnx files; onnxruntime and openvino do"):
        make_recipe(told)


def test_an_unknown_runtime_is_refused_with_the_known_ones(model_file: Make) -> None:
    with pytest.raises(PluginNotFound, match="'tensorrt'; registered: cntk, jax, onnxruntime"):
        make_recipe(ModelSettings(path=str(model_file("onnx")), runtime="tensorrt"))
    assert {"onnxruntime", "openvino", "tensorflow"} <= set(runtime_names())


@pytest.mark.parametrize(("format", "own"), [("cntk", "onnxruntime"), ("keras", "tensorflow")])
def test_auto_means_openvino_on_cpus_and_the_format_s_own_runtime_elsewhere(
    format: Format, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    assert choose_runtime("auto", format) == choose_runtime("auto", format, "cpu") == "openvino"
    assert choose_runtime("auto", format, "gpu") == own
    assert choose_runtime("cntk", format) == "cntk"
    monkeypatch.setattr("landcover.models.runtimes.registry.find_spec", lambda name: None)
    assert choose_runtime("auto", format) == own


def test_what_openvino_cannot_run_is_refused_with_the_runtime_that_can(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    path = networks.onnx_tile(tmp_path / "net.onnx")
    model = onnx.load(path)
    model.graph.node[0].op_type, model.graph.node[0].domain = "Bitwise", "com.example"
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    onnx.save(model, path)
    told = ModelSettings(path=str(path), runtime="openvino")
    with pytest.raises(
        ModelError, match=r"OpenVINO does not run it: .* set model.runtime to onnxruntime"
    ):
        make_recipe(told)


def test_a_model_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    path = networks.onnx_tile(tmp_path / "net.onnx")
    recipe = make_recipe(ModelSettings(path=str(path), runtime="onnxruntime", scale=1))
    networks.onnx_tile(path, softmax=True)
    with pytest.raises(ModelError, match="has changed since the run was planned"):
        open_model(recipe)


def recipe_of(model_file: Make, format: str, runtime: str) -> Recipe:
    size = networks.SIZE if format in ANY_SIZE else None
    told = ModelSettings(
        path=str(model_file(format)), runtime=runtime, scale=1 / 64, input_size=size
    )
    return make_recipe(told, threads=2)


def noise(count: int, recipe: Recipe, dtype: Any = np.uint8, top: int = 256) -> Any:
    shape = (count, len(recipe.bands), *recipe.input_size)
    return np.random.default_rng(5).integers(0, top, shape).astype(dtype)


def softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def by_hand(format: str, path: Path, images: Any) -> Any:
    if format == "savedmodel":
        tf = pytest.importorskip("tensorflow")
        loaded = tf.saved_model.load(str(path))
        return softmax(loaded.signatures["serving_default"](image=images)["scores"].numpy())
    name = "tf_keras" if format.endswith("keras2") else "keras"
    model = pytest.importorskip(name).models.load_model(str(path), compile=False)
    returned = np.asarray(model(images, training=False))
    return softmax(returned.transpose(0, 3, 1, 2)) if format == "keras-pixel" else returned
