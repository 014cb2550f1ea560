"""A map that lies transposed or mirrored over its image is refused, whatever its size and stride."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.recipe import Recipe, make_recipe

Turn = tuple[bool, bool, bool]  # transposed, rows mirrored, columns mirrored
TURNS: list[Turn] = list(product((False, True), (False, True), (False, True)))


def _recipe(folder: Path, turn: Turn, size: tuple[int, int], *, stride: int, pad: int) -> Recipe:
    """What is found out about a network of two layers, whose map lies as a turn says."""
    rng = np.random.default_rng(5)
    weights: dict[str, Any] = {
        "v": rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32),
        "w": rng.normal(0, 0.3, (4, 4, 3, 3)).astype(np.float32),
        "back": np.array([-1]),
        "end": np.array([-(10**6)]),
        "rows": np.array([2]),
        "columns": np.array([3]),
    }
    around: dict[str, Any] = {"pads": [pad] * 4}
    nodes = [
        helper.make_node("Conv", ["image", "v"], ["first"], strides=[stride] * 2, **around),
        helper.make_node("Relu", ["first"], ["above"]),
        helper.make_node("Conv", ["above", "w"], ["map0"], **around),
    ]
    transposed, *mirrored = turn
    if transposed:
        nodes.append(helper.make_node("Transpose", ["map0"], ["map1"], perm=[0, 1, 3, 2]))
    for axis, is_mirrored in zip(("rows", "columns"), mirrored, strict=True):
        if is_mirrored:
            source = nodes[-1].output[0]
            ends = [source, "back", "end", axis, "back"]
            nodes.append(helper.make_node("Slice", ends, [f"map_{axis}"]))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", 1, ["n", 3, *size])],
        [helper.make_tensor_value_info(nodes[-1].output[0], 1, ["n", 4, "r", "c"])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    path = folder / "net.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    told = {} if stride == 1 and pad else {"output_stride": stride, "halo": 12 if stride > 1 else 2}
    return make_recipe(ModelSettings(path=str(path), runtime="onnxruntime", scale=1, **told))


@pytest.mark.parametrize(("stride", "pad"), [(1, 1), (4, 1), (1, 0)])
@pytest.mark.parametrize("turn", TURNS[1:], ids=str)
def test_a_map_that_lies_otherwise_than_its_image_is_refused(
    turn: Turn, stride: int, pad: int, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="transposed or mirrored: name the layer before that"):
        _recipe(tmp_path, turn, (64, 64), stride=stride, pad=pad)


@pytest.mark.parametrize("turn", [t for t in TURNS[1:] if not t[0]], ids=str)
def test_so_is_that_of_a_window_that_is_not_square(turn: Turn, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="transposed or mirrored"):
        _recipe(tmp_path, turn, (48, 80), stride=1, pad=1)


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (80, 48)])
@pytest.mark.parametrize(("stride", "pad"), [(1, 1), (4, 1), (1, 0)])
def test_a_map_that_lies_over_its_image_is_taken(
    size: tuple[int, int], stride: int, pad: int, tmp_path: Path
) -> None:
    assert _recipe(tmp_path, TURNS[0], size, stride=stride, pad=pad).output_stride == stride
