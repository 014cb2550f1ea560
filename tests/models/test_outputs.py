"""What a network returns: told by its graph, supported in all its forms, and refused where unclear."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.model import open_model
from landcover.models.recipe import Recipe, make_recipe

SIZE = 64
Array = NDArray[np.float32]


def saved(
    path: Path,
    nodes: list[onnx.NodeProto],
    shape: list[Any] | None = None,
    reads: list[Any] | None = None,
    returns: int = TensorProto.FLOAT,
    opset: int = 17,
    **weights: Any,
) -> Path:
    """A network from "image" to "out"."""
    held = [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, reads or ["n", 3, SIZE, SIZE])
    out = helper.make_tensor_value_info("out", returns, shape or ["n", None, None, None])
    graph = helper.make_graph(nodes, "net", [image], [out], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, str(path))
    return path


def kernel(classes: int, edge: int = 1, bands: int = 3, seed: int = 1) -> Array:
    shape = (classes, bands, edge, edge)
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def convolution(**attributes: Any) -> onnx.NodeProto:
    return helper.make_node("Conv", ["image", "w"], ["scores"], **attributes)


def then(*operations: str, **attributes: Any) -> list[onnx.NodeProto]:
    """Operations one after the other, from "scores" to "out"."""
    names = ["scores", *(f"t{i}" for i in range(len(operations) - 1)), "out"]
    return [
        helper.make_node(op, [names[i]], [names[i + 1]], **(attributes if not i else {}))
        for i, op in enumerate(operations)
    ]


def recipe_of(path: Path, runtime: str = "onnxruntime", **told: Any) -> Recipe:
    return make_recipe(ModelSettings(path=str(path), runtime=runtime, **{"scale": 1, **told}))


def noise(recipe: Recipe, count: int = 2, seed: int = 3) -> Array:
    shape = (count, len(recipe.bands), *recipe.input_size)
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def scores_of(recipe: Recipe, pixels: Array) -> Array:
    return open_model(recipe, 1).network.run(pixels)


def softmax(logits: Array, axis: int = 1) -> Array:
    powers = np.exp(logits - logits.max(axis, keepdims=True))
    found: Array = powers / powers.sum(axis, keepdims=True)
    return found


def logits_of(pixels: Array, weights: Array, stride: int = 1) -> Array:
    """A convolution by hand, without padding, its windows side by side."""
    edge = weights.shape[-1]
    n, bands, height, width = pixels.shape
    cut = pixels.reshape(n, bands, height // stride, stride, width // stride, stride)
    assert edge == stride
    found: Array = np.einsum("nbyixj,cbij->ncyx", cut, weights).astype(np.float32)
    return found


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("stride", [2, 4, 8])
def test_probabilities_of_an_output_stride_are_interpolated_between_the_centres(
    tmp_path: Path, stride: int, runtime: str
) -> None:
    pytest.importorskip(runtime)
    weights = kernel(4, stride) / stride
    path = saved(
        tmp_path / "net.onnx",
        [convolution(strides=[stride, stride]), *then("Identity")],
        w=weights,
    )
    recipe = recipe_of(path, runtime)
    assert (recipe.output_stride, recipe.halo, recipe.cells) == (
        stride,
        stride,
        (64 // stride,) * 2,
    )
    pixels = noise(recipe)
    found = scores_of(recipe, pixels)
    edge = SIZE - 2 * recipe.halo
    assert found.shape == (2, 4, edge, edge)
    # By hand, at one pixel: between the cells whose centres are around it.
    shares = softmax(logits_of(pixels, weights, stride))
    for y, x in ((0, 0), (5, 9), (edge - 1, edge - 1)):
        at = [(recipe.halo + place - (stride - 1) / 2) / stride for place in (y, x)]
        (r, dr), (c, dc) = ((int(a), a - int(a)) for a in at)
        four = shares[:, :, r : r + 2, c : c + 2]
        by_hand = np.einsum("ncij,i,j->nc", four, [1 - dr, dr], [1 - dc, dc])
        np.testing.assert_allclose(found[:, :, y, x], by_hand, atol=1e-5)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_the_halo_of_an_output_stride_is_what_its_receptive_field_loses(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["h"], strides=[4, 4], pads=[2, 2, 2, 2]),
        helper.make_node("Conv", ["h", "v"], ["out"], pads=[1, 1, 1, 1]),
    ]
    path = saved(tmp_path / "net.onnx", nodes, w=kernel(8, 7), v=kernel(3, 3, 8))
    recipe = recipe_of(path)
    assert (recipe.output_stride, recipe.cells) == (4, (16, 16))
    # Cell 1 sees the first row of padding: (7 - 1) / 2 + 4 pixels from its centre at 4 + 1.
    assert recipe.halo == 12
    assert recipe_of(path, halo=4).halo == 4


def test_a_valid_convolution_is_a_halo_and_no_stride(tmp_path: Path) -> None:
    nodes = [convolution(), *then("Relu")]
    path = saved(tmp_path / "net.onnx", nodes, w=kernel(2, 33))
    recipe = recipe_of(path)
    assert (recipe.output_stride, recipe.halo, recipe.cells) == (1, 16, (32, 32))


def test_a_network_without_a_graph_to_follow_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strides, halos and the way back through a decoder, from where the answer to noise moves."""
    monkeypatch.setattr("landcover.models.graph_analysis.facts.dependencies", lambda *args: {})
    halved = [convolution(strides=[4, 4]), *then("Relu")]
    valid = [convolution(), *then("Relu")]
    stride = recipe_of(saved(tmp_path / "a.onnx", halved, w=kernel(2, 4)))
    assert (stride.output_stride, stride.halo) == (4, 4)
    # Networks look at what is near more than at what is far.
    near = np.exp(-np.square(np.arange(-16, 17)) / 30)
    weights = (kernel(2, 33) * near * near[:, None]).astype(np.float32)
    halo = recipe_of(saved(tmp_path / "b.onnx", valid, w=weights))
    assert (halo.output_stride, halo.halo) == (1, 16)
    with pytest.raises(ModelError, match="set output_stride"):
        recipe_of(saved(tmp_path / "c.onnx", valid, w=kernel(2, 33)))


def test_a_keras_network_of_half_the_resolution_is_no_halo(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    keras.utils.set_random_seed(1)
    image = keras.Input((SIZE, SIZE, 3))
    layers = keras.layers
    value = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(image)
    value = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(value)
    value = layers.UpSampling2D(2)(value)
    value = layers.Conv2D(4, 1)(value)
    keras.Model(image, layers.Softmax()(value)).save(tmp_path / "net.keras")
    both = [recipe_of(tmp_path / "net.keras", r) for r in ("tensorflow", "openvino")]
    assert {(r.output_stride, r.cells, r.activation) for r in both} == {(2, (32, 32), "none")}
    scores = [scores_of(r, noise(r)) for r in both]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)


def test_what_cannot_be_told_apart_is_settled_by_the_sidecar(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Add", ["mean", "map"], ["wide"]),
        helper.make_node("Conv", ["wide", "w"], ["out"]),
    ]
    path = saved(
        tmp_path / "net.onnx",
        nodes,
        w=kernel(2),
        map=np.random.default_rng(1).normal(size=(1, 3, 16, 16)).astype(np.float32),
    )
    with pytest.raises(ModelError, match=r"cannot be told.*set output_stride \(and halo\)"):
        recipe_of(path)
    assert recipe_of(path, output_stride=4).output_stride == 4
    assert recipe_of(path, output_stride=4, halo=8).halo == 8
    assert recipe_of(path, output_stride=1).halo == 24
    with pytest.raises(ModelError, match="do not lie evenly in the window, output_stride 5 apart"):
        recipe_of(path, output_stride=5)
    with pytest.raises(ModelError, match="halo is told to be 1: it must be 2 or more"):
        recipe_of(path, output_stride=4, halo=1)


def test_a_halo_that_is_told_is_cut_off(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.onnx", [convolution(), *then("Softmax", axis=1)], w=kernel(3))
    whole, less = recipe_of(path), recipe_of(path, halo=5)
    pixels = noise(whole)
    expected = scores_of(whole, pixels)[:, :, 5:-5, 5:-5]
    np.testing.assert_array_equal(scores_of(less, pixels), expected)


@pytest.mark.parametrize("scale", [1.0, 1 / 255, 1000.0])
@pytest.mark.parametrize(
    ("end", "activation"),
    [
        (then("Sigmoid"), "none"),
        (then("HardSigmoid"), "none"),
        (then("Softmax", axis=1), "none"),
        (then("LogSoftmax", axis=1), "softmax"),
        (then("Identity"), "softmax"),
        (then("Relu"), "softmax"),
        (
            [
                helper.make_node("Exp", ["scores"], ["e"]),
                helper.make_node("ReduceSum", ["e", "axes"], ["s"], keepdims=1),
                helper.make_node("Div", ["e", "s"], ["out"]),
            ],
            "none",
        ),
        (
            [
                helper.make_node("Softmax", ["scores"], ["p"], axis=1),
                helper.make_node("QuantizeLinear", ["p", "step", "zero"], ["q"]),
                helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["out"]),
            ],
            "none",
        ),
    ],
)
def test_the_last_operations_say_what_is_left_to_do(
    tmp_path: Path, end: list[onnx.NodeProto], activation: str, scale: float
) -> None:
    held = {"axes": np.int64([1]), "step": np.float32(1 / 255), "zero": np.uint8(0)}
    used = {name for node in end for name in node.input}
    path = saved(
        tmp_path / "net.onnx",
        [convolution(), *end],
        w=kernel(5),
        **{k: v for k, v in held.items() if k in used},
    )
    assert recipe_of(path, scale=scale).activation == activation


def test_sigmoids_of_several_classes_stay_as_the_network_says(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.onnx", [convolution(), *then("Sigmoid")], w=kernel(3))
    told = saved(tmp_path / "logits.onnx", [convolution(), *then("Identity")], w=kernel(3))
    recipe = recipe_of(path)
    pixels = noise(recipe)
    expected = 1 / (1 + np.exp(-logits_of(pixels, kernel(3))))
    np.testing.assert_allclose(scores_of(recipe, pixels), expected, atol=1e-6)
    np.testing.assert_allclose(
        scores_of(recipe_of(told, activation="sigmoid"), pixels), expected, atol=1e-6
    )


def test_whole_numbers_at_the_end_are_scaled_as_the_graph_says(tmp_path: Path) -> None:
    end = [
        helper.make_node("Softmax", ["scores"], ["p"], axis=1),
        helper.make_node("QuantizeLinear", ["p", "step", "zero"], ["out"]),
    ]
    path = saved(
        tmp_path / "net.onnx",
        [convolution(), *end],
        returns=TensorProto.UINT8,
        w=kernel(5),
        step=np.float32(1 / 255),
        zero=np.uint8(3),
    )
    recipe = recipe_of(path)
    assert recipe.activation == "none"
    assert recipe.quantization == (pytest.approx(1 / 255), 3)
    pixels = noise(recipe)
    # The first three of 255 steps below zero are cut off above.
    expected = np.minimum(softmax(logits_of(pixels, kernel(5))), 252 / 255)
    np.testing.assert_allclose(scores_of(recipe, pixels), expected, atol=0.6 / 255)


def test_an_end_that_says_nothing_is_asked_for(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.onnx", [convolution(), *then("Tanh")], w=kernel(3))
    with pytest.raises(ModelError, match=r"ends in Tanh: .* set activation to none, sigmoid or"):
        recipe_of(path)
    assert recipe_of(path, activation="softmax").activation == "softmax"


def test_numbers_that_sum_to_one_need_no_word(tmp_path: Path) -> None:
    end = [
        helper.make_node("Sigmoid", ["scores"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["rest"]),
        helper.make_node("Concat", ["rest", "p"], ["out"], axis=1),
    ]
    path = saved(tmp_path / "net.onnx", [convolution(), *end], w=kernel(1), one=np.float32(1))
    recipe = recipe_of(path)
    assert (recipe.activation, len(recipe.classes)) == ("none", 2)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("threshold", [0.5, 0.3, 0.9])
@pytest.mark.parametrize("squeezed", [False, True])
@pytest.mark.parametrize("end", ["Sigmoid", "Identity"])
def test_one_probability_a_pixel_is_two_classes(
    tmp_path: Path, end: str, squeezed: bool, threshold: float, runtime: str
) -> None:
    pytest.importorskip(runtime)
    nodes = [convolution(), *then(end)]
    shape = ["n", 1, SIZE, SIZE]
    held: dict[str, Any] = {"w": kernel(1)}
    if squeezed:
        nodes = [convolution(), *then(end, "Squeeze")]
        nodes[-1].input.append("axes")
        held["axes"], shape = np.int64([1]), ["n", SIZE, SIZE]
    path = saved(tmp_path / "net.onnx", nodes, shape, **held)
    recipe = recipe_of(path, runtime, threshold=threshold, classes=("other", "water"))
    assert (recipe.form, recipe.cells) == ("probability", (SIZE, SIZE))
    pixels = noise(recipe)
    pixels[0, :, 0, 0] = 0  # a probability of one half
    scores = scores_of(recipe, pixels)
    p = 1 / (1 + np.exp(-logits_of(pixels, kernel(1))[:, 0]))
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
    recipe = recipe_of(saved(tmp_path / "net.onnx", nodes, ["n", 1], w=weights))
    assert (recipe.form, recipe.activation, recipe.output) == ("probability", "sigmoid", "tile")
    pixels = noise(recipe, 9)
    p = 1 / (1 + np.exp(-(pixels.mean((2, 3)) @ weights)[:, 0]))
    np.testing.assert_allclose(scores_of(recipe, pixels)[:, 1], p, atol=1e-6)
    with pytest.raises(ModelError, match="one number for two classes, but 3 are named"):
        recipe_of(tmp_path / "net.onnx", classes=("a", "b", "c"))
    with pytest.raises(ModelError, match="whose softmax is always 1: set activation to 'sigmoid'"):
        recipe_of(tmp_path / "net.onnx", activation="softmax")


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_numbers_of_classes_are_labels(tmp_path: Path, keepdims: int, runtime: str) -> None:
    pytest.importorskip(runtime)
    end = helper.make_node("ArgMax", ["scores"], ["out"], axis=1, keepdims=keepdims)
    shape = ["n", 1, SIZE, SIZE] if keepdims else ["n", SIZE, SIZE]
    path = saved(
        tmp_path / "net.onnx", [convolution(), end], shape, returns=TensorProto.INT64, w=kernel(5)
    )
    recipe = recipe_of(path, runtime)
    assert (recipe.form, len(recipe.classes)) == ("numbers", 5)
    pixels = noise(recipe)
    scores = scores_of(recipe, pixels)
    np.testing.assert_array_equal(scores.argmax(1), logits_of(pixels, kernel(5)).argmax(1))
    assert set(np.unique(scores)) == {0, 1}
    with pytest.raises(ModelError, match="returns 5 classes, but 4 are named"):
        recipe_of(path, runtime, classes=tuple("abcd"))


@pytest.mark.parametrize(
    ("runtime", "opset"),
    [("onnxruntime", 8), ("onnxruntime", 11), ("onnxruntime", 17), ("openvino", 17)],
)
def test_a_number_of_no_class_is_no_probability(tmp_path: Path, opset: int, runtime: str) -> None:
    pytest.importorskip(runtime)
    node = helper.make_node("Identity", ["image"], ["out"])
    gray = ["n", 1, SIZE, SIZE]
    path = saved(tmp_path / "net.onnx", [node], gray, gray, opset=opset)
    recipe = replace(recipe_of(path, runtime), form="numbers", activation="none", threshold=None)
    recipe = replace(recipe, classes=tuple("abcd"))
    given = [0, 1, 3, -0.0, 4, -1, 1.5, 1e-3, 2.9999, 255, 2**31, 2**40, np.nan, np.inf, -np.inf]
    pixels = np.zeros((1, 1, SIZE, SIZE), np.float32)
    pixels[0, 0, 0, : len(given)] = given
    found = scores_of(recipe, pixels)[0, :, 0, : len(given)].T
    np.testing.assert_array_equal(found[:4], np.eye(4)[[0, 1, 3, 0]])
    assert np.isnan(found[4:]).all()


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("last", [True, False])
def test_pixels_in_one_row_are_a_map(tmp_path: Path, last: bool, runtime: str) -> None:
    pytest.importorskip(runtime)
    nodes = [convolution(), helper.make_node("Reshape", ["scores", "to"], ["rows"])]
    to = [0, 6, SIZE * SIZE]
    if last:
        nodes = [
            convolution(),
            helper.make_node("Transpose", ["scores"], ["turned"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", ["turned", "to"], ["rows"]),
        ]
        to = [0, SIZE * SIZE, 6]
    axis = 2 if last else 1
    nodes.append(helper.make_node("Softmax", ["rows"], ["out"], axis=axis))
    path = saved(tmp_path / "net.onnx", nodes, ["n", *to[1:]], w=kernel(6), to=np.int64(to))
    recipe = recipe_of(path, runtime)
    assert (recipe.output, recipe.class_axis, recipe.cells) == ("pixel", axis, (SIZE, SIZE))
    pixels = noise(recipe)
    expected = softmax(logits_of(pixels, kernel(6)))
    np.testing.assert_allclose(scores_of(recipe, pixels), expected, atol=1e-6)


def test_masks_beside_boxes_are_not_taken_for_classes(tmp_path: Path) -> None:
    nodes = [
        convolution(strides=[4, 4]),
        helper.make_node("Identity", ["scores"], ["masks"]),
        helper.make_node("Reshape", ["scores", "to"], ["out"]),
    ]
    path = saved(
        tmp_path / "net.onnx",
        nodes,
        ["n", 37, 221],
        w=kernel(32, 4),
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
        recipe_of(path)


def test_a_network_that_divides_by_pixels_is_not_refused_for_its_noise(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Split", ["image", "parts"], ["r", "g", "b"], axis=1),
        helper.make_node("Sub", ["r", "g"], ["less"]),
        helper.make_node("Div", ["less", "b"], ["ratio"]),
        helper.make_node("Concat", ["ratio", "g"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "w"], ["out"]),
    ]
    path = saved(tmp_path / "net.onnx", nodes, w=kernel(3, 1, 2), parts=np.int64([1, 1, 1]))
    recipe = recipe_of(path)
    assert recipe.activation == "softmax"
    assert np.isfinite(scores_of(recipe, noise(recipe))).all()


def test_patches_with_more_bands_than_rows_keep_them(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    image = keras.Input((9, 9, 13))
    flat = keras.layers.Flatten()(keras.layers.Conv2D(4, 3)(image))
    keras.Model(image, keras.layers.Dense(5)(flat)).save(tmp_path / "net.keras")
    for runtime in ("tensorflow", "openvino"):
        recipe = recipe_of(tmp_path / "net.keras", runtime)
        assert (len(recipe.bands), recipe.input_size) == (13, (9, 9))
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "w"], ["scores"]),
        *then("GlobalAveragePool", "Flatten"),
    ]
    wide = saved(tmp_path / "wide.onnx", nodes, ["n", 5], ["n", 6, 9, 13], w=kernel(5, 3, 13))
    recipe = recipe_of(wide)
    assert (recipe.layout, len(recipe.bands), recipe.input_size) == ("NHWC", 13, (6, 9))
