"""What the numbers of a network stand for: classes, one probability, class numbers, rows of pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from support import operations as small

from landcover.errors import ModelError
from landcover.models.model import open_model


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("threshold", [0.5, 0.3, 0.9])
@pytest.mark.parametrize("squeezed", [False, True])
@pytest.mark.parametrize("end", ["Sigmoid", "Identity"])
def test_one_probability_a_pixel_is_two_classes(
    tmp_path: Path, end: str, squeezed: bool, threshold: float, runtime: str
) -> None:
    pytest.importorskip(runtime)
    nodes = [small.convolution(), *small.then(end)]
    shape = ["n", 1, small.SIZE, small.SIZE]
    held: dict[str, Any] = {"w": small.kernel(1)}
    if squeezed:
        nodes = [small.convolution(), *small.then(end, "Squeeze")]
        nodes[-1].input.append("axes")
        held["axes"], shape = np.int64([1]), ["n", small.SIZE, small.SIZE]
    path = small.saved(tmp_path / "net.onnx", nodes, shape, **held)
    recipe = small.recipe_of(path, runtime, threshold=threshold, classes=("other", "water"))
    assert (recipe.form, recipe.cells) == ("probability", (small.SIZE, small.SIZE))
    pixels = small.noise(recipe)
    pixels[0, :, 0, 0] = 0  # a probability of one half
    scores = small.scores_of(recipe, pixels)
    p = 1 / (1 + np.exp(-small.logits_of(pixels, small.kernel(1))[:, 0]))
    clear = np.abs(p - threshold) > 1e-6
    clear[0, 0, 0] = True
    np.testing.assert_array_equal(scores.argmax(1)[clear], (p >= threshold)[clear])
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-6)
    if threshold == 0.5:
        np.testing.assert_allclose(scores[:, 1], p, atol=1e-6)
    else:  # as likely as not at the threshold
        odds = p / (1 - p) * (1 - threshold) / threshold
        np.testing.assert_allclose(scores[:, 1], odds / (1 + odds), atol=1e-5)


def test_one_number_a_tile_is_two_classes(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["out"]),
    ]
    weights = np.random.default_rng(1).normal(0, 9, (3, 1)).astype(np.float32)
    recipe = small.recipe_of(small.saved(tmp_path / "net.onnx", nodes, ["n", 1], w=weights))
    assert (recipe.form, recipe.activation, recipe.output) == ("probability", "sigmoid", "tile")
    pixels = small.noise(recipe, 9)
    p = 1 / (1 + np.exp(-(pixels.mean((2, 3)) @ weights)[:, 0]))
    np.testing.assert_allclose(small.scores_of(recipe, pixels)[:, 1], p, atol=1e-6)
    with pytest.raises(ModelError, match="one number for two classes, but 3 are named"):
        small.recipe_of(tmp_path / "net.onnx", classes=("a", "b", "c"))
    with pytest.raises(ModelError, match="whose softmax is always 1: set activation to 'sigmoid'"):
        small.recipe_of(tmp_path / "net.onnx", activation="softmax")


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_numbers_of_classes_are_labels(tmp_path: Path, keepdims: int, runtime: str) -> None:
    pytest.importorskip(runtime)
    end = helper.make_node("ArgMax", ["scores"], ["out"], axis=1, keepdims=keepdims)
    shape = ["n", 1, small.SIZE, small.SIZE] if keepdims else ["n", small.SIZE, small.SIZE]
    path = small.saved(
        tmp_path / "net.onnx",
        [small.convolution(), end],
        shape,
        returns=TensorProto.INT64,
        w=small.kernel(5),
    )
    recipe = small.recipe_of(path, runtime)
    assert (recipe.form, len(recipe.classes)) == ("numbers", 5)
    pixels = small.noise(recipe)
    scores = small.scores_of(recipe, pixels)
    np.testing.assert_array_equal(
        scores.argmax(1), small.logits_of(pixels, small.kernel(5)).argmax(1)
    )
    assert set(np.unique(scores)) == {0, 1}
    with pytest.raises(ModelError, match=r"returns 5 classes, but 4 are named"):
        small.recipe_of(path, runtime, classes=tuple("abcd"))


@pytest.mark.parametrize(
    ("runtime", "opset"),
    [("onnxruntime", 8), ("onnxruntime", 11), ("onnxruntime", 17), ("openvino", 17)],
)
def test_a_number_of_no_class_is_no_probability(tmp_path: Path, opset: int, runtime: str) -> None:
    pytest.importorskip(runtime)
    node = helper.make_node("Identity", ["image"], ["out"])
    gray = ["n", 1, small.SIZE, small.SIZE]
    path = small.saved(tmp_path / "net.onnx", [node], gray, gray, opset=opset)
    recipe = replace(
        small.recipe_of(path, runtime), form="numbers", activation="none", threshold=None
    )
    recipe = replace(recipe, classes=tuple("abcd"))
    given = [0, 1, 3, -0.0, 4, -1, 1.5, 1e-3, 2.9999, 255, 2**31, 2**40, np.nan, np.inf, -np.inf]
    pixels = np.zeros((1, 1, small.SIZE, small.SIZE), np.float32)
    pixels[0, 0, 0, : len(given)] = given
    found = small.scores_of(recipe, pixels)[0, :, 0, : len(given)].T
    np.testing.assert_array_equal(found[:4], np.eye(4)[[0, 1, 3, 0]])
    assert np.isnan(found[4:]).all()


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_network_that_returns_what_it_reads_leaves_the_images_of_earlier_batches_alone(
    tmp_path: Path, runtime: str
) -> None:
    pytest.importorskip(runtime)
    node = helper.make_node("Identity", ["image"], ["out"])
    gray = ["n", 1, small.SIZE, small.SIZE]
    path = small.saved(tmp_path / "net.onnx", [node], gray, gray)
    recipe = replace(small.recipe_of(path, runtime), activation="none")
    network = open_model(recipe, 2).network
    rng = np.random.default_rng(5)
    kept = []
    for count in (3, 3, 5, 2, 1, 3, 4, 7, 3, 16, 3):
        pixels = rng.uniform(0.05, 1, (count, 1, small.SIZE, small.SIZE)).astype(np.float32)
        np.testing.assert_array_equal(network.run(pixels)[:, 1], pixels[:, 0])
        kept.append((pixels, pixels.copy()))
    assert all(np.array_equal(given, before) for given, before in kept)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("last", [True, False])
def test_pixels_in_one_row_are_a_map(tmp_path: Path, last: bool, runtime: str) -> None:
    pytest.importorskip(runtime)
    nodes = [small.convolution(), helper.make_node("Reshape", ["scores", "to"], ["rows"])]
    to = [0, 6, small.SIZE * small.SIZE]
    if last:
        nodes = [
            small.convolution(),
            helper.make_node("Transpose", ["scores"], ["turned"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", ["turned", "to"], ["rows"]),
        ]
        to = [0, small.SIZE * small.SIZE, 6]
    axis = 2 if last else 1
    nodes.append(helper.make_node("Softmax", ["rows"], ["out"], axis=axis))
    path = small.saved(
        tmp_path / "net.onnx", nodes, ["n", *to[1:]], w=small.kernel(6), to=np.int64(to)
    )
    recipe = small.recipe_of(path, runtime)
    assert (recipe.output, recipe.class_axis, recipe.cells) == (
        "pixel",
        axis,
        (small.SIZE, small.SIZE),
    )
    pixels = small.noise(recipe)
    expected = small.softmax(small.logits_of(pixels, small.kernel(6)))
    np.testing.assert_allclose(small.scores_of(recipe, pixels), expected, atol=1e-6)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    "opset", [11, 17]
)  # a Softmax of opset 11 is one over all axes that follow
def test_logits_of_pixels_become_probabilities_pixel_by_pixel(
    tmp_path: Path, opset: int, runtime: str
) -> None:
    pytest.importorskip(runtime)
    nodes = [small.convolution(), *small.then("Identity")]
    path = small.saved(tmp_path / "net.onnx", nodes, opset=opset, w=small.kernel(5))
    recipe = small.recipe_of(path, runtime)
    pixels = small.noise(recipe)
    expected = small.softmax(small.logits_of(pixels, small.kernel(5)))
    np.testing.assert_allclose(small.scores_of(recipe, pixels), expected, atol=1e-5)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_branch_reads_the_pixels_with_mean_and_scale_as_all_others_do(
    tmp_path: Path, runtime: str
) -> None:
    pytest.importorskip(runtime)
    value = helper.make_tensor_value_info("positive", TensorProto.FLOAT, None)
    branch = helper.make_graph(
        [helper.make_node("Relu", ["image"], ["positive"])], "b", [], [value]
    )
    nodes = [
        helper.make_node("If", ["always"], ["read"], then_branch=branch, else_branch=branch),
        helper.make_node("Conv", ["read", "w"], ["out"]),
    ]
    path = small.saved(tmp_path / "net.onnx", nodes, w=small.kernel(4), always=np.array(True))
    recipe = small.recipe_of(path, runtime, mean=0.3, scale=2, activation="none", halo=0)
    pixels = small.noise(recipe)
    expected = small.logits_of(np.maximum(2 * (pixels - 0.3), 0), small.kernel(4))
    np.testing.assert_allclose(small.scores_of(recipe, pixels), expected, atol=1e-5)


def test_pixels_in_one_column_are_refused_and_the_layer_before_settles_it(tmp_path: Path) -> None:
    nodes = [
        small.convolution(),
        helper.make_node("Softmax", ["scores"], ["shares"], axis=1),
        helper.make_node("Transpose", ["shares"], ["turned"], perm=[0, 3, 2, 1]),
        helper.make_node("Reshape", ["turned", "to"], ["out"]),
    ]
    to = [0, small.SIZE * small.SIZE, 6]
    path = small.saved(
        tmp_path / "net.onnx", nodes, ["n", *to[1:]], w=small.kernel(6), to=np.int64(to)
    )
    with pytest.raises(ModelError, match="not row by row: name the layer before in 'head'"):
        small.recipe_of(path)
    recipe = small.recipe_of(path, head="shares")
    pixels = small.noise(recipe)
    expected = small.softmax(small.logits_of(pixels, small.kernel(6)))
    np.testing.assert_allclose(small.scores_of(recipe, pixels), expected, atol=1e-6)


def test_masks_beside_boxes_are_not_taken_for_classes(tmp_path: Path) -> None:
    nodes = [
        small.convolution(strides=[4, 4]),
        helper.make_node("Identity", ["scores"], ["masks"]),
        helper.make_node("Reshape", ["scores", "to"], ["out"]),
    ]
    path = small.saved(
        tmp_path / "net.onnx",
        nodes,
        ["n", 37, 221],
        w=small.kernel(32, 4),
        to=np.int64([-1, 32, 256]),
    )
    model = onnx.load(path)
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 32, 256])
    )
    model.graph.output.append(
        helper.make_tensor_value_info("masks", TensorProto.FLOAT, ["n", 32, 16, 16])
    )
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"several outputs: say with 'head'.*'out', 'masks'"):
        small.recipe_of(path)


def test_patches_with_more_bands_than_rows_keep_them(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    image = keras.Input((9, 9, 13))
    flat = keras.layers.Flatten()(keras.layers.Conv2D(4, 3)(image))
    keras.Model(image, keras.layers.Dense(5)(flat)).save(tmp_path / "net.keras")
    for runtime in ("tensorflow", "openvino"):
        recipe = small.recipe_of(tmp_path / "net.keras", runtime)
        assert (len(recipe.bands), recipe.input_size) == (13, (9, 9))
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "w"], ["scores"]),
        *small.then("GlobalAveragePool", "Flatten"),
    ]
    wide = small.saved(
        tmp_path / "wide.onnx", nodes, ["n", 5], ["n", 6, 9, 13], w=small.kernel(5, 3, 13)
    )
    recipe = small.recipe_of(wide)
    assert (recipe.layout, len(recipe.bands), recipe.input_size) == ("NHWC", 13, (6, 9))


def test_a_network_of_one_image_without_an_axis_for_it_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Unsqueeze", ["image", "first"], ["images"]),
        helper.make_node("Conv", ["images", "w"], ["scores"]),
        helper.make_node("Squeeze", ["scores", "first"], ["out"]),
    ]
    path = small.saved(
        tmp_path / "net.onnx",
        nodes,
        reads=[3, small.SIZE, small.SIZE],
        shape=[5, small.SIZE, small.SIZE],
        w=small.kernel(5),
        first=np.int64([0]),
    )
    with pytest.raises(ModelError, match=r"5 results for 3 images: .* an axis for images in front"):
        small.recipe_of(path)


def _numbered(
    tmp_path: Path, *nodes: onnx.NodeProto, kind: int = TensorProto.INT64, **held: object
) -> Path:
    """A network whose class numbers, "numbers", other nodes make "out" of."""
    every = [
        helper.make_node("Conv", ["image", "w"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["numbers"], axis=1, keepdims=0),
        *nodes,
    ]
    shape = ["n", None, None]
    path = tmp_path / "net.onnx"
    return small.saved(path, every, shape=shape, returns=kind, w=small.kernel(4), **held)


@pytest.mark.parametrize(("operation", "one"), [("Add", 1), ("Sub", -1)])
def test_numbers_of_classes_that_count_from_one_leave_the_first_name_without_pixels(
    tmp_path: Path, operation: str, one: int
) -> None:
    node = helper.make_node(operation, ["numbers", "one"], ["out"])
    path = _numbered(tmp_path, node, one=np.int64(one))
    names = ["a", "b", "c", "d"]
    with pytest.raises(ModelError, match=r"returns 5 classes, but 4 are named: .* never returns"):
        small.recipe_of(path, classes=names)
    assert small.recipe_of(path, classes=names, head="scores").output == "pixel"
    recipe = small.recipe_of(path, classes=["nothing", "a", "b", "c", "d"])
    pixels = small.noise(recipe)
    expected = 1 + small.logits_of(pixels, small.kernel(4)).argmax(1)
    np.testing.assert_array_equal(small.scores_of(recipe, pixels).argmax(1), expected)
    assert small.recipe_of(path).classes == ("0", "1", "2", "3", "4")


def test_numbers_that_are_looked_up_in_a_table_are_those_of_other_classes(tmp_path: Path) -> None:
    node = helper.make_node("Gather", ["table", "numbers"], ["out"])
    path = _numbered(tmp_path, node, table=np.int64([0, 1, 1, 0]))
    assert small.recipe_of(path).classes == ("0", "1")
    recipe = small.recipe_of(path, classes=["land", "water"])
    pixels = small.noise(recipe)
    best = small.logits_of(pixels, small.kernel(4)).argmax(1)
    np.testing.assert_array_equal(
        small.scores_of(recipe, pixels).argmax(1), np.int64([0, 1, 1, 0])[best]
    )


@pytest.mark.parametrize("table", [[11, 21, 31, 41], [1, 5, 24, 61], [-1, 0, 1, 2]], ids=str)
def test_codes_of_a_scheme_are_not_taken_for_the_places_of_its_classes(
    tmp_path: Path, table: list[int]
) -> None:
    node = helper.make_node("Gather", ["table", "numbers"], ["out"])
    path = _numbered(tmp_path, node, table=np.array(table, np.int64))
    for classes in ("nlcd", "cdl", ["a", "b", "c", "d"]):
        with pytest.raises(ModelError, match="set head to 'scores', the scores that they are"):
            small.recipe_of(path, classes=classes)
    assert len(small.recipe_of(path, classes=["a", "b", "c", "d"], head="scores").classes) == 4


@pytest.mark.parametrize("k", [1, 2])
def test_the_largest_alone_is_a_label(tmp_path: Path, k: int) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["scores"]),
        helper.make_node("TopK", ["scores", "k"], ["values", "out"], axis=1),
    ]
    held = {"w": small.kernel(4), "k": np.int64([k])}
    path = small.saved(tmp_path / "net.onnx", nodes, returns=TensorProto.INT64, **held)
    if k > 1:
        with pytest.raises(ModelError, match="returns 2 numbers of classes for each label"):
            small.recipe_of(path)
        return
    recipe = small.recipe_of(path)
    assert recipe.classes == ("0", "1", "2", "3")
    pixels = small.noise(recipe)
    expected = small.logits_of(pixels, small.kernel(4)).argmax(1)
    np.testing.assert_array_equal(small.scores_of(recipe, pixels).argmax(1), expected)


def test_scores_of_a_tile_may_have_an_axis_of_one_before_them(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["scores"]),
        helper.make_node("GlobalAveragePool", ["scores"], ["mean"]),
        helper.make_node("Reshape", ["mean", "extents"], ["out"]),
    ]
    held = {"w": small.kernel(4), "extents": np.int64([-1, 1, 4])}
    recipe = small.recipe_of(small.saved(tmp_path / "net.onnx", nodes, shape=["n", 1, 4], **held))
    pixels = small.noise(recipe)
    expected = small.softmax(small.logits_of(pixels, small.kernel(4)).mean((2, 3)))
    np.testing.assert_allclose(small.scores_of(recipe, pixels), expected, atol=1e-5)
