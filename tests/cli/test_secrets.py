"""Secrets that a user has to tell are in nothing that a run writes or says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import rasterio
import yaml
from support.web import serving

PLANTED = ("UserInfo1", "Signature2", "Environment3", "StorageKey4")


@pytest.mark.parametrize("backend", ["local", "dask", "spark"])
def test_planted_secrets_stand_in_no_file_and_no_message_of_a_run(
    folder: Path, backend: str, require_backend: Callable[[str], None]
) -> None:
    require_backend(backend)
    content = bytearray((folder / "scene.tif").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 200] = bytes(200)
    (folder / "spoilt.tif").write_bytes(content)
    with serving(folder) as server:
        model = server.url.replace("://", f"://me:{PLANTED[0]}@") + "/colours.onnx"
        config = {
            "source": {"rasters": ["scene.tif", "spoilt.tif"]},
            "model": {"path": f"{model}?sig={PLANTED[1]}"},
            "backend": {"name": backend} | ({"workers": 1} if backend != "local" else {}),
            "output": {"path": "run"},
            "failures": {"at_most": 1},
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "landcover.cli.main", "--debug", "score", "config.yaml"]
        secrets = {"AZURE_STORAGE_SAS_TOKEN": PLANTED[2], "AZURE_STORAGE_KEY": PLANTED[3]}
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **secrets},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (folder / "run" / "quarantine").is_dir()
    said = [done.stdout, done.stderr, *(_content(path) for path in (folder / "run").rglob("*"))]
    for secret in PLANTED:
        assert not any(secret in text for text in said), f"{secret} was written down"


def _content(path: Path) -> str:
    """All that a file says, without its compression."""
    if path.is_dir():
        return path.name
    text = path.read_bytes().decode("latin-1")
    if path.suffix == ".parquet":
        text += str(pq.read_table(path).to_pylist()) + str(pq.read_schema(path).metadata)
    if path.suffix == ".tif":
        with rasterio.open(path) as file:
            text += str(file.tags())
    return text
