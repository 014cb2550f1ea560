"""Outputs that lie beside a model."""

from __future__ import annotations

import zipfile
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


@pytest.mark.parametrize(
    ("shape", "kind", "said"),
    [
        ("(" * 5_000, "<f4", "is no readable file of stored outputs"),
        ("(1, 1, 1)", "<U1", "holds arrays of other than numbers"),
        ("(10_000_000_000_000,)", "<f4", "is no readable file of stored outputs"),
    ],
    ids=["no shape", "texts", "larger than any memory"],
)
def test_arrays_of_strangers_are_a_sentence(
    shape: str, kind: str, said: str, tmp_path: Path
) -> None:
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    content = b"\x93NUMPY\x01\0" + len(head).to_bytes(2, "little") + head.encode() + bytes(4)
    with zipfile.ZipFile(tmp_path / "net.npz", "w") as archive:
        for name in ("input.npy", "output.npy"):
            archive.writestr(name, content)
    with pytest.raises(ModelError, match=said):
        stored_beside(tmp_path / "net.onnx")


def test_stored_outputs_that_unpack_to_more_than_any_are_not_read(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "net.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("input.npy", "w") as member,
    ):
        for _ in range(9):
            member.write(bytes(2**26))
    with pytest.raises(ModelError, match=r"unpacks to [\d,]+ bytes; the most is 536,870,912"):
        stored_beside(tmp_path / "net.onnx")
