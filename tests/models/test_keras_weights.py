"""A Keras file makes no more weights than it holds, and no results that fill the memory."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import pytest

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.hdf5 import datasets
from landcover.models.recipe import make_recipe

pytest.importorskip("tensorflow")


def saved(library: str, path: Path) -> Path:
    keras = pytest.importorskip(library)
    layers = [
        keras.layers.ZeroPadding2D(1, name="padding"),
        keras.layers.Conv2D(4, 3, name="conv"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(5, name="dense"),
    ]
    keras.Sequential([keras.Input((8, 8, 3)), *layers]).save(path)
    return path


def changed(path: Path, layer: str, **values: Any) -> None:
    """Change what a file says of a layer, and leave its weights."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as stream:
            stream.attrs["model_config"] = _with(stream.attrs["model_config"], layer, values)
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = _with(members["config.json"], layer, values).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _with(text: Any, layer: str, values: dict[str, Any]) -> str:
    told = json.loads(text)
    for one in told["config"]["layers"]:
        if one["config"].get("name") == layer:
            one["config"] |= values
    return json.dumps(told)


def opened(path: Path) -> Any:
    told = ModelSettings(path=str(path), runtime="tensorflow", activation="none", scale=1)
    return make_recipe(told)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_layers_that_would_fill_the_memory_are_refused(
    library: str, suffix: str, tmp_path: Path
) -> None:
    path = saved(library, tmp_path / f"net{suffix}")
    assert len(opened(path).classes) == 5
    changed(path, "dense", units=10**10)
    with pytest.raises(
        ModelError, match=r"describes [\d,]+ weights or more, and holds \d+ numbers"
    ):
        opened(path)


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_results_that_would_fill_the_memory_are_refused(library: str, tmp_path: Path) -> None:
    path = saved(library, tmp_path / "net.keras")
    changed(path, "padding", padding=[[10**5, 10**5], [10**5, 10**5]])
    with pytest.raises(ModelError, match=r"the result of \w+ '.+' would hold [\d,]+ numbers"):
        opened(path)


@pytest.mark.parametrize("said", [7, [b"{}", b"{}"], 1.5, b"\xff\xfe"])
@pytest.mark.parametrize("name", ["model_config", "keras_version"])
def test_what_hdf5_says_of_a_network_is_text(said: Any, name: str, tmp_path: Path) -> None:
    path = saved("tf_keras", tmp_path / "net.h5")
    with h5py.File(path, "r+") as stream:
        stream.attrs[name] = said
    with pytest.raises(ModelError, match=rf"is damaged: {name} is"):
        opened(path)


def test_groups_that_hdf5_does_not_find_are_damage() -> None:
    lost = SimpleNamespace(id=[])  # h5py raises TypeError for the hash of such a group
    with pytest.raises(OSError, match="unhashable"):
        list(datasets(lost))
