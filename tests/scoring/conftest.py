"""Small networks, and a scene to score with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import onnx
import pytest
from support.azurite import Azurite, azurite, fill
from support.colours import SIDECAR, blobs, network, write_scene

from landcover.runs import storage


@pytest.fixture(scope="session")
def tile_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels tiles of 32 x 32 pixels by their mean colour."""
    path = tmp_path_factory.mktemp("tile-model") / "colours.onnx"
    onnx.save(network(pixel=False, halo=0, size=32), path)
    path.with_suffix(".yaml").write_text(SIDECAR)
    return path


@pytest.fixture(scope="session")
def pixel_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels pixels by the mean colour of the 5 x 5 around them: reads 36 x 36, returns 32 x 32."""
    path = tmp_path_factory.mktemp("pixel-model") / "colours.onnx"
    onnx.save(network(pixel=True, halo=2, size=36), path)
    path.with_suffix(".yaml").write_text(SIDECAR)
    return path


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A scene of 150 x 200 pixels: its size is no multiple of a tile's."""
    return write_scene(tmp_path / "scene.tif", blobs(1, 150, 200))


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory, tile_model: Path) -> Iterator[Azurite]:
    """Holds a scene, and a network with its sidecar."""
    folder = tmp_path_factory.mktemp("azurite")
    with azurite(folder) as started:
        fill(started, folder, tile_model)
        yield started


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets what of Azure the environment says, and nothing else of it."""

    def set_all(**variables: str) -> None:
        for name in [name for name in os.environ if name.startswith("AZURE_")]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(f"AZURE_STORAGE_{name}", value)
        _forget()

    yield set_all
    _forget()


def _forget() -> None:
    """Clients of the library are kept with the credentials that they were made of."""
    from adlfs import AzureBlobFileSystem

    AzureBlobFileSystem.clear_instance_cache()
    fsspec.config.conf.clear()
    storage._filesystem_of.cache_clear()
