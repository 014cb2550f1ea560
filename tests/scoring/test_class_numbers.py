"""Networks that return the numbers of classes: a number of no class labels nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import rioxarray
from onnx import TensorProto, helper, numpy_helper
from support.colours import write_scene

import landcover

EDGE, BANDS = 32, 3
NAMES = ["water", "trees", "field", "town"]


def _onnx(path: Path, pixel: bool) -> Path:
    """A network that returns the first band as the number of the class, of a tile its first pixel."""
    ends = {"starts": [0, 0, 0], "ends": [1, EDGE, EDGE] if pixel else [1, 1, 1], "axes": [1, 2, 3]}
    nodes = [
        helper.make_node("Slice", ["image", *ends], ["first"]),
        helper.make_node("Cast", ["first"], ["number"], to=TensorProto.INT64),
        helper.make_node("Identity" if pixel else "Flatten", ["number"], ["class"]),
    ]
    shape: list[Any] = ["n", 1, EDGE, EDGE] if pixel else ["n", 1]
    reads = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", BANDS, EDGE, EDGE])
    returns = helper.make_tensor_value_info("class", TensorProto.INT64, shape)
    held = [numpy_helper.from_array(np.int64(value), name) for name, value in ends.items()]
    graph = helper.make_graph(nodes, "numbers", [reads], [returns], held)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


def _saved_model(path: Path, pixel: bool) -> Path:
    tf = pytest.importorskip("tensorflow")
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None, EDGE, EDGE, BANDS), name="image")])
    def serve(image: Any) -> Any:
        number = tf.cast(image[..., :1], tf.int64)
        return {"class": number if pixel else number[:, 0, 0]}

    tf.saved_model.save(module, str(path), signatures={"serving_default": serve})
    return path


Make = Callable[[Path, bool], Path]
RUNTIMES = [(_onnx, "onnxruntime"), (_onnx, "openvino")]
RUNTIMES += [(_saved_model, "tensorflow"), (_saved_model, "openvino")]


@pytest.fixture
def pixels() -> np.ndarray:
    """2 x 3 tiles; the first is of no class at all, and so are the first pixel of one and a last."""
    found = np.random.default_rng(3).integers(0, len(NAMES), (BANDS, 64, 96)).astype(np.int16)
    found[0, :32, :32] = 7
    found[0, 0, 64], found[0, 40, 70], found[0, 63, 95] = -1, 4, 255
    return found


def _scored(
    make: Make, runtime: str, pixels: np.ndarray, folder: Path, pixel: bool
) -> landcover.Run:
    pytest.importorskip(runtime)
    scene = write_scene(folder / "scene.tif", pixels)
    name = "net.onnx" if make is _onnx else "net"
    model = {"path": str(make(folder / name, pixel)), "runtime": runtime, "classes": NAMES}
    model |= {"mean": 0, "scale": 1}
    told = {"failures.at_most": 1, "source.task": 2}
    return landcover.score(rasters=str(scene), model=model, output=folder / "run", overrides=told)


@pytest.mark.parametrize(("make", "runtime"), RUNTIMES)
def test_tiles_of_no_class_are_quarantined(
    make: Make, runtime: str, pixels: np.ndarray, tmp_path: Path
) -> None:
    run = _scored(make, runtime, pixels, tmp_path, pixel=False)
    assert run.summary["tiles"] == {"planned": 6, "scored": 4, "quarantined": 2, "skipped": 0}
    failures = run.failures()
    assert failures["tile"].tolist() == ["scene/0/0", "scene/0/2"]
    assert failures["reason"].str.contains("a number that is none of its 4 classes").all()
    labels = run.tiles().set_index("tile")["label"]
    assert labels["scene/1/1"] == NAMES[pixels[0, 32, 32]]
    assert (run.tiles()["score"] == 1).all()


@pytest.mark.parametrize(("make", "runtime"), RUNTIMES)
def test_pixels_of_no_class_are_nodata_and_counted(
    make: Make, runtime: str, pixels: np.ndarray, tmp_path: Path
) -> None:
    run = _scored(make, runtime, pixels, tmp_path, pixel=True)
    assert run.summary["tiles"] == {"planned": 6, "scored": 5, "quarantined": 1, "skipped": 0}
    assert run.summary["undefined_pixels"] == 3
    none = (pixels[0] < 0) | (pixels[0] >= len(NAMES))
    assert np.array_equal(run.map().values, np.where(none, 255, pixels[0]))


@pytest.mark.parametrize("pixel", [False, True])
def test_arrays_have_no_label_where_there_is_no_class(
    pixel: bool, pixels: np.ndarray, tmp_path: Path
) -> None:
    run = _scored(_onnx, "onnxruntime", pixels, tmp_path, pixel)
    scene = rioxarray.open_rasterio(tmp_path / "scene.tif")
    model = {"path": str(tmp_path / "net.onnx"), "runtime": "onnxruntime", "classes": NAMES}
    found = landcover.score_array(scene, {**model, "mean": 0, "scale": 1})
    assert np.array_equal(found["label"].values, run.map().values)
    assert np.array_equal(np.isnan(found["score"].values), found["label"].values == 255)
