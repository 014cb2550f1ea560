"""Networks that return no probabilities for some of the imagery, on every route to a label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import rioxarray
from onnx import TensorProto, helper, numpy_helper
from support.colours import SIDECAR, WEIGHTS, write_scene

import landcover

EDGE, BANDS, CLASSES = 32, 3, 4


def _square_roots(path: Path, pixel: bool) -> Path:
    """A network of the square roots of pixels, so that it returns NaN for negative ones."""
    kernel = numpy_helper.from_array(WEIGHTS[:, :, None, None], "kernel")
    nodes = [
        helper.make_node("Sqrt", ["image"], ["roots"]),
        helper.make_node("Conv", ["roots", "kernel"], ["features"]),
    ]
    shape: list[object] = ["n", CLASSES, EDGE, EDGE]
    if not pixel:
        nodes.append(helper.make_node("GlobalAveragePool", ["features"], ["mean"]))
        nodes.append(helper.make_node("Flatten", ["mean"], ["flat"]))
        shape = ["n", CLASSES]
    nodes.append(helper.make_node("Softmax", [nodes[-1].output[0]], ["scores"], axis=1))
    reads = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", BANDS, EDGE, EDGE])
    returns = helper.make_tensor_value_info("scores", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "roots", [reads], [returns], [kernel])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
    path.with_suffix(".yaml").write_text(SIDECAR.splitlines()[0] + "\nmean: 0\nscale: 1\n")
    return path


@pytest.fixture
def pixels() -> np.ndarray:
    """2 x 3 tiles of 32 x 32; all of the first is negative, and two pixels of the last."""
    found = np.random.default_rng(3).integers(0, 256, (BANDS, 64, 96)).astype(np.int16)
    found[:, :32, :32] = -7
    found[0, 40, 70] = found[2, 50, 95] = -1
    return found


def _scored(pixels: np.ndarray, tmp_path: Path, pixel: bool, runtime: str) -> landcover.Run:
    scene = write_scene(tmp_path / "scene.tif", pixels)
    model = {"path": str(_square_roots(tmp_path / "roots.onnx", pixel)), "runtime": runtime}
    told: dict[str, Any] = {"failures.at_most": 1, "source.task": 2}
    return landcover.score(rasters=str(scene), model=model, output=tmp_path / "run", overrides=told)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_tiles_without_probabilities_are_quarantined(
    runtime: str, pixels: np.ndarray, tmp_path: Path
) -> None:
    pytest.importorskip(runtime)
    run = _scored(pixels, tmp_path, pixel=False, runtime=runtime)
    assert run.summary["tiles"] == {"planned": 6, "scored": 4, "quarantined": 2, "skipped": 0}
    failures = run.failures()
    assert failures["tile"].tolist() == ["scene/0/0", "scene/1/2"]
    assert failures["reason"].str.contains("returned NaN, which is no probability").all()
    assert not failures["retryable"].any() and run.tiles()["score"].between(0, 1).all()
    assert (run.map().values == 255).sum() == 2
    assert "undefined_pixels" not in run.tiles()


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_pixels_without_probabilities_are_nodata_and_counted(
    runtime: str, pixels: np.ndarray, tmp_path: Path
) -> None:
    pytest.importorskip(runtime)
    run = _scored(pixels, tmp_path, pixel=True, runtime=runtime)
    assert run.summary["tiles"] == {"planned": 6, "scored": 5, "quarantined": 1, "skipped": 0}
    assert run.summary["undefined_pixels"] == 2
    tiles = run.tiles().set_index("tile")["undefined_pixels"]
    assert tiles["scene/1/2"] == 2 and tiles.sum() == 2
    assert np.array_equal(run.map().values == 255, (pixels < 0).any(axis=0))


@pytest.mark.parametrize("pixel", [False, True])
def test_arrays_have_no_label_where_there_are_no_probabilities(
    pixel: bool, pixels: np.ndarray, tmp_path: Path
) -> None:
    run = _scored(pixels, tmp_path, pixel=pixel, runtime="onnxruntime")
    scene = rioxarray.open_rasterio(tmp_path / "scene.tif")
    model = {"path": str(tmp_path / "roots.onnx"), "runtime": "onnxruntime"}
    found = landcover.score_array(scene, model)
    assert np.array_equal(found["label"].values, run.map().values)
    assert np.array_equal(np.isnan(found["score"].values), found["label"].values == 255)
