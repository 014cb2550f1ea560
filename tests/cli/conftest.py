"""The command ``landcover score`` on a small scene, in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import onnx
import pytest
import yaml
from support.colours import SIDECAR, blobs, network, write_scene

from landcover.cli.main import main


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that labels tiles of 32 x 32 pixels by their mean colour."""
    path = tmp_path_factory.mktemp("colours") / "colours.onnx"
    onnx.save(network(pixel=False, halo=0, size=32), path)
    return path


@pytest.fixture
def folder(tmp_path: Path, colours: Path) -> Path:
    """A scene of 50 tiles, the network with its sidecar, and nothing else."""
    write_scene(tmp_path / "scene.tif", blobs(1, 150, 310))
    (tmp_path / "colours.onnx").write_bytes(colours.read_bytes())
    (tmp_path / "colours.yaml").write_text(SIDECAR)
    return tmp_path


@pytest.fixture
def score(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    """Write config.yaml with these sections changed, run the command, and return what it says.

    A section that is None is left out.
    """
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")

    def run(*arguments: str, **sections: Any) -> Said:
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(config_with(sections)))
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["score", str(config), "--quiet", *arguments])
        return Said(int(ended.value.code or 0), *capfd.readouterr())

    return run


def config_with(sections: dict[str, Any]) -> dict[str, Any]:
    usual = {"source": {"rasters": ["scene.tif"]}, "model": "colours.onnx", "output": "run"}
    return {key: value for key, value in {**usual, **sections}.items() if value is not None}
