"""Workers that would compute otherwise than the driver stop the run, with their name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from support.clusters import dask_cluster

import landcover
from landcover import versions
from landcover.backends.local import LocalBackend
from landcover.errors import WorkerDiffers
from landcover.scoring.installation import installation

ROOT = Path(landcover.__file__).resolve().parent


def _copy(folder: Path, change: str = "") -> Path:
    """The package at another place, with something else in one of its modules."""
    shutil.copytree(ROOT, folder / "landcover", ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "landcover" / "scoring" / "labels.py").open("a") as module:
        module.write(change)
    return folder


def test_workers_with_other_code_of_the_same_version_stop_the_run(
    scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    other = _copy(tmp_path / "other", "\n# changed\n")
    told = {"rasters": str(scene), "model": tile_model, "output": tmp_path / "run"}
    (tmp_path / "logs").mkdir()
    with (
        dask_cluster(tmp_path / "logs", PYTHONPATH=str(other)) as address,
        pytest.raises(WorkerDiffers, match=r"worker \S+:\d+ has landcover .*, and the driver"),
    ):
        landcover.score(**told, backend={"name": "dask", "address": address})
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"
    assert not list((tmp_path / "run" / "tiles").iterdir())
    assert landcover.score(**told).summary["tiles"]["scored"] == 35


def test_the_code_of_backends_counts_too(tmp_path: Path) -> None:
    told = set()
    for name, change in (("same", ""), ("equal", ""), ("other", "\n# changed\n")):
        place = _copy(tmp_path / name)
        with (place / "landcover" / "backends" / "local.py").open("a") as module:
            module.write(change)
        asked = [sys.executable, "-c", "from landcover.versions import own_code as o; print(o())"]
        said = subprocess.run(
            asked,
            cwd=place,
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(place)},
        )
        told.add(said.stdout)
    assert len(told) == 2


def test_workers_with_the_same_code_at_another_place_are_welcome(
    scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    same = _copy(tmp_path / "same")
    (tmp_path / "logs").mkdir()
    with dask_cluster(tmp_path / "logs", PYTHONPATH=str(same)) as address:
        run = landcover.score(
            rasters=str(scene),
            model=tile_model,
            output=tmp_path / "run",
            backend={"name": "dask", "address": address},
        )
    (found,) = run.summary["installations"]
    assert found["has"][0].startswith("landcover ")
    assert any(name.startswith("rasterio ") for name in found["has"])


def test_another_version_of_the_runtime_is_refused_and_another_numpy_is_not() -> None:
    here = installation("onnxruntime")
    here.check("host:1", replace(here, beside=("numpy 1.0",)))
    with pytest.raises(WorkerDiffers, match=r"host:1 has .*onnxruntime 1\.0, and the driver"):
        here.check("host:1", replace(here, libraries=("onnxruntime 1.0",)))


def test_a_library_that_is_called_otherwise_where_it_is_built_for_gpus_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The driver of a cluster may have no GPU, and onnxruntime in place of onnxruntime-gpu."""

    def on_a_gpu(name: str) -> str:
        if name != "onnxruntime-gpu":
            raise PackageNotFoundError(name)
        return "1.31.1"

    monkeypatch.setattr(versions, "version", on_a_gpu)
    versions.version_of.cache_clear()
    try:
        assert versions.versioned("onnxruntime") == "onnxruntime 1.31.1"
        assert versions.versioned("openvino") == "openvino (of unknown version)"
    finally:
        versions.version_of.cache_clear()


def test_a_worker_too_old_to_say_what_it_is_stops_the_run_and_leaves_no_part(
    scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    class OldWorkers(LocalBackend):
        def map(self, function: Any, items: Any) -> Any:
            return (replace(report, installation=None) for report in super().map(function, items))

    told = {"rasters": str(scene), "model": tile_model, "output": tmp_path / "run"}
    settings = {"source.task": 100}
    with OldWorkers() as backend, pytest.raises(WorkerDiffers, match="an older landcover"):
        landcover.score(**told, backend=backend, overrides=settings)
    assert not list((tmp_path / "run" / "tiles").iterdir())
