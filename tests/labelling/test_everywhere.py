"""The same tiles on every backend."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.ground import squares, write_codes
from support.rasters import imagery, write

import landcover as lc


def _asked(folder: Path, output: Path, **more: Any) -> dict[str, Any]:
    return {
        "source": {"rasters": str(folder / "scene.tif"), "tile": 16, "task": 256},
        "reference": str(folder / "codes.tif"),
        "labels": {"classes": ["Forest", "Cultivated"]},
        "split": {"block": 150, "buffer": 16, "shares": {"train": 0.6, "test": 0.4}},
        "output": str(output),
        **more,
    }


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ground")
    write(folder / "scene.tif", imagery(3, 640, 640))
    corner = (500000 - 3, 4000000 + 5)
    write_codes(folder / "codes.tif", squares(10, 7), "EPSG:26914", corner, 10.0)
    return folder


def _files(folder: Path) -> dict[str, str]:
    """All files but what names the folder, by a digest of their content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "prepare.json"
    }


@pytest.fixture(scope="module")
def made(ground: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("made")
    lc.prepare(_asked(ground, folder))
    return _files(folder)


def test_dask_writes_the_same_bytes(
    ground: Path, made: dict[str, str], tmp_path: Path, dask_scheduler: str
) -> None:
    lc.prepare(
        _asked(ground, tmp_path / "out"), backend={"name": "dask", "address": dask_scheduler}
    )
    assert _files(tmp_path / "out") == made


def test_spark_writes_the_same_bytes(
    ground: Path, made: dict[str, str], tmp_path: Path, spark_master: str
) -> None:
    lc.prepare(_asked(ground, tmp_path / "out"), backend={"name": "spark", "address": spark_master})
    assert _files(tmp_path / "out") == made


def _command(config: Path) -> list[str]:
    return [sys.executable, "-m", "landcover.cli.main", "prepare", str(config), "--json"]


def test_the_command_tells_how_many_tiles_there_are(ground: Path, tmp_path: Path) -> None:
    config = tmp_path / "prepare.yaml"
    config.write_text(yaml.safe_dump(_asked(ground, tmp_path / "out")))
    command = [*_command(config)[:-1], "--set", "draw.most=5"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0].split() == ["class", "train", "test", "all"]
    assert said[1].split()[0] == "Forest" and said[1].split()[1] == "5"
    assert said[4].startswith("drawn from ") and said[5].startswith("left out: ")
    assert said[-2:] == [
        str(tmp_path / "out" / name) for name in ("manifest.parquet", "counts.png")
    ]
    told = json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True).stdout)
    assert told["status"] == "done" and told["path"] == str(tmp_path / "out")
