"""Networks that read whole numbers get pixels that they can hold, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import xarray as xr
from onnx import TensorProto, helper

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.model import open_model
from landcover.models.preprocessing.input_side import fit_input
from landcover.models.preprocessing.specification import Signature
from landcover.models.recipe import make_recipe


def _network(path: Path) -> Path:
    """A network of bytes: softmax of the means of three bands of 8 x 8 pixels."""
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("Softmax", ["m"], ["y"], axis=1),
    ]
    reads = helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", 3, 8, 8])
    returns = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph(nodes, "bytes", [reads], [returns])
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "int8"])
def test_pixels_that_a_network_of_bytes_cannot_hold_are_refused(
    tmp_path: Path, runtime: str, dtype: str
) -> None:
    recipe = make_recipe(ModelSettings(path=str(_network(tmp_path / "net.onnx")), runtime=runtime))
    tiles = xr.DataArray(np.full((2, 3, 8, 8), 7, dtype), dims=("tile", "band", "y", "x"))
    with pytest.raises(ModelError, match=f"reads uint8 and the imagery is {dtype}"):
        open_model(recipe).score(tiles)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_bytes_are_given_as_they_are(tmp_path: Path, runtime: str) -> None:
    recipe = make_recipe(ModelSettings(path=str(_network(tmp_path / "net.onnx")), runtime=runtime))
    pixels = np.zeros((1, 3, 8, 8), np.uint8)
    pixels[:, 1] = 2
    found = open_model(recipe).score(xr.DataArray(pixels, dims=("tile", "band", "y", "x"))).values
    assert found == pytest.approx(np.exp([[0, 2, 0]]) / np.exp([0, 2, 0]).sum(), abs=1e-5)


def test_bfloat16_is_no_whole_number() -> None:
    pytest.importorskip("ml_dtypes")
    signature = Signature((None, 3, 8, 8), "bfloat16")
    read = fit_input(signature, ModelSettings(path="net.onnx", scale=1 / 255), "net.onnx")
    assert not read.whole and read.steps.scales
