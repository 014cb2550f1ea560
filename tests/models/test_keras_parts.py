"""All that Keras itself makes networks of passes, and a file is loaded as what was checked."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import networks

from landcover import plugins
from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.formats.keras_config import checked
from landcover.models.model import open_model
from landcover.models.recipe import make_recipe

pytest.importorskip("tensorflow")

# No part of a network, or with code or files behind them.
_LEFT_OUT = {"Layer", "Wrapper", "InputSpec", "AbstractRNNCell", "DenseFeatures", "Lambda"}
_LEFT_OUT |= {"TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"}
_LEFT_OUT |= {"StringLookup", "IntegerLookup", "TextVectorization"}

# What a layer must be told; for all others the first that it takes.
_USUAL: tuple[dict[str, Any], ...] = (
    {},
    {"units": 2},
    {"filters": 2, "kernel_size": 3},
    {"kernel_size": 3},
    {"output_size": 4},
    {"height": 4, "width": 4},
    {"rate": 0.1},
    {"stddev": 0.1},
    {"factor": 0.1},
    {"num_bins": 4},
    {"num_tokens": 4},
    {"size": 2},
    {"scale": 2.0},
    {"factor": 4},
    {"pool_size": 2},
    {"num_heads": 2, "key_dim": 2},
    {"input_dim": 4, "output_dim": 2},
    {"n": 2},
    {"dims": (1,)},
    {"axes": 1},
    {"target_shape": (2,)},
    {"height_factor": 0.1, "width_factor": 0.1},
    {"equation": "ab,bc->ac", "output_shape": 2},
    {"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 2},
    {"value_range": (0, 255)},
    {"factor": 0.1, "value_range": (0, 255)},
    {"activation": "relu"},
    {"bin_boundaries": [0.0, 1.0]},
    {"max_number": 3},
    {"layers": []},
    {"shape": (4,)},
)


def layer_classes(keras: Any) -> list[str]:
    kinds = {
        name: value
        for name, value in vars(keras.layers).items()
        if inspect.isclass(value) and issubclass(value, keras.layers.Layer)
    }
    return sorted({*kinds} - _LEFT_OUT)


def made(keras: Any, name: str) -> Any:
    layers, kind = keras.layers, getattr(keras.layers, name)
    inner = {
        "Bidirectional": lambda: kind(layers.LSTM(2)),
        "TimeDistributed": lambda: kind(layers.Dense(2)),
        "SpectralNormalization": lambda: kind(layers.Dense(2)),
        "RNN": lambda: kind(layers.LSTMCell(2)),
        "StackedRNNCells": lambda: kind([layers.GRUCell(2), layers.LSTMCell(2)]),
    }
    if name in inner:
        return inner[name]()
    for told in _USUAL:
        try:
            return kind(**told)
        except (TypeError, ValueError):
            continue
    pytest.fail(f"no arguments for {name}")


def text(config: Any) -> str:
    return json.dumps(config, default=lambda array: array.tolist())


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_layers_of_kerass_own_applications_come_back(library: str) -> None:
    """Which Keras 2 registers as if they were a user's."""
    keras = pytest.importorskip(library)
    module = importlib.import_module(f"{library}.src.applications.inception_resnet_v2")
    layer = module.CustomScaleLayer(0.5)
    description = json.loads(text(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(checked(description, "net"))
    assert type(again) is type(layer) and again.scale == 0.5
    description["registered_name"] = "Custom>Other"
    with pytest.raises(ModelError, match="custom code"):
        checked(description, "net")


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_every_layer_of_keras_that_needs_no_code_comes_back(library: str) -> None:
    keras = pytest.importorskip(library)
    names = layer_classes(keras)
    assert len(names) > 100
    for name in names:
        layer = made(keras, name)
        description = json.loads(text(keras.saving.serialize_keras_object(layer)))
        again = keras.saving.deserialize_keras_object(checked(description, "net"))
        assert type(again) is type(layer), name
        assert text(again.get_config()) == text(layer.get_config()), name
        legacy = {"class_name": type(layer).__name__, "config": layer.get_config()}
        assert checked(json.loads(text(legacy)), "net") == json.loads(text(legacy))


@pytest.mark.parametrize("name", ["LayerScale", "StochasticDepth"])
def test_layers_of_keras_applications_are_keras_own(name: str) -> None:
    module = "keras.src.applications.convnext" if name == "LayerScale" else "keras.src.layers"
    node = {"module": module, "class_name": name, "registered_name": name, "config": {}}
    assert checked(node, "net") == node


@pytest.mark.parametrize(
    "node",
    [
        {"class_name": "ResidualWrapper", "config": {"residual_fn": ["marshal"]}},
        {"class_name": "DropoutWrapper", "config": {"function_type": "lambda"}},
        {"class_name": "__typespec__", "config": [], "module": "os", "spec_name": "system"},
        {"class_name": "__import__", "config": {}},
        {"class_name": "Dense", "module": "keras.utils", "config": {}},
        {"class_name": "function", "module": "builtins", "config": "eval"},
        {"class_name": "function", "module": "keras.saving", "config": "load_model"},
        {"class_name": "load_model", "module": "keras.models", "config": {}},
        {"class_name": "get_file", "module": "keras.src.ops.numpy", "config": {}},
        {"class_name": "Map", "module": "keras.src.ops.core", "config": {}},
        {"class_name": ["Dense"], "config": {}},
    ],
    ids=str,
)
def test_what_is_no_part_of_networks_is_refused(node: dict[str, Any]) -> None:
    wrapped = {"class_name": "RNN", "config": {"cell": node}}
    with pytest.raises(ModelError, match="custom code"):
        checked(wrapped, "net")


def test_a_file_that_is_zip_and_hdf5_is_loaded_as_what_was_checked(tmp_path: Path) -> None:
    """Keras goes by the name and by the end of the file, where a ZIP's directory is."""
    import tf_keras as keras

    path = networks.keras_tile(tmp_path / "good.h5", keras)
    evil = networks.keras_tile(tmp_path / "evil.keras", keras)
    with zipfile.ZipFile(evil) as archive:
        config = json.loads(archive.read("config.json"))
        weights = archive.read("model.weights.h5")
    config["config"]["layers"][-1] = {"module": "evil", "class_name": "Layer", "config": {}}
    both = tmp_path / "net.keras"
    both.write_bytes(path.read_bytes())
    with zipfile.ZipFile(both, "a") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", weights)
    np.testing.assert_array_equal(scores(both), scores(path))


def scores(path: Path) -> np.ndarray[Any, Any]:
    recipe = make_recipe(ModelSettings(path=str(path), runtime="tensorflow", scale=1))
    shape = (2, 3, *recipe.input_size)
    pixels = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
    return open_model(recipe).network.run(pixels)


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_a_file_with_the_backslashes_of_windows_is_opened(library: str, tmp_path: Path) -> None:
    keras = pytest.importorskip(library)
    path = networks.keras_tile(tmp_path / "net.keras", keras)
    wanted = scores(path)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    inside = tmp_path / "inside.h5"
    inside.write_bytes(files["model.weights.h5"])
    with h5py.File(inside, "r+") as stream:
        for group in [g for g in stream if g != "vars"]:
            for name in [n for n in stream[group] if n != "vars"]:
                stream.move(f"{group}/{name}", f"{group}\\{name}")
            if not len(stream[group]):
                del stream[group]
    files["model.weights.h5"] = inside.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(".\\" + name), content)
    np.testing.assert_array_equal(scores(path), wanted)


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    path = networks.keras_tile(tmp_path / "net.keras", keras)
    (tmp_path / "secret").write_bytes(bytes(1000))
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    inside = tmp_path / "inside.h5"
    inside.write_bytes(files["model.weights.h5"])
    with h5py.File(inside, "r+") as stream:
        stream["layers/dense/vars/2"] = h5py.ExternalLink(str(tmp_path / "secret"), "x")
    files["model.weights.h5"] = inside.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(ModelError, match=r"'/layers/dense/vars/2' links to another file"):
        scores(path)


def test_weights_that_a_few_bytes_stand_for_are_refused(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    path = networks.keras_tile(tmp_path / "net.h5", keras)
    with h5py.File(path, "r+") as stream:
        stream.create_dataset("model_weights/bomb", (2**20, 2**12), "f4", chunks=(2**10, 2**10))
    with pytest.raises(ModelError, match=r"'/model_weights/bomb' would grow to 17,179,869,184"):
        scores(path)


def test_weights_of_which_each_is_small_and_nothing_is_stored_are_refused(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    path = networks.keras_tile(tmp_path / "net.h5", keras)
    with h5py.File(path, "r+") as stream:
        for at in range(20):
            stream.create_dataset(f"model_weights/{at}", (2**26,), "u1", chunks=(2**20,))
    with pytest.raises(ModelError, match=r"what it holds would grow to 1,342,\d{3},\d{3} bytes"):
        scores(path)


def test_a_link_behind_a_link_to_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    path = networks.keras_tile(tmp_path / "net.h5", keras)
    os.mkfifo(tmp_path / "pipe.h5")
    with h5py.File(path, "r+") as stream:
        stream["model_weights/a"] = h5py.SoftLink("/model_weights/z/w")
        stream["model_weights/z"] = h5py.ExternalLink(str(tmp_path / "pipe.h5"), "/")
    with pytest.raises(ModelError, match=r"'/model_weights/z' links to another file"):
        scores(path)


def test_a_layer_that_the_user_installed_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keras = pytest.importorskip("keras")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "their_layers.py").write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('theirs')\n"
        "class Twice(keras.layers.Layer):\n"
        "    def call(self, x):\n        return x * 2\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    from their_layers import Twice  # type: ignore[import-not-found]

    image = keras.Input((8, 8, 3))
    keras.Model(image, keras.layers.Dense(4)(Twice()(image))).save(tmp_path / "net.keras")
    with pytest.raises(ModelError, match=r"custom code.*landcover\.keras_layers"):
        scores(tmp_path / "net.keras")
    point = EntryPoint("theirs>Twice", "their_layers:Twice", plugins.KERAS_LAYERS)
    known = plugins.entry_points
    monkeypatch.setattr(
        plugins,
        "entry_points",
        lambda group: [point] if group == plugins.KERAS_LAYERS else known(group=group),
    )
    assert scores(tmp_path / "net.keras").shape == (2, 4, 8, 8)


@pytest.mark.parametrize("mode", ["int8", "int4"])
@pytest.mark.parametrize("runtime", ["tensorflow", "openvino"])
def test_quantized_layers_compute_as_in_keras(mode: str, runtime: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip(runtime)
    keras.utils.set_random_seed(1)
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    hidden = layers.EinsumDense("nhwc,cd->nhwd", (8, 8, 16), activation="relu")(image)
    model = keras.Model(image, layers.Dense(4, activation="softmax")(layers.Flatten()(hidden)))
    model.quantize(mode)
    model.save(tmp_path / "net.keras")
    told = ModelSettings(path=str(tmp_path / "net.keras"), runtime=runtime, scale=1 / 255)
    pixels = np.random.default_rng(1).integers(0, 256, (3, 3, 8, 8), np.uint8)
    expected = model(pixels.transpose(0, 2, 3, 1).astype(np.float32) * np.float32(1 / 255))
    found = open_model(make_recipe(told), 1).network.run(pixels)
    np.testing.assert_allclose(found, np.asarray(expected), atol=1e-6)
