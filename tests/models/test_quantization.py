"""Layers of a quantized network: put back in f32 as they were, ranked, and cropped before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.model import digest_of, open_model
from landcover.models.quantization.quantize import quantizing
from landcover.models.recipe import Recipe, make_recipe

pytestmark = pytest.mark.skipif(find_spec("nncf") is None, reason="needs the extra 'i8'")

EDGE, CLASSES = 32, 4


def _branching(path: Path) -> Path:
    """Convolutions with a branch that joins again, a sum and a bias: a label a pixel."""
    rng, weights, nodes = np.random.default_rng(7), [], []

    def convolve(name: str, read: str, gives: int, reads: int, edge: int) -> str:
        kernel = rng.normal(0, (2 / (reads * edge**2)) ** 0.5, (gives, reads, edge, edge))
        weights.append(numpy_helper.from_array(kernel.astype(np.float32), f"w_{name}"))
        bias = rng.normal(0, 0.1, gives).astype(np.float32)
        weights.append(numpy_helper.from_array(bias, f"b_{name}"))
        told = {"pads": [edge // 2] * 4, "name": name}
        nodes.append(helper.make_node("Conv", [read, f"w_{name}", f"b_{name}"], [name], **told))
        return name

    def then(kind: str, *read: str, **told: Any) -> str:
        name = f"{kind}{len(nodes)}"
        nodes.append(helper.make_node(kind, read, [name], **told))
        return name

    first = then("Relu", convolve("first", "image", 8, 3, 3))
    left = then("Relu", convolve("left", first, 8, 8, 3))
    right = then("Relu", convolve("right", first, 8, 8, 1))
    joined = then("Concat", left, right, axis=1)
    summed = then("Add", convolve("last", joined, 8, 16, 3), first)
    convolve("scores", then("Relu", summed), CLASSES, 8, 1)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, EDGE, EDGE])
    found = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", CLASSES, EDGE, EDGE])
    graph = helper.make_graph(nodes, "network", [image], [found], weights)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), str(path))
    return path


def _recipe(path: Path, **told: Any) -> Recipe:
    given = {"mean": 100, "scale": 0.02, "activation": "softmax", "runtime": "openvino", **told}
    return make_recipe(ModelSettings(path=str(path), **given))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _branching(tmp_path_factory.mktemp("i8") / "network.onnx")


@pytest.fixture(scope="module")
def pixels() -> Any:
    """Smooth images, as imagery is."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (24, 3, 5, 5)).repeat(8, 2).repeat(8, 3)[:, :, :EDGE, :EDGE]
    return np.clip(coarse + rng.normal(0, 8, coarse.shape), 0, 255).astype(np.uint8)


def _returned(network: Any) -> Callable[[Any], Any]:
    from landcover.models.openvino_library import openvino

    compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda read: np.array(compiled(read)[0])


def test_groups_that_are_kept_are_as_they_were(path: Path, pixels: Any) -> None:
    from landcover.models.quantization.layers import groups_of, layers_of, with_f32

    with quantizing(_recipe(path), [pixels]) as made:
        quantizer: Any = made
    network, quantized = quantizer._network, quantizer._quantized
    groups = groups_of(quantized)
    every = [layer for group in groups for layer in group.layers]
    assert sorted(every) == sorted(layers_of(network)) and len(every) == 5
    assert any(len(group.layers) == 2 for group in groups), "both branches read the same numbers"
    read = quantizer._inputs[0]
    exact, lower = (_returned(one)(read) for one in (network, quantized))
    assert np.abs(lower - exact).max() > 0
    whole = with_f32(quantized, network, groups)
    np.testing.assert_allclose(_returned(whole)(read), exact, atol=1e-5)
    assert not groups_of(whole)
    np.testing.assert_array_equal(_returned(with_f32(quantized, network, []))(read), lower)
    for group in groups:
        left = groups_of(with_f32(quantized, network, [group]))
        assert left == [one for one in groups if one != group]
    np.testing.assert_array_equal(_returned(quantized)(read), lower)  # it is not changed


def test_the_group_that_costs_most_is_kept_first_and_no_more_than_are_needed(
    tmp_path: Path, pixels: Any
) -> None:
    # Scores of 100 that tell classes apart by 0.1 are what 8 bits do not hold.
    path = _branching(tmp_path / "network.onnx")
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name == "w_scores":
            shared = numpy_helper.to_array(tensor) * 0.01 + 1
            tensor.CopyFrom(numpy_helper.from_array(shared.astype(np.float32), "w_scores"))
        if tensor.name == "b_scores":
            tensor.CopyFrom(numpy_helper.from_array(np.zeros(CLASSES, np.float32), "b_scores"))
    onnx.save(model, str(path))
    with quantizing(_recipe(path), [pixels]) as quantizer:
        none, few, every = (quantizer.until(share) for share in (1.0, 0.05, 0.0))
    assert (none.kept, none.layers) == (0, 5)
    assert 1 <= few.kept < 5 == every.kept


def test_what_gets_no_label_is_not_computed_in_8_bits_either(
    path: Path, pixels: Any, tmp_path: Path
) -> None:
    recipe = _recipe(path, halo=8)
    assert recipe.cells == (EDGE, EDGE)
    with quantizing(recipe, [pixels]) as quantizer:
        found: Any = quantizer
        content = quantizer.until(1.0).content
    assert list(found._network.outputs[0].get_partial_shape())[2:] == [16, 16]
    file = tmp_path / "network.i8"
    file.write_bytes(content)
    told = {"precision": "i8", "quantized": str(file), "quantized_digest": digest_of(file)}
    scores = open_model(replace(recipe, **told), 2).network.run(pixels)
    exact = open_model(recipe, 2).network.run(pixels)
    assert scores.shape == exact.shape == (24, CLASSES, 16, 16)
    assert (scores.argmax(1) == exact.argmax(1)).mean() > 0.9
    assert np.abs(scores - exact).mean() < 0.02
    with pytest.raises(
        ModelError, match="quantized for another halo: it labels 16 x 16 pixels, not 28"
    ):
        open_model(replace(recipe, **told, halo=2), 2).network.run(pixels)
