"""Small networks, and a scene to score with them."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from support.colours import SIDECAR, blobs, network, write_scene


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
