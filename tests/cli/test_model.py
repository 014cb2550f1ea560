"""The commands about model files, on real files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import PIL.Image
import pytest
import yaml
from support import networks

from landcover.cli.main import main
from landcover.config import ModelSettings
from landcover.errors import LibraryUnavailable
from landcover.models.cntk.library.install import locate
from landcover.models.cntk.reader.model_file import read
from landcover.models.formats.detection import detect
from landcover.models.model import open_model
from landcover.models.recipe import make_recipe


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def landcover(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str | Path) -> Said:
        with pytest.raises(SystemExit) as ended:
            main(["model", *map(str, arguments)])
        return Said(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def genuine() -> None:
    try:
        locate()
    except LibraryUnavailable as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def cntk(shared: Path) -> Path:
    return shared / "models" / "cntk"


def test_the_installed_command_knows_what_can_be_done_with_models() -> None:
    command = Path(sys.executable).with_name("landcover")
    said = subprocess.run([command, "model", "--help"], capture_output=True, text=True, check=True)
    assert all(name in said.stdout for name in ("inspect", "convert", "compare", "install-cntk"))


def test_inspect_tells_what_is_in_a_cntk_file(landcover: Any, cntk: Path) -> None:
    said = landcover("inspect", cntk / "unet_like.model")
    assert said.code == 0
    assert "CNTK 2.7" in said.out
    assert "'naip' (any, 4, 64, 64) float32" in said.out
    assert "'crop' (1, 5, 48, 48) float32; receptive field 28 x 28 pixels" in said.out
    assert "17,367,040" in said.out
    assert "only you can tell: classes, resolution" in said.out


def test_inspect_says_so_where_the_file_itself_tells_all(landcover: Any, shared: Path) -> None:
    said = landcover("inspect", shared / "cases/models/o15_deepness_metadata.onnx")
    assert "no sidecar yet; the file itself tells what it has to. Save as" in said.out


def test_what_tensorflow_says_of_graphs_that_it_made_itself_is_not_told(
    monkeypatch: pytest.MonkeyPatch, shared: Path
) -> None:
    pytest.importorskip("tensorflow")
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    command = Path(sys.executable).with_name("landcover")
    path = shared / "cases/models/k01_rescaling_inside.keras"
    said = subprocess.run(
        [command, "model", "inspect", path], capture_output=True, text=True, check=True
    )
    assert "format    Keras" in said.stdout
    assert said.stderr == ""


def test_inspect_counts_multiply_adds_of_every_layer(landcover: Any, shared: Path) -> None:
    path = shared / "models/public/resnet20_meanimage_159.dnn"
    found = json.loads(landcover("inspect", path, "--json").out)
    layers = {layer["name"]: layer for layer in found["network"]["layers"]}
    first = next(layer for layer in layers.values() if layer["operation"] == "Conv")
    assert first["shape"] == [1, 16, 32, 32]
    assert first["parameters"] == 16 * 3 * 3 * 3 + 16
    assert first["multiply_adds"] == 32 * 32 * 16 * 3 * 3 * 3
    # ResNet-20 for 32 x 32 pixels: 40.8 million (table 6 of He et al. 2015 has 0.27 M parameters).
    assert found["multiply_adds"] == sum(layer["multiply_adds"] for layer in layers.values())
    assert found["multiply_adds"] == pytest.approx(40.8e6, rel=1e-3)
    assert found["parameters"] == pytest.approx(0.27e6, rel=0.01)


def test_a_proposed_sidecar_is_what_the_model_is_scored_by(
    landcover: Any, cntk: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copy(cntk / "vgg_like.model", tmp_path))
    proposal = json.loads(landcover("inspect", model, "--json").out)["proposal"]
    assert Path(proposal["path"]) == tmp_path / "vgg_like.yaml"
    Path(proposal["path"]).write_text(proposal["text"], encoding="utf-8")
    told = yaml.safe_load(proposal["text"])
    assert told == {
        "bands": [1, 2, 3],
        "mean": 0,
        "scale": 1,
        "input_size": 64,
        "output": "tile",
        "activation": "none",
    }
    recipe = make_recipe(ModelSettings(path=str(model)))
    assert (recipe.input_size, recipe.output, recipe.activation) == ((64, 64), "tile", "none")
    assert len(recipe.classes) == 6
    assert "sidecar" in landcover("inspect", model).out


def test_comments_of_a_proposal_become_keys_when_they_are_uncommented(
    landcover: Any, cntk: Path
) -> None:
    found = json.loads(landcover("inspect", cntk / "vgg_like.model", "--json").out)
    lines = found["proposal"]["text"].splitlines()[1:]
    told = yaml.safe_load("\n".join(line.removeprefix("# ") for line in lines))
    ModelSettings.model_validate({**told, "path": "x"})
    assert {"classes", "channel_order", "mean", "scale", "resolution"} <= told.keys()


def test_inspect_says_why_a_network_cannot_be_run(landcover: Any, cntk: Path) -> None:
    said = landcover("inspect", cntk / "rnn_unsupported.model")
    assert said.code == 0
    assert "'seq' (any, 5) float32" in said.out
    assert "This network cannot be run" in said.out
    assert "recurrent network" in said.out


def test_inspect_refuses_what_is_no_model(landcover: Any, cntk: Path) -> None:
    said = landcover("inspect", cntk / "trainer_checkpoint.model.ckp")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "name the .model file" in said.err


def test_nan_among_weights_is_reported(landcover: Any, cntk: Path, tmp_path: Path) -> None:
    data = bytearray((cntk / "cast_model.model").read_bytes())
    leaves = read(bytes(data), "x").leaves.values()
    weights = max(
        (leaf for leaf in leaves if leaf.tensor), key=lambda leaf: leaf.tensor.array().size
    )
    assert weights.tensor is not None
    start = data.index(weights.tensor.array().astype("<f4").tobytes()[:16])
    data[start : start + 4] = np.float32("nan").tobytes()
    path = tmp_path / "diverged.model"
    path.write_bytes(data)
    said = landcover("inspect", path)
    assert "holds 1 NaN: the training diverged" in said.out
    assert "cannot be run" in said.out


def test_nan_among_weights_of_onnx_is_reported(landcover: Any, cntk: Path, tmp_path: Path) -> None:
    path = tmp_path / "diverged.onnx"
    landcover("convert", cntk / "cast_model.model", path)
    model = onnx.load(path)
    tensor = next(t for t in model.graph.initializer if len(t.dims) == 4)
    array = onnx.numpy_helper.to_array(tensor).copy()
    array.flat[:3] = np.nan
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    onnx.save(model, path)
    assert f"{tensor.name!r} holds 3 NaN" in landcover("inspect", path).out


@pytest.mark.parametrize(
    ("path", "written", "parameters"),
    [
        ("keras-savedmodel-cifar10/model.keras", "Keras 2.15.0", 816_938),
        ("keras-savedmodel-cifar10/saved_model", "SavedModel of TensorFlow 2.15.0", 816_938),
        ("tf1-checkpoint-trafficsigns/model", "TensorFlow 1 checkpoint of version 1.3.0", 64_811),
        ("onnx-savedmodel-cifar100/model.onnx", "ONNX by pytorch 1.13.0", 25_066),
    ],
)
def test_inspect_knows_the_formats_of_others(
    landcover: Any, shared: Path, path: str, written: str, parameters: int
) -> None:
    if "onnx" not in path:
        pytest.importorskip("tensorflow")
    said = landcover("inspect", shared / "models/public" / path, "--json")
    found = json.loads(said.out)
    assert found["written_by"].startswith(written)
    assert found["parameters"] == parameters
    assert found["network"]["refusal"] is None
    assert yaml.safe_load(found["proposal"]["text"])["input_size"] == 32


def test_a_converted_network_computes_what_cntk_computed(
    landcover: Any, cntk: Path, tmp_path: Path
) -> None:
    out = tmp_path / "resnet.onnx"
    said = landcover("convert", cntk / "resnet_cifar_trained.model", out)
    assert said.code == 0
    assert "features, z" in said.out
    onnx.checker.check_model(onnx.load(out), full_check=True)
    stored = np.load(cntk / "resnet_cifar_trained.npz")
    (found,) = onnxruntime.InferenceSession(out).run(None, {"features": stored["input"]})
    np.testing.assert_allclose(found, stored["output"], atol=1e-5 * np.abs(stored["output"]).max())


def test_convert_takes_the_output_that_is_named(landcover: Any, cntk: Path, tmp_path: Path) -> None:
    out = tmp_path / "aux.onnx"
    landcover("convert", cntk / "two_outputs.model", out, "--output", "aux_prob")
    stored = np.load(cntk / "two_outputs.npz")
    (found,) = onnxruntime.InferenceSession(out).run(None, {"x": stored["input"]})
    np.testing.assert_allclose(found, stored["output_1"], atol=1e-5)


def test_convert_keeps_one_output_of_an_onnx_file(landcover: Any, tmp_path: Path) -> None:
    nodes = [
        onnx.helper.make_node("Relu", ["x"], ["a"]),
        onnx.helper.make_node("Neg", ["a"], ["b"]),
        onnx.helper.make_node("Exp", ["a"], ["c"]),
    ]
    infos = {n: onnx.helper.make_tensor_value_info(n, 1, ["n", 3, 4, 4]) for n in "xbc"}
    graph = onnx.helper.make_graph(nodes, "g", [infos["x"]], [infos["b"], infos["c"]])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "m.onnx")
    refused = landcover("convert", tmp_path / "m.onnx", tmp_path / "c.onnx")
    assert refused.code == 2
    assert "several outputs" in refused.err
    landcover("convert", tmp_path / "m.onnx", tmp_path / "c.onnx", "--output", "1")
    kept = onnx.load(tmp_path / "c.onnx").graph
    assert [node.op_type for node in kept.node] == ["Relu", "Exp"]
    assert [value.name for value in kept.output] == ["c"]


def test_with_preprocessing_pixels_go_in_and_probabilities_come_out(
    landcover: Any, cntk: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copy(cntk / "unet_like.model", tmp_path))
    sidecar = {"bands": [1, 2, 3, 4], "mean": 100, "scale": 0.5, "channel_order": "bgr"}
    model.with_suffix(".yaml").write_text(yaml.safe_dump(sidecar))
    out = tmp_path / "whole.onnx"
    assert landcover("convert", model, out, "--with-preprocessing").code == 0
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 64, 64), np.uint8)
    (found,) = onnxruntime.InferenceSession(out).run(None, {"pixels": pixels})
    expected = open_model(make_recipe(ModelSettings(path=str(model)))).network.run(pixels)
    assert found.shape == (2, 5, 48, 48)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_convert_does_not_overwrite_unless_it_is_told_to(
    landcover: Any, cntk: Path, tmp_path: Path
) -> None:
    out = tmp_path / "there.onnx"
    out.write_bytes(b"precious")
    said = landcover("convert", cntk / "two_outputs.model", out)
    assert said.code == 1
    assert "--force" in said.err
    assert out.read_bytes() == b"precious"
    assert landcover("convert", cntk / "two_outputs.model", out, "--force").code == 0
    assert detect(out).format == "onnx"
    assert list(tmp_path.iterdir()) == [out]


def test_convert_says_what_to_do_with_tensorflow(
    landcover: Any, shared: Path, tmp_path: Path
) -> None:
    model = shared / "models/public/keras-savedmodel-cifar10/saved_model"
    said = landcover("convert", model, tmp_path / "out.onnx")
    assert said.code == 2
    assert "tf2onnx.convert --saved-model" in said.err
    assert not (tmp_path / "out.onnx").exists()


def test_compare_shows_every_runtime_with_its_speed(
    landcover: Any, cntk: Path, genuine: None
) -> None:
    said = landcover("compare", cntk / "two_outputs.model", "--output", "aux_prob")
    assert said.code == 0, said.err
    assert "1 output, compared with what is stored in" in said.out
    lines = {line.split()[0]: line.split() for line in said.out.splitlines() if " f32 " in line}
    assert {"cntk", "onnxruntime", "openvino"} <= lines.keys()
    assert lines["cntk"][4] == "100.00%"
    assert float(lines["cntk"][5].replace(",", "")) > 0


def test_compare_makes_a_line_for_every_file_with_all_of_its_outputs(
    landcover: Any, cntk: Path
) -> None:
    names = "two_outputs", "trainer_checkpoint", "rnn_unsupported", "userfunction_unsupported"
    files = [cntk / f"{name}.model" for name in (*names, "half_dense_model", "ops_times")]
    runtimes = "onnxruntime,openvino"
    said = landcover("compare", *files, "--runtimes", runtimes, "--json")
    assert said.code == 0, said.err
    found = {Path(entry["path"]).stem: entry for entry in json.loads(said.out)}
    assert "recurrent" in found["rnn_unsupported"]["refusal"]
    assert "user-defined function" in found["userfunction_unsupported"]["refusal"]
    assert found["ops_times"]["outputs"] == 14
    assert found["trainer_checkpoint"]["results"][0]["outputs"] == 1  # the others are losses
    for name, most in (("two_outputs", 1e-5), ("ops_times", 1e-5), ("half_dense_model", 1e-3)):
        for result in found[name]["results"]:
            assert result["outputs"] == found[name]["outputs"]
            assert result["agreement"]["relative"] <= most
    table = landcover("compare", *files[:3], "--runtimes", runtimes).out
    assert "(1 of 5)" in table
    assert f"refused: {files[2]}: operation PastValue" in table


def test_compare_holds_noise_and_images_against_cntk_itself(
    landcover: Any, cntk: Path, tmp_path: Path, genuine: None
) -> None:
    model = Path(shutil.copy(cntk / "vgg_like.model", tmp_path))
    arguments = ["compare", model, "--batch", "2", "--json"]
    (noise,) = json.loads(landcover(*arguments).out)
    assert noise["reference"] == "cntk in f32"
    pixels = np.random.default_rng(1).integers(0, 256, (130, 70, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png")
    (images,) = json.loads(landcover(*arguments, "--images", tmp_path / "*.png").out)
    assert (noise["tiles"], images["tiles"]) == (2, 2)
    for entry in (noise, images):
        assert all(result["agreement"]["relative"] < 1e-5 for result in entry["results"])
        assert all(result["agreement"]["labels"] == 1 for result in entry["results"])


def test_compare_takes_model_and_images_from_a_configuration(
    landcover: Any, cntk: Path, tmp_path: Path
) -> None:
    shutil.copy(cntk / "vgg_like.model", tmp_path)
    pixels = np.random.default_rng(1).integers(0, 256, (130, 200, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png")
    job = {
        "source": {"images": "*.png"},
        "model": {"path": "vgg_like.model", "mean": 0, "scale": 1},
        "output": {"path": "run"},
    }
    (tmp_path / "job.yaml").write_text(json.dumps(job))
    said = landcover(
        "compare", tmp_path / "job.yaml", "--runtimes", "onnxruntime,openvino", "--json"
    )
    (found,) = json.loads(said.out)
    assert (found["tiles"], Path(found["path"])) == (6, tmp_path / "vgg_like.model")


def test_compare_says_that_it_gives_pixels_as_they_are(landcover: Any, tmp_path: Path) -> None:
    path = networks.onnx_tile(tmp_path / "net.onnx")
    arguments = ["compare", path, "--runtimes", "onnxruntime,openvino"]
    assert "pixels were given as they are" in landcover(*arguments).out
    assert json.loads(landcover(*arguments, "--json").out)[0]["as_they_are"]
    path.with_suffix(".yaml").write_text("scale: 0.01")
    assert "as they are" not in landcover(*arguments).out
    assert not json.loads(landcover(*arguments, "--json").out)[0]["as_they_are"]


def test_compare_gives_a_reason_that_several_files_share_once(
    landcover: Any, tmp_path: Path
) -> None:
    paths = [networks.onnx_tile(tmp_path / f"{name}.onnx") for name in "abc"]
    lines = landcover("compare", *paths, "--runtimes", "onnxruntime,openvino").out.splitlines()
    [told] = [line for line in lines if "as they are" in line]
    assert told.startswith(f"{paths[0]} and 2 more: pixels were given as they are")


def test_a_runtime_that_is_not_there_is_listed_with_what_brings_it(
    landcover: Any, cntk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDCOVER_CACHE", str(tmp_path))
    said = landcover("compare", cntk / "two_outputs.model", "--output", "cls")
    assert said.code == 0
    assert "cntk in f32: the genuine CNTK library: it is not in" in said.out
    assert "landcover model install-cntk" in said.out


def test_a_precision_that_a_runtime_lacks_is_listed(landcover: Any, cntk: Path) -> None:
    arguments = ["--precision", "f32,f16", "--runtimes", "onnxruntime", "--output", "cls"]
    said = landcover("compare", cntk / "two_outputs.model", *arguments)
    assert "onnxruntime in f16: runtime 'onnxruntime': computes in f32" in said.out


def test_mistakes_in_the_arguments_are_named_at_once(landcover: Any, cntk: Path) -> None:
    arguments = ["--precision", "f64", "--runtimes", "tensorrt", "--batch", 0]
    said = landcover("compare", cntk / "two_outputs.model", *arguments)
    assert said.code == 2
    assert all(word in said.err for word in ("f64", "tensorrt", "batch"))


def test_install_says_where_the_library_is(landcover: Any, genuine: None) -> None:
    said = landcover("install-cntk")
    assert said.code == 0
    assert str(locate()) in said.err
