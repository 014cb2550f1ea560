"""Converted models compute what CNTK 2.7 computed, in both runtimes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from landcover.models.cntk import Graph, read, to_onnx

DATA = Path(__file__).resolve().parents[2] / "data" / "cntk"
STORED = sorted(path.stem for path in DATA.glob("*.npz"))
SHARED = [
    "cntk/alexnet_legacy_transfer.model",
    "cntk/alexnet_transfer.model",
    "cntk/inception_like.model",
    "cntk/inception_like_via_onnx.model",
    "cntk/ops_conv_dilated_equiv.model",
    "cntk/resnet18_224.model",
    "cntk/resnet18_224_from_legacy.model",
    "cntk/resnet18_224_legacy.model",
    "cntk/resnet18_224_via_onnx.model",
    "cntk/unet_like.model",
    "cntk/vgg_like.model",
    "public/naip_250epochs.model",
    "public/resnet20_meanimage_159.dnn",
]
LEGACY = sorted(path.stem for path in (DATA / "legacy").glob("*.model"))
OLDER = sorted(path.stem for path in (DATA / "legacy" / "older").glob("*.model"))
# How far outputs may be off, as a part of the largest: float32, and where the file says otherwise.
TOLERANCE = {"double_model": 1e-6, "half_model": 1e-2, "half_dense_model": 1e-2}
TYPES = {1: np.float32, 11: np.float64, 10: np.float16}

Run = Callable[[onnx.ModelProto, list[np.ndarray]], list[np.ndarray]]


@pytest.fixture(params=["onnxruntime", "openvino"])
def run(request: pytest.FixtureRequest) -> Run:
    return in_onnxruntime if request.param == "onnxruntime" else in_openvino


@pytest.mark.parametrize("lrn", ["plain", "operator"])
@pytest.mark.parametrize("name", STORED)
def test_stored_models_compute_what_cntk_did(name: str, lrn: Any, run: Run) -> None:
    graph = read((DATA / f"{name}.model").read_bytes(), name)
    expected = np.load(DATA / f"{name}.npz")
    compare(graph, expected, run, lrn, TOLERANCE.get(name, 1e-5))


@pytest.mark.parametrize("name", SHARED)
def test_large_models_compute_what_cntk_did(name: str, shared: Path, run: Run) -> None:
    path = shared / "models" / name
    if not path.exists():
        pytest.skip(f"the shared folder has no {name}")
    lrn = "operator" if run is in_openvino else "plain"
    compare(read(path.read_bytes(), name), np.load(path.with_suffix(".npz")), run, lrn, 1e-5)


@pytest.mark.parametrize("name", LEGACY)
def test_legacy_files_compute_what_the_files_they_were_made_of_do(name: str) -> None:
    graph = read((DATA / "legacy" / f"{name}.model").read_bytes(), name)
    expected = np.load(DATA / f"{name}.npz")
    model = to_onnx(graph, graph.outputs)
    wanted = [expected[f"output_{n}"] for n in range(len(expected["output_names"]))]
    for output in in_onnxruntime(model, [expected["input"]]):
        # The legacy format forgets the names of aliases: some output must be the same.
        same = [w for w in wanted if w.shape == output.shape]
        assert min(difference(output, w) for w in same) < 1e-5
    assert len(graph.outputs) == len(wanted)


@pytest.mark.parametrize("name", OLDER)
def test_files_of_older_versions_compute_what_cntk_makes_of_them(name: str) -> None:
    graph = read((DATA / "legacy" / "older" / f"{name}.model").read_bytes(), name)
    images = np.load(DATA / f"{name.partition('.')[0]}.npz")["input"]
    (output,) = in_onnxruntime(to_onnx(graph, graph.outputs), [images])
    assert graph.version == int(name.rpartition(".v")[2])
    assert difference(output, np.load(DATA / "legacy" / "older" / f"{name}.npy")) < 1e-5


def compare(graph: Graph, expected: Any, run: Run, lrn: Any, tolerance: float) -> None:
    model = to_onnx(graph, graph.outputs, lrn)
    onnx.checker.check_model(model, full_check=True)
    feeds = [expected["input"], *([expected["labels"]] if "labels" in expected else [])]
    outputs = run(model, feeds)
    names = [f"output_{n}" for n in range(len(outputs))]
    references = [expected[name if name in expected else "output"] for name in names]
    for output, reference, made in zip(outputs, references, graph.outputs, strict=True):
        assert output.shape == reference.shape, made.name
        assert difference(output, reference) <= tolerance, made.name


def difference(found: np.ndarray, reference: np.ndarray) -> float:
    scale = max(float(np.abs(reference).max()), 1e-30)
    return float(np.abs(found.astype(np.float64) - reference).max()) / scale


def in_onnxruntime(model: onnx.ModelProto, feeds: list[np.ndarray]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return [np.asarray(output) for output in session.run(None, fed(model, feeds))]


def in_openvino(model: onnx.ModelProto, feeds: list[np.ndarray]) -> list[np.ndarray]:
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    results = compiled(fed(model, feeds))
    return [results[n] for n in range(len(model.graph.output))]


def fed(model: onnx.ModelProto, feeds: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {
        each.name: array.astype(TYPES[each.type.tensor_type.elem_type])
        for each, array in zip(model.graph.input, feeds, strict=True)
    }
