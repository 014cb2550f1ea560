"""What is found out about a model when nothing is told, and what is refused."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from support import networks

from landcover.classes import scheme
from landcover.config import ModelSettings
from landcover.errors import ConfigError, ModelError
from landcover.models.preprocessing.input_side import fit_input
from landcover.models.preprocessing.specification import Signature
from landcover.models.recipe import Recipe, make_recipe

CNTK = Path(__file__).parents[1] / "data" / "cntk"


def recipe_of(path: Path, **told: Any) -> Recipe:
    return make_recipe(ModelSettings(path=str(path), runtime="onnxruntime", **{"scale": 1, **told}))


def returning(path: Path, *returned: list[Any], reads: list[Any] | None = None) -> Path:
    """A network that returns constants of these shapes, plus the mean of the image."""
    reads = reads or ["n", 3, 8, 8]
    nodes, constants, outputs = [], [], []
    for index, shape in enumerate(returned):
        values = np.random.default_rng(index).normal(size=[1, *shape[1:]]).astype(np.float32)
        constants.append(onnx.numpy_helper.from_array(values, f"c{index}"))
        nodes += [
            helper.make_node("ReduceMean", ["image"], [f"m{index}"], axes=[1, 2, 3], keepdims=1),
            helper.make_node("Reshape", [f"m{index}", "flat"], [f"r{index}"]),
            helper.make_node("Reshape", [f"r{index}", f"s{index}"], [f"q{index}"]),
            helper.make_node("Add", [f"q{index}", f"c{index}"], [f"out{index}"]),
        ]
        ones = np.int64([-1] + [1] * (len(shape) - 1))
        constants.append(onnx.numpy_helper.from_array(ones, f"s{index}"))
        outputs.append(helper.make_tensor_value_info(f"out{index}", TensorProto.FLOAT, shape))
    constants.append(onnx.numpy_helper.from_array(np.int64([-1]), "flat"))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, reads)
    graph = helper.make_graph(nodes, "net", [image], outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), str(path))
    return path


def test_what_is_not_told_is_found_out(tmp_path: Path) -> None:
    tile = recipe_of(networks.onnx_tile(tmp_path / "net.onnx"))
    assert (tile.bands, tile.input_size, tile.classes) == ((1, 2, 3), (16, 16), tuple("0123"))
    assert (tile.output, tile.halo, tile.activation) == ("tile", 0, "softmax")
    assert (tile.mean, tile.scale, tile.batch) == ((0, 0, 0), (1, 1, 1), 16)
    shares = recipe_of(networks.onnx_tile(tmp_path / "shares.onnx", softmax=True))
    assert shares.activation == "none"
    pixel = recipe_of(networks.onnx_pixel(tmp_path / "pixel.onnx"), input_size=32)
    assert (pixel.output, pixel.halo, pixel.input_size) == ("pixel", 2, (32, 32))


def test_what_is_told_is_kept(tmp_path: Path) -> None:
    path = networks.onnx_tile(tmp_path / "net.onnx")
    told = recipe_of(
        path,
        bands=(4, "red", 1),
        classes=("a", "b", "c", "d"),
        mean=(1, 2, 3),
        scale=0.5,
        resolution=0.6,
        batch=3,
        activation="none",
        channel_order="bgr",
    )
    assert (told.bands, told.classes) == ((4, "red", 1), ("a", "b", "c", "d"))
    assert (told.mean, told.scale, told.resolution) == ((1, 2, 3), (0.5, 0.5, 0.5), 0.6)
    assert (told.batch, told.activation, told.steps().order) == (3, "none", (2, 1, 0))
    assert told.scheme is None


def test_the_threshold_that_is_told_is_the_one_that_decides(tmp_path: Path) -> None:
    path = returning(tmp_path / "net.onnx", ["n", 1])
    told: dict[str, Any] = {"activation": "sigmoid", "classes": ("no", "yes")}
    assert recipe_of(path, **told).steps().output.threshold == 0.5
    assert recipe_of(path, threshold=0.7, **told).steps().output.threshold == 0.7


def test_more_bands_than_three_keep_their_places_in_bgr(tmp_path: Path) -> None:
    path = returning(tmp_path / "net.onnx", ["n", 2], reads=["n", 4, 8, 8])
    assert recipe_of(path, channel_order="bgr").steps().order == (2, 1, 0, 3)


def test_classes_may_be_those_of_a_scheme(tmp_path: Path) -> None:
    recipe = recipe_of(returning(tmp_path / "net.onnx", ["n", 6]), classes="nlcd6")
    assert (recipe.scheme, recipe.classes) == ("nlcd6", scheme("nlcd6").names)


def test_an_output_of_one_pixel_is_a_label_a_tile(tmp_path: Path) -> None:
    first = recipe_of(returning(tmp_path / "a.onnx", ["n", 5, 1, 1]))
    last = recipe_of(returning(tmp_path / "b.onnx", ["n", 1, 1, 5]))
    assert (first.output, first.class_axis, len(first.classes)) == ("tile", 1, 5)
    assert (last.output, last.class_axis, len(last.classes)) == ("tile", 3, 5)


def test_a_network_of_one_gray_band_has_no_axis_for_it() -> None:
    recipe = recipe_of(CNTK / "mnist_gray_rank2.model")
    assert (recipe.bands, recipe.layout) == ((1,), "NHW")


def test_a_head_is_chosen_by_name_or_index(tmp_path: Path) -> None:
    path = returning(tmp_path / "net.onnx", ["n", 3], ["n", 5])
    with pytest.raises(ModelError, match=r"has several outputs: say with 'head'.*'out0', 'out1'"):
        recipe_of(path)
    assert len(recipe_of(path, head="out1").classes) == len(recipe_of(path, head=1).classes) == 5
    with pytest.raises(ModelError, match=r"no layer called 'out7'; its outputs: 'out0', 'out1'"):
        recipe_of(path, head="out7")
    with pytest.raises(ModelError, match="has no output 2: there are 2"):
        recipe_of(path, head=2)
    assert len(recipe_of(CNTK / "two_outputs.model", head="aux_prob").classes) == 3


def test_outputs_that_are_no_classes_are_passed_over(tmp_path: Path) -> None:
    path = returning(tmp_path / "net.onnx", ["n", 3, 4], ["n", 5])
    assert len(recipe_of(path).classes) == 5
    with pytest.raises(ModelError, match=r"shape \(3, 3, 4\): neither"):
        recipe_of(path, head="out0")


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"bands": (1, 2)}, "reads 3 bands, but 2 are named \\(1, 2\\): correct"),
        ({"mean": (1.0, 2.0)}, "reads 3 bands, but mean has 2 numbers"),
        (
            {"input_size": 224},
            "reads windows of 16 x 16 pixels, but input_size .source.tile. is 224",
        ),
        ({"output": "pixel"}, "no label a pixel as told"),
        ({"classes": ("a", "b")}, "returns 4 classes, but 2 are named"),
        ({"classes": "nlcd6"}, "returns 4 classes, but 6 of scheme 'nlcd6' are named"),
        ({"threshold": 0.4}, "more than one number a label: threshold is for one"),
    ],
)
def test_what_contradicts_the_network_is_refused(
    tmp_path: Path, told: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ModelError, match=reason):
        recipe_of(networks.onnx_tile(tmp_path / "net.onnx"), **told)


def test_classes_that_nothing_knows_are_refused(tmp_path: Path) -> None:
    path = networks.onnx_tile(tmp_path / "net.onnx")
    with pytest.raises(ConfigError, match="no scheme is called 'nlcd7'"):
        recipe_of(path, classes="nlcd7")
    with pytest.raises(ConfigError, match="'a' is named more than once"):
        recipe_of(path, classes=("a", "a", "b", "c"))


def test_a_window_of_any_size_must_be_told(tmp_path: Path) -> None:
    path = networks.onnx_pixel(tmp_path / "net.onnx")
    with pytest.raises(ModelError, match=r"windows of any size.*set model\.input_size"):
        recipe_of(path)


def test_bands_that_the_file_leaves_open_must_be_told(tmp_path: Path) -> None:
    path = returning(tmp_path / "net.onnx", ["n", 2], reads=["n", "c", 8, 8])
    with pytest.raises(ModelError, match=r"how many bands it reads: set model\.bands"):
        recipe_of(path)
    assert recipe_of(path, bands=(1, 2, 5)).bands == (1, 2, 5)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (["n", 2, 5, 5], "cannot be told, or it does neither: set output_stride"),
        (["n", 2, 8, 6], "cannot be told, or it does neither: set output_stride"),
        (["n", 2, 16, 16], "returns 16, which have no pixels of their own: name the layer before"),
        (["n", 5, 3, 2], "cannot be told, or it does neither: set output_stride"),
        (["n", 5, 30], r"returns an output of shape .3, 5, 30.: neither"),
    ],
)
def test_an_output_that_labels_nothing_is_refused(
    tmp_path: Path, shape: list[Any], reason: str
) -> None:
    with pytest.raises(ModelError, match=reason):
        recipe_of(returning(tmp_path / "net.onnx", shape))


def test_an_input_that_is_no_image_is_refused(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["features"], ["out"])],
        "net",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 7])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 7])],
    )
    onnx.save(helper.make_model(graph, ir_version=8), str(tmp_path / "net.onnx"))
    with pytest.raises(
        ModelError,
        match=r"one input, a batch of images, and no other: export it so; its inputs: 'features'",
    ):
        recipe_of(tmp_path / "net.onnx")


def test_a_recipe_keeps_no_secret_and_its_identity_no_place(tmp_path: Path) -> None:
    path = networks.onnx_tile(tmp_path / "net.onnx")
    recipe = recipe_of(path, batch=2)
    copy = networks.onnx_tile(tmp_path / "copy.onnx")
    assert recipe_of(copy, batch=4).identity() == recipe.identity()
    assert recipe_of(copy, scale=2).identity() != recipe.identity()
    assert json.loads(json.dumps(recipe.identity())) == recipe.identity()
    assert recipe.as_dict()["path"] == str(path)
    url = "https://me:hush@host/net?sig=hush"
    signed = replace(recipe, path=url, mean_image=url, quantized=url)
    assert "hush" not in str(signed.as_dict()) and signed.as_dict()["path"] == "https://host/net"
    names = {field.name for field in fields(Recipe)}
    alike = {n for n in names if replace(recipe, **{n: "x"}).identity() == recipe.identity()}
    assert alike == {"path", "batch", "device", "mean_image", "quantized"}


def test_a_model_with_a_name_in_any_language_opens(tmp_path: Path) -> None:
    folder = tmp_path / "Köppen 土地"
    folder.mkdir()
    assert recipe_of(networks.onnx_tile(folder / "réseau.onnx")).input_size == (16, 16)
    assert len(recipe_of(CNTK / "unicode_names.model").classes) == 4


@pytest.mark.parametrize(
    ("shape", "bands", "layout"),
    [
        ((None, 3, 224, 224), None, "NCHW"),
        ((None, 224, 224, 3), None, "NHWC"),
        ((None, None, None, 4), None, "NHWC"),
        ((None, 4, None, None), None, "NCHW"),
        ((None, None, 8, 8), None, "NCHW"),
        ((None, 8, 8, None), None, "NHWC"),
        ((None, None, None, None), None, "NHWC"),
        ((None, None, 224, 5), 3, "NCHW"),
        ((None, 3, 3, 3), 3, "NHWC"),
        ((None, 200, 64, 64), 200, "NCHW"),
        ((None, 200, 64, 64), None, "NCHW"),
        ((None, 9, 9, 13), None, "NHWC"),
        ((None, 48, 80, 96), None, "NHWC"),
        ((None, 28, 28), None, "NHW"),
    ],
)
def test_the_order_of_dimensions_is_told_by_their_lengths(
    shape: tuple[int | None, ...], bands: int | None, layout: str
) -> None:
    assert Signature(shape, "float32", channels_last=True).layout(bands) == layout


@pytest.mark.parametrize("shape", [(None, 3, 40, 64), (None, 40, 64, 3), (None, 40, 64)])
def test_a_window_has_rows_before_columns_in_any_order_of_dimensions(
    shape: tuple[int | None, ...],
) -> None:
    told = ModelSettings(path="net.onnx", scale=1)
    assert fit_input(Signature(shape, "float32"), told, "net.onnx").steps.size == (40, 64)


def test_what_is_known_of_pixels_and_labels_is_what_is_done_with_them(tmp_path: Path) -> None:
    recipe = recipe_of(networks.onnx_tile(tmp_path / "net.onnx"))
    told: dict[str, Any] = {"threshold": 0.7, "halo": 3, "activation": "none", "rank": 3}
    of_pixels = replace(recipe, mean=(1.0, 2.0, 3.0), scale=(0.1, 0.2, 0.3)).steps()
    assert (of_pixels.mean, of_pixels.scale) == ((1.0, 2.0, 3.0), (0.1, 0.2, 0.3))
    output = replace(recipe, output_stride=4, **told).steps().output
    assert output is not None and output.stride == 4
    assert {key: getattr(output, key) for key in told} == told


def test_who_only_looks_at_a_model_takes_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landcover.models.recipe.place", lambda *_: pytest.fail("takes a GPU"))
    path = networks.onnx_tile(tmp_path / "net.onnx")
    settings = ModelSettings(path=str(path), runtime="onnxruntime", scale=1)
    assert make_recipe(settings, here=False).output == "tile"
