"""A plug-in runtime is known wherever those of landcover are."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from landcover.cli.doctor import doctor
from landcover.errors import PluginNotFound
from landcover.models.formats.detection import FORMATS
from landcover.models.runtimes.facts import facts_of, recorded_libraries, runtimes_for
from landcover.models.runtimes.placement import uses_gpus
from landcover.plugins import runtime_names

_CLASS = """
class Mirror:
    formats = ("onnx",)
"""
_CLASS_WITH_FACTS = """
from landcover.models.runtimes.facts import RuntimeFacts

class Mirror:
    facts = RuntimeFacts(("onnx", "keras"), "mirrors", ("mirror",), finds_gpus=lambda: True)
    formats = facts.formats
"""


def _install(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mirror_runtime.py").write_text(code)
    info = folder / "mirror-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mirror\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text("[landcover.runtimes]\nmirror = mirror_runtime:Mirror\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(__import__("sys").modules, "mirror_runtime", raising=False)


def test_every_format_has_a_runtime_of_its_own_and_every_runtime_its_facts() -> None:
    assert all(runtimes_for(format) for format in FORMATS)
    assert all(facts_of(name).formats for name in runtime_names())


def test_a_runtime_that_nobody_registered_is_named() -> None:
    with pytest.raises(PluginNotFound, match="'tensorrt'"):
        facts_of("tensorrt")


def test_a_plug_in_without_facts_is_known_by_its_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, _CLASS, monkeypatch)
    assert runtimes_for("onnx")[-1] == "mirror"
    assert "mirror" not in runtimes_for("keras")
    assert "mirror" in recorded_libraries()
    assert not uses_gpus("mirror")


def test_a_plug_in_with_facts_is_told_by_the_doctor_and_may_use_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, _CLASS_WITH_FACTS, monkeypatch)
    assert "mirror" in runtimes_for("keras")
    assert uses_gpus("mirror")
    said = CliRunner().invoke(doctor).output
    assert "runtime mirror" in said
    assert "mirror 2.5" in said
    assert "mirrors" in said


def test_what_is_missing_is_told_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("landcover.cli.doctor.find_spec", lambda name: None)
    said = CliRunner().invoke(doctor).output
    for extra in ("dask", "spark", "onnx", "openvino", "tensorflow", "azure", "report"):
        assert f"pip install 'landcover[{extra}]'" in said
