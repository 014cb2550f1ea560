"""Strides and halos of networks that label pixels: read from the graph, tried, or told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from support import operations as small

from landcover.errors import ModelError
from landcover.models.preprocessing.interpolation import neighbours


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("stride", [2, 4, 8])
def test_probabilities_of_an_output_stride_are_interpolated_between_the_centres(
    tmp_path: Path, stride: int, runtime: str
) -> None:
    pytest.importorskip(runtime)
    weights = small.kernel(4, stride) / stride
    path = small.saved(
        tmp_path / "net.onnx",
        [small.convolution(strides=[stride, stride]), *small.then("Identity")],
        w=weights,
    )
    recipe = small.recipe_of(path, runtime)
    assert (recipe.output_stride, recipe.halo, recipe.cells) == (
        stride,
        stride,
        (64 // stride,) * 2,
    )
    pixels = small.noise(recipe)
    found = small.scores_of(recipe, pixels)
    edge = small.SIZE - 2 * recipe.halo
    assert found.shape == (2, 4, edge, edge)
    # By hand, at one pixel: between the cells whose centres are around it.
    shares = small.softmax(small.logits_of(pixels, weights, stride))
    for y, x in ((0, 0), (5, 9), (edge - 1, edge - 1)):
        at = [(recipe.halo + place - (stride - 1) / 2) / stride for place in (y, x)]
        (r, dr), (c, dc) = ((int(a), a - int(a)) for a in at)
        four = shares[:, :, r : r + 2, c : c + 2]
        by_hand = np.einsum("ncij,i,j->nc", four, [1 - dr, dr], [1 - dc, dc])
        np.testing.assert_allclose(found[:, :, y, x], by_hand, atol=1e-5)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_a_pixel_in_the_centre_of_a_cell_has_a_part_of_no_other() -> None:
    """So that what is undefined in one cell is undefined around that one only."""
    below, above, shares = neighbours(13, 4, 4, 0)
    assert below[::4] == above[::4] == (0, 1, 2, 3) and not shares[::4].any()
    assert (below[5], above[5], shares[5]) == (1, 2, 0.25)


def test_the_halo_of_an_output_stride_is_what_its_receptive_field_loses(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["h"], strides=[4, 4], pads=[2, 2, 2, 2]),
        helper.make_node("Conv", ["h", "v"], ["out"], pads=[1, 1, 1, 1]),
    ]
    path = small.saved(tmp_path / "net.onnx", nodes, w=small.kernel(8, 7), v=small.kernel(3, 3, 8))
    recipe = small.recipe_of(path)
    assert (recipe.output_stride, recipe.cells) == (4, (16, 16))
    # Cell 1 sees the first row of padding: (7 - 1) / 2 + 4 pixels from its centre at 4 + 1.
    assert recipe.halo == 12
    assert small.recipe_of(path, halo=4).halo == 4


def test_a_valid_convolution_is_a_halo_and_no_stride(tmp_path: Path) -> None:
    nodes = [small.convolution(), *small.then("Relu")]
    path = small.saved(tmp_path / "net.onnx", nodes, w=small.kernel(2, 33))
    recipe = small.recipe_of(path)
    assert (recipe.output_stride, recipe.halo, recipe.cells) == (1, 16, (32, 32))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("edge", [2, 4])
def test_one_pixel_less_on_one_side_than_on_the_other_is_left_out(
    tmp_path: Path, edge: int, runtime: str
) -> None:
    """Kernels of even edges, without padding: the outermost label of one side is left out as well."""
    pytest.importorskip(runtime)
    nodes = [small.convolution(), *small.then("Identity")]
    path = small.saved(tmp_path / "net.onnx", nodes, w=small.kernel(3, edge))
    recipe = small.recipe_of(path, runtime)
    halo = edge // 2
    assert (recipe.output_stride, recipe.halo) == (1, halo)
    pixels = small.noise(recipe)
    around = np.lib.stride_tricks.sliding_window_view(pixels, (edge, edge), (2, 3))
    every = small.softmax(np.einsum("nbyxij,kbij->nkyx", around, small.kernel(3, edge)))
    # The first label is that of pixel (edge - 2) / 2, half a pixel before its kernel's centre.
    np.testing.assert_allclose(small.scores_of(recipe, pixels), every[:, :, 1:, 1:], atol=1e-5)


@pytest.mark.parametrize(
    ("begins", "ends", "halo"), [(7, 56, 8), (8, 57, None), (0, 48, None), (16, 64, None)]
)
def test_labels_beside_the_middle_of_the_window_are_refused_from_a_pixel_on(
    tmp_path: Path, begins: int, ends: int, halo: int | None
) -> None:
    nodes = [
        small.convolution(),
        helper.make_node("Slice", ["scores", "begins", "ends", "axes"], ["out"]),
    ]
    held = {
        "begins": np.int64([begins] * 2),
        "ends": np.int64([ends] * 2),
        "axes": np.int64([2, 3]),
    }
    path = small.saved(tmp_path / "net.onnx", nodes, w=small.kernel(3), **held)
    if halo is None:
        with pytest.raises(
            ModelError, match=f"the first lies at pixel {begins}, not in the middle"
        ):
            small.recipe_of(path)
        return
    recipe = small.recipe_of(path)
    assert recipe.halo == halo
    pixels = small.noise(recipe)
    expected = small.softmax(small.logits_of(pixels, small.kernel(3)))[:, :, halo:-halo, halo:-halo]
    np.testing.assert_allclose(small.scores_of(recipe, pixels), expected, atol=1e-5)


def test_more_labels_than_pixels_are_refused(tmp_path: Path) -> None:
    nodes = [
        small.convolution(),
        helper.make_node("DepthToSpace", ["scores"], ["out"], blocksize=2),
    ]
    path = small.saved(tmp_path / "net.onnx", nodes, w=small.kernel(12))
    with pytest.raises(ModelError, match=r"reads 64 pixels and returns 128, .* in 'head'"):
        small.recipe_of(path)


def test_every_fourth_pixel_with_its_classes_behind_is_known_by_its_rows_and_columns(
    tmp_path: Path,
) -> None:
    nodes = [
        small.convolution(strides=[4, 4]),
        helper.make_node("Transpose", ["scores"], ["out"], perm=[0, 2, 3, 1]),
    ]
    recipe = small.recipe_of(small.saved(tmp_path / "net.onnx", nodes, w=small.kernel(5, 4)))
    assert (len(recipe.classes), recipe.output_stride, recipe.class_axis) == (5, 4, 3)


def test_a_network_without_a_graph_to_follow_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strides, halos and the way back through a decoder, from where the answer to noise moves."""
    monkeypatch.setenv("LANDCOVER_CACHE", str(tmp_path / "cache"))  # the graph was followed before
    monkeypatch.setattr("landcover.models.graph_analysis.facts.dependencies", lambda *args: {})
    halved = [small.convolution(strides=[4, 4]), *small.then("Relu")]
    valid = [small.convolution(), *small.then("Relu")]
    stride = small.recipe_of(small.saved(tmp_path / "a.onnx", halved, w=small.kernel(2, 4)))
    assert (stride.output_stride, stride.halo) == (4, 4)
    # Networks look at what is near more than at what is far.
    near = np.exp(-np.square(np.arange(-16, 17)) / 30)
    weights = (small.kernel(2, 33) * near * near[:, None]).astype(np.float32)
    halo = small.recipe_of(small.saved(tmp_path / "b.onnx", valid, w=weights))
    assert (halo.output_stride, halo.halo) == (1, 16)
    with pytest.raises(ModelError, match="set output_stride"):
        small.recipe_of(small.saved(tmp_path / "c.onnx", valid, w=small.kernel(2, 33)))


def test_a_keras_network_of_half_the_resolution_is_no_halo(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    keras.utils.set_random_seed(1)
    image = keras.Input((small.SIZE, small.SIZE, 3))
    layers = keras.layers
    value = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(image)
    value = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(value)
    value = layers.UpSampling2D(2)(value)
    value = layers.Conv2D(4, 1)(value)
    keras.Model(image, layers.Softmax()(value)).save(tmp_path / "net.keras")
    both = [small.recipe_of(tmp_path / "net.keras", r) for r in ("tensorflow", "openvino")]
    assert {(r.output_stride, r.cells, r.activation) for r in both} == {(2, (32, 32), "none")}
    scores = [small.scores_of(r, small.noise(r)) for r in both]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)


def test_what_cannot_be_told_apart_is_settled_by_the_sidecar(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Add", ["mean", "map"], ["wide"]),
        helper.make_node("Conv", ["wide", "w"], ["out"]),
    ]
    path = small.saved(
        tmp_path / "net.onnx",
        nodes,
        w=small.kernel(2),
        map=np.random.default_rng(1).normal(size=(1, 3, 16, 16)).astype(np.float32),
    )
    with pytest.raises(ModelError, match=r"cannot be told.*set output_stride \(and halo\)"):
        small.recipe_of(path)
    assert small.recipe_of(path, output_stride=4).output_stride == 4
    assert small.recipe_of(path, output_stride=4, halo=8).halo == 8
    assert small.recipe_of(path, output_stride=1).halo == 24
    with pytest.raises(ModelError, match="do not lie evenly in the window, output_stride 5 apart"):
        small.recipe_of(path, output_stride=5)
    with pytest.raises(ModelError, match="halo is told to be 1: it must be 2 or more"):
        small.recipe_of(path, output_stride=4, halo=1)


def test_a_halo_that_is_told_is_cut_off(tmp_path: Path) -> None:
    path = small.saved(
        tmp_path / "net.onnx",
        [small.convolution(), *small.then("Softmax", axis=1)],
        w=small.kernel(3),
    )
    whole, less = small.recipe_of(path), small.recipe_of(path, halo=5)
    pixels = small.noise(whole)
    expected = small.scores_of(whole, pixels)[:, :, 5:-5, 5:-5]
    np.testing.assert_array_equal(small.scores_of(less, pixels), expected)
