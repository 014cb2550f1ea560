"""Nothing in a Keras file may run code."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support import networks

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.formats.keras_config import checked
from landcover.models.recipe import make_recipe


def layer(kind: str, **more: Any) -> dict[str, Any]:
    inner = {"module": "keras.layers", "class_name": kind, "config": {"name": "it"}, **more}
    return {"class_name": "Sequential", "config": {"layers": [inner]}}


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (layer("Lambda"), "layer Lambda 'it' holds Python code"),
        (layer("TFSMLayer"), "holds Python code"),
        (layer("Dense", config={"activation": {"class_name": "__lambda__"}}), "holds Python code"),
        (layer("StringLookup"), "may read other files"),
        (layer("Popen", module="subprocess"), r"no part of Keras but custom code \(subprocess\)"),
        (layer("get_file", module="keras.utils"), r"custom code \(keras\.utils\)"),
        (layer("Mine", module=None, registered_name="Mine"), r"custom code \(Mine\)"),
        (layer("Mine", module="keras.layers", registered_name="mine>Mine"), "custom code"),
        (layer("mine>Mine", module=None), "custom code"),
        (layer("function", module="builtins", registered_name="function"), "custom code"),
        (layer("TFOpLambda", config={"function": "io.write_file"}), "calls tf.io.write_file"),
        (layer("TFOpLambda", config={"function": "numpy_function"}), "calls tf.numpy_function"),
        (layer("ClassMethod"), "holds Python code"),
        (layer("TimeDistributed", config={"layer": layer("Lambda")}), "holds Python code"),
    ],
)
def test_what_would_run_code_is_refused(config: Any, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        checked(config, "net.keras")


@pytest.mark.parametrize(
    "config",
    [
        layer("Conv2D"),
        layer("Conv2D", module="tf_keras.src.layers.convolutional.conv2d"),
        layer("Conv2D", module=None),
        layer("Add", module="keras.src.ops.numpy", registered_name="Add"),
        layer("TFOpLambda", config={"function": "math.reduce_mean"}),
        layer("SlicingOpLambda", config={"function": "__operators__.getitem"}),
        {**layer("Conv2D"), "compile_config": {"loss": layer("my_loss", module="mine")}},
    ],
)
def test_keras_own_layers_pass(config: Any) -> None:
    checked(config, "net.keras")


@pytest.mark.parametrize("end", ["keras", "h5"])
@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_a_file_with_a_lambda_is_refused_before_it_is_loaded(
    tmp_path: Path, end: str, name: str
) -> None:
    keras = pytest.importorskip(name)
    path = tmp_path / f"net.{end}"
    image = keras.layers.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    doubled = keras.layers.Lambda(lambda x: x * 2, output_shape=(3,), name="doubled")(pooled)
    keras.Model(image, doubled).save(str(path))
    with pytest.raises(
        ModelError, match="layer Lambda 'doubled' holds Python code, which is never"
    ):
        make_recipe(ModelSettings(path=str(path)))


def test_code_named_by_a_file_is_never_imported(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    (tmp_path / "evil.py").write_text("open('ran', 'w')\nclass Layer: pass\n")
    path = networks.keras_tile(tmp_path / "net.keras", keras)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(files["config.json"])
    config["config"]["layers"][1] |= {"module": "evil", "class_name": "Layer"}
    files["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        patch.chdir(tmp_path)
        with pytest.raises(ModelError, match=r"custom code \(evil\)"):
            make_recipe(ModelSettings(path=str(path)))
    assert not (tmp_path / "ran").exists()


def test_weights_without_a_network_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "w.h5", "w") as stream:
        stream["kernel"] = [1.0, 2.0]
    with pytest.raises(ModelError, match="holds weights but no network: save the whole model"):
        make_recipe(ModelSettings(path=str(tmp_path / "w.h5")))


@pytest.mark.parametrize(
    "definition",
    [
        {"name": "o", "op": "DebugIdentity"},
        {"name": "o"},
        "\n\x01o\x12\x08SaveV2xx",
        "\n\x01o\x12\x08Identity\x12\x08SaveV2xx",
        "no message",
        None,
    ],
)
def test_an_operation_as_a_layer_does_nothing_but_compute(definition: Any) -> None:
    """Keras 2 makes a node of whatever such a layer names: DebugIdentity writes files."""
    layer = {"class_name": "TensorFlowOpLayer", "config": {"name": "o", "node_def": definition}}
    with pytest.raises(ModelError, match="which may do more than compute"):
        checked(layer, "net.h5", operations=("Identity",))
    for plain in ({"name": "o", "op": "Identity"}, "\n\x01o\x12\x08Identity"):
        layer["config"] = {"name": "o", "node_def": plain}
        assert checked(layer, "net.h5", operations=("Identity",)) == layer


@pytest.mark.parametrize("kind", ["S1000000000", "object", "resource", None, 7])
def test_arrays_in_a_description_are_of_numbers(kind: Any) -> None:
    array = {"class_name": "__numpy__", "config": {"value": [1.0], "dtype": kind}}
    with pytest.raises(ModelError, match="holds no numbers"):
        checked({"class_name": "Rescaling", "config": {"scale": array}}, "net.keras")
    array["config"] = {"value": [1.0], "dtype": "float32"}
    checked({"class_name": "Rescaling", "config": {"scale": array}}, "net.keras")


def functional(*nodes: Any, name: str = "b") -> dict[str, Any]:
    """A network of Keras 2 whose layer ``b`` reads an input ``a`` and other calls."""
    layers = [
        {"class_name": "InputLayer", "name": "a", "config": {"name": "a"}, "inbound_nodes": []},
        {"class_name": "Add", "name": name, "config": {"name": name}, "inbound_nodes": [*nodes]},
    ]
    return {"class_name": "Functional", "config": {"name": "net", "layers": layers}}


_TENSOR = {"class_name": "__keras_tensor__", "config": {"keras_history": ["b", 0, 0]}}


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (functional([["a", 0, 0, {}], ["b", 0, 0, {}]]), "a layer 'b' that waits for one which"),
        (functional([["a", 0, 0, {}]], [["b", 7, 0, {}]]), "a layer 'b' that waits for one which"),
        (functional([["c", 0, 0, {}]]), "a layer 'b' that waits for one which never comes"),
        (functional({"args": [_TENSOR], "kwargs": {}}), "a layer 'b' that waits for one which"),
        (functional(*[[["a", 0, 0, {}]]] * 10_001), "has layers that read 10,001 others"),
        (layer("Pipeline", config={"layers": [layer("ReLU")] * 3_000}), "describes 3,001 layers"),
        ({"class_name": "Sequential", "config": {"layers": [{}] * 201}}, "a Sequential of 201"),
    ],
)
def test_layers_that_keras_would_not_come_to_an_end_with_are_refused(
    config: Any, reason: str
) -> None:
    with pytest.raises(ModelError, match=reason):
        checked(config, "net.keras")


def test_a_layer_may_read_others_again_and_numbers() -> None:
    calls = [[["a", 0, 0, {"scale": ["_CONSTANT_VALUE", -1, 0.5, {}]}]], [["b", 0, 0, {}]]]
    config = functional(*calls)
    assert checked(config, "net.keras") == config
