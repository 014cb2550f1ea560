"""Networks of a few ONNX operations, and what they return, worked out with NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from landcover.config import ModelSettings
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
