"""Whole runs on a made GPU: the network computes on the CPU, all else is as on a real one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import landcover
from landcover import devices
from landcover.devices import Gpu, let_go
from landcover.errors import ModelError
from landcover.models.runtimes import onnxruntime, placement

GPU = Gpu("GPU-made", "made", 0, 0)
TAKE = """
import sys
from pathlib import Path
from landcover.devices import Gpu, hold
print(hold([Gpu("GPU-made", "made", 0, 0)], Path(sys.argv[1])) is not None, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The folder of the locks of a host with one GPU."""
    monkeypatch.setattr(placement, "visible_gpus", lambda: [GPU])
    monkeypatch.setattr(placement, "uses_gpus", lambda runtime: runtime == "onnxruntime")
    monkeypatch.setattr(onnxruntime, "providers", lambda gpu: ["CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime._Start, "check", lambda self, session, shown: None)
    monkeypatch.setattr(devices, "_shared_folder", lambda: tmp_path / "locks")
    monkeypatch.setattr(devices, "_PATIENCE", 0.0)
    monkeypatch.setenv("LANDCOVER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    yield tmp_path / "locks"
    let_go()


@pytest.mark.usefixtures("locks")
def test_a_model_is_loaded_once_on_a_gpu_whatever_the_number_of_tasks(
    scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    told = {"source.task": 5, "backend.workers": 3}
    run = landcover.score(
        rasters=str(scene), model=tile_model, output=tmp_path / "run", overrides=told
    )
    assert run.summary["tasks"] >= 7
    assert run.summary["model_loads"] == 1
    assert run.summary["devices"] == {f"{socket.gethostname()} made GPU-made": 1}
    assert run.summary["model"]["runtime"] == "onnxruntime"
    assert "openvino" not in run.summary["advice"]


def test_a_run_whose_gpu_another_process_holds_is_refused_before_it_begins(
    locks: Path, scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", TAKE, str(locks)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "True"
        with pytest.raises(ModelError, match=rf"no GPU is left .*pid {other.pid}"):
            landcover.score(rasters=str(scene), model=tile_model, output=tmp_path / "run")
        assert not (tmp_path / "run").exists()
        other.kill()
    run = landcover.score(rasters=str(scene), model=tile_model, output=tmp_path / "run")
    assert run.summary["tiles"]["scored"] == 35


@pytest.mark.usefixtures("locks")
def test_the_benchmark_of_a_gpu_holds_a_run_against_the_network_alone(
    scene: Path, tile_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 50, 1234\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    measured = import_module("benchmarks.gpu")._measured
    config = tmp_path / "county.yaml"
    config.write_text(
        json.dumps({"source": {"rasters": str(scene)}, "model": {"path": str(tile_model)}})
    )
    told = {"backend": {"name": "local"}, "output.path": "none", "source.task": 5}
    row = measured(str(config), {**told, "model.device": "gpu"}, seconds=0.2)
    assert (row["name"], row["gpu"]) == ("county", "made")
    assert 0 < row["tiles"] <= 35
    assert list(row["alone"]) == ["1", "2", "3"]
    assert row["share"] == pytest.approx(row["tiles_per_second"] / row["alone"]["3"], rel=0.01)
    assert row["cores"] > 0
    assert {"busy", "memory_mib", "stages"} <= set(row)
