"""Outputs that lie beside a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from landcover.errors import ModelError
from landcover.models.comparison.stored_outputs import stored_beside

IMAGES = np.zeros((2, 3, 4, 5), np.float32)


def _save(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "net.npz", **arrays)
    return folder / "net.model"


def test_several_outputs_are_found_by_index_and_by_name(tmp_path: Path) -> None:
    first, second = np.zeros((2, 6)), np.ones((2, 7))
    names = np.array(["a", "b"])
    model = _save(
        tmp_path, input=IMAGES, output=first, output_0=first, output_1=second, output_names=names
    )
    stored = stored_beside(model)
    assert stored is not None
    assert [len(output.T) for output in stored.outputs] == [6, 7]
    for head in (1, "b"):
        only = stored.only(head)
        assert only is not None
        assert only.outputs[0].shape == (2, 7)
    assert stored.only("c") is None
    assert stored.only(2) is None


def test_a_single_output_needs_no_number(tmp_path: Path) -> None:
    stored = stored_beside(_save(tmp_path, input=IMAGES[:, 0], output=np.ones((2, 3))))
    assert stored is not None
    assert stored.pixels().shape == (2, 1, 4, 5)
    assert stored.steps().layout == "NHW"


def test_files_without_an_input_are_none_of_these(tmp_path: Path) -> None:
    assert stored_beside(_save(tmp_path, weights=IMAGES)) is None
    assert stored_beside(tmp_path / "other.model") is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    model = _save(tmp_path, input=IMAGES, output=np.ones(2))
    content = model.with_suffix(".npz").read_bytes()
    model.with_suffix(".npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"net\.npz: is no readable file"):
        stored_beside(model)
