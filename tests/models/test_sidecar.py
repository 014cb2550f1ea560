"""The sidecar: found by the model's name, checked strictly, and overridden by the run."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest
from support import networks

from landcover.config import ModelSettings
from landcover.errors import ConfigError
from landcover.models.recipe import make_recipe
from landcover.models.sidecar import sidecar_paths, with_sidecar


def beside(tmp_path: Path, text: str, name: str = "retrained.yaml") -> str:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / "retrained.model")


def test_what_the_sidecar_says_is_added(tmp_path: Path) -> None:
    path = beside(tmp_path, "classes: [forêt, eau]\nscale: 0.00390625\nmean: [1, 2.5, 3]\n")
    settings = with_sidecar(ModelSettings(path=path))
    assert settings.classes == ("forêt", "eau")
    assert (settings.scale, settings.mean) == (0.00390625, (1, 2.5, 3))
    assert settings.path == path


def test_settings_of_the_run_win(tmp_path: Path) -> None:
    path = beside(tmp_path, "{scale: 2, batch: 4, runtime: onnxruntime, activation: none}")
    settings = with_sidecar(ModelSettings(path=path, scale=3.0, batch="auto", activation=None))
    assert (settings.scale, settings.batch, settings.runtime) == (3.0, "auto", "onnxruntime")
    assert settings.activation == "none"


def test_a_model_without_sidecar_is_as_set(tmp_path: Path) -> None:
    settings = ModelSettings(path=str(tmp_path / "retrained.model"), mean=1)
    assert with_sidecar(settings) is settings


def test_an_empty_sidecar_says_nothing(tmp_path: Path) -> None:
    path = beside(tmp_path, "# nothing yet\n")
    assert with_sidecar(ModelSettings(path=path)) == ModelSettings(path=path)


def test_every_mistake_is_named_with_the_sidecars_path(tmp_path: Path) -> None:
    path = beside(tmp_path, "{clases: [a], mean: dark, input_size: 0, output: tiles, scale: 1}")
    with pytest.raises(ConfigError) as caught:
        with_sidecar(ModelSettings(path=path))
    assert caught.value.origin == str(tmp_path / "retrained.yaml")
    keys = [mistake.partition(":")[0] for mistake in caught.value.mistakes]
    assert sorted(keys) == ["clases", "input_size", "mean", "output"]
    assert "no such key; there are activation, bands" in str(caught.value)
    assert "found 'dark'" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("path: other.model", "a sidecar belongs to the model beside it"),
        ("- a list", "must hold keys"),
        ("scale: [1, ", "is not YAML"),
    ],
)
def test_what_is_no_sidecar_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        with_sidecar(ModelSettings(path=beside(tmp_path, text)))


def test_a_sidecar_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = beside(tmp_path, "")
    (tmp_path / "retrained.yaml").write_bytes("classes: [forêt]".encode("latin-1"))
    with pytest.raises(ConfigError, match="is not text in UTF-8"):
        with_sidecar(ModelSettings(path=path))


def test_the_full_name_comes_before_the_stem(tmp_path: Path) -> None:
    beside(tmp_path, "scale: 1")
    path = beside(tmp_path, "scale: 2", "retrained.model.yaml")
    assert with_sidecar(ModelSettings(path=path)).scale == 2


@pytest.mark.parametrize("place", ["net.yaml", "net/net.yaml"])
def test_the_sidecar_of_a_folder_lies_beside_or_inside(tmp_path: Path, place: str) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / place).write_text("scale: 2")
    for name in ("net", "net/", "net/saved_model.pb"):
        assert with_sidecar(ModelSettings(path=f"{tmp_path}/{name}")).scale == 2


def test_every_file_of_a_checkpoint_has_the_same_sidecar() -> None:
    paths = sidecar_paths("m/model.ckpt")
    assert paths[:2] == ["m/model.ckpt.yaml", "m/model.yaml"]
    assert sidecar_paths("m/model.ckpt.meta") == paths
    assert sidecar_paths("m/model.ckpt.index") == paths


def test_the_sidecar_of_a_url_is_read_there() -> None:
    with fsspec.open("memory://models/net.yaml", "w") as stream:
        stream.write("scale: 0.5")
    assert with_sidecar(ModelSettings(path="memory://models/net.onnx")).scale == 0.5


def test_a_query_of_a_url_stays_at_its_end() -> None:
    assert sidecar_paths("https://host/net.onnx?sig=abc")[0] == "https://host/net.onnx.yaml?sig=abc"


def test_a_runtime_that_the_sidecar_alone_chooses_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("openvino")
    path = networks.onnx_tile(tmp_path / "net.onnx")
    beside(tmp_path, "{scale: 1, runtime: onnxruntime}", "net.yaml")
    make_recipe(ModelSettings(path=str(path)))
    assert "its sidecar chooses runtime 'onnxruntime' in place of 'openvino'" in caplog.text
    caplog.clear()
    make_recipe(ModelSettings(path=str(path), runtime="onnxruntime"))
    beside(tmp_path, "{scale: 1, runtime: openvino}", "net.yaml")
    make_recipe(ModelSettings(path=str(path)))
    assert not caplog.text
