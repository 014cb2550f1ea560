"""What a file says of itself stands in the proposal for its sidecar."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml
from support import networks

from landcover.models.formats.detection import detect
from landcover.models.inspection.inspection import inspect_model
from landcover.models.proposal import propose


def proposed(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    proposal = propose(detect(path), str(path), None, 64)
    assert proposal.refusal is None
    return yaml.safe_load(proposal.text), proposal.missing


def test_notes_of_deepness_are_read(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    shutil.copy(shared / "cases" / "models" / "o15_deepness_metadata.onnx", path)
    told, missing = proposed(path)
    names = ["_background", "Building", "Woodland", "Water", "Road", "Field"]
    assert (told["classes"], told["resolution"], told["input_size"]) == (names, 0.4, 64)
    assert told["mean"] == pytest.approx([123.675, 116.28, 103.53])
    assert told["scale"] == pytest.approx([1 / 58.395, 1 / 57.12, 1 / 57.375])
    assert missing == ()


def test_names_of_ultralytics_are_read(tmp_path: Path) -> None:
    path = networks.onnx_tile(tmp_path / "net.onnx")
    model = onnx.load(path)
    model.metadata_props.add(key="names", value="{2: 'reef', 0: 'sea', 1: 'sand', 3: 'rock'}")
    onnx.save(model, path)
    assert proposed(path)[0]["classes"] == ["sea", "sand", "reef", "rock"]


@pytest.mark.parametrize(
    "text", ["{", "[" * 50_000, "__import__('os')", json.dumps({"a": 1}), '{"0": 1}', "[[1]]"]
)
def test_notes_that_mean_nothing_are_left_out(text: str, tmp_path: Path) -> None:
    path = networks.onnx_tile(tmp_path / "net.onnx")
    model = onnx.load(path)
    for key in ("class_names", "resolution", "standardization_mean"):
        model.metadata_props.add(key=key, value=text)
    onnx.save(model, path)
    told, missing = proposed(path)
    assert "classes" not in told
    assert "classes" in missing


def test_scaling_inside_a_network_is_told_so_that_nobody_does_it_twice(shared: Path) -> None:
    pytest.importorskip("keras")
    found = inspect_model(str(shared / "cases" / "models" / "k01_rescaling_inside.keras"))
    assert found.proposal is not None
    assert "mean: 0  # the network itself multiplies by" in found.proposal.text
    assert not {"mean", "scale"} & {*found.proposal.missing}
