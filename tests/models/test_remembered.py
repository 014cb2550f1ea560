"""What was found out about a model is remembered: as it was found, and only for the same."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from support.networks import onnx_pixel, onnx_tile

from landcover import plugins
from landcover.config import ModelSettings
from landcover.errors import ScalingUntold
from landcover.models import recipe as module
from landcover.models import remembered
from landcover.models.recipe import Recipe, make_recipe


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a cache of this test's own remembers."""
    monkeypatch.setenv("LANDCOVER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "found"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were opened to find out about them."""
    found, find_out = list[str](), module._found_out

    def counted(told: ModelSettings, *more: Any) -> tuple[Recipe, bool]:
        found.append(told.path)
        return find_out(told, *more)

    monkeypatch.setattr(module, "_found_out", counted)
    return found


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return onnx_tile(tmp_path / "model.onnx")


def told(path: Path, **more: Any) -> ModelSettings:
    return ModelSettings(path=str(path), runtime="onnxruntime", **{"scale": 1, **more})


@pytest.mark.parametrize("kind", [onnx_tile, onnx_pixel])
def test_a_model_is_opened_once_to_find_out_about_it(
    tmp_path: Path, opened: list[str], kind: Any
) -> None:
    model = kind(tmp_path / "model.onnx")
    size = {"input_size": 16} if kind is onnx_pixel else {}
    settings = told(model, classes=("a", "b", "c", "d"), bands=(3, "red", 1), scale=0.1, **size)
    first, second = make_recipe(settings), make_recipe(settings)
    assert first == second and hash(first) == hash(second) and len(opened) == 1
    moved = model.rename(tmp_path / "elsewhere.onnx")
    assert make_recipe(settings.model_copy(update={"path": str(moved)})).path == str(moved)
    assert len(opened) == 1


def test_another_file_or_something_else_that_is_told_is_found_out_anew(
    tmp_path: Path, model: Path, opened: list[str]
) -> None:
    make_recipe(told(model))
    assert make_recipe(told(model, mean=7)).mean == (7.0,) * 3
    assert make_recipe(told(model, channel_order="bgr")).channel_order == "bgr"
    (tmp_path / "model.yaml").write_text("classes: [a, b, c, d]\n")
    assert make_recipe(told(model)).classes == ("a", "b", "c", "d")
    before = make_recipe(told(model)).digest
    model.write_bytes(onnx_tile(tmp_path / "other.onnx", softmax=True).read_bytes())
    found = make_recipe(told(model))
    assert found.activation == "none" and found.digest != before
    assert len(opened) == 5


def test_other_code_another_library_or_processor_finds_out_anew(
    model: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_recipe(told(model))
    for name, other in (
        ("own_code", lambda: "landcover 0 (of another day)"),
        ("versioned", lambda name: f"{name} 0"),
        ("machine_facts", lambda: {"instructions": ["of another"]}),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(remembered, name, other)
            make_recipe(told(model))
    make_recipe(told(model))
    assert len(opened) == 4


def test_what_is_damaged_or_may_be_another_s_is_found_out_anew(
    tmp_path: Path, model: Path, kept: Path, opened: list[str]
) -> None:
    expected = make_recipe(told(model))
    [file] = kept.iterdir()
    good = file.read_bytes()
    make_recipe(told(onnx_tile(tmp_path / "other.onnx", softmax=True)))
    [other] = {*kept.iterdir()} - {file}
    changed = good.replace(b'"softmax"', b'"none"')
    for content in (b"", good[:-9], good + b" ", changed, b"\xff", other.read_bytes()):
        file.write_bytes(content)
        assert make_recipe(told(model)) == expected
        assert file.read_bytes() == good
    for mode in (0o622, 0o660):
        file.chmod(mode)
        assert make_recipe(told(model)) == expected
        assert file.stat().st_mode & 0o777 == 0o600
    file.unlink()
    os.mkfifo(file, 0o600)
    assert make_recipe(told(model)) == expected
    assert len(opened) == 2 + 6 + 2 + 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_what_another_user_has_written_is_not_believed(
    model: Path, kept: Path, opened: list[str]
) -> None:
    make_recipe(told(model))
    [file] = kept.iterdir()
    os.chown(file, 12345, 12345)
    make_recipe(told(model))
    assert len(opened) == 2


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, model: Path, opened: list[str]
) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    assert make_recipe(told(model)) == make_recipe(told(model))
    assert len(opened) == 2


def test_a_file_that_is_replaced_while_it_is_looked_at_is_not_remembered(
    tmp_path: Path, model: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = onnx_tile(tmp_path / "other.onnx", softmax=True)
    find_out = module._found_out

    def replaced(*given: Any) -> tuple[Recipe, bool]:
        found = find_out(*given)
        other.replace(model)
        return found

    monkeypatch.setattr(module, "_found_out", replaced)
    make_recipe(told(model))
    assert not kept.exists()


def test_what_is_refused_is_refused_again_and_what_is_warned_of_is_warned_of_again(
    tmp_path: Path, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with pytest.raises(ScalingUntold):
            make_recipe(told(model, scale=None))
    shares = onnx_tile(tmp_path / "shares.onnx", softmax=True)
    for _ in range(2):
        caplog.clear()
        assert make_recipe(told(shares, activation="softmax")).activation == "softmax"
        assert "ends in probabilities already" in caplog.text


def test_what_code_or_files_of_others_decide_is_not_remembered(
    model: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = plugins.entry_points
    layer = EntryPoint("theirs>Twice", "their_layers:Twice", plugins.KERAS_LAYERS)
    monkeypatch.setattr(
        plugins,
        "entry_points",
        lambda group: [layer] if group == plugins.KERAS_LAYERS else known(group=group),
    )
    make_recipe(told(model))
    assert not kept.exists()
