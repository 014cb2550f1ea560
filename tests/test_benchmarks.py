"""Every benchmark runs, on a few tiles and with a small network; nothing here asserts a time.

Those that take longest, and share their code with the others, are among the long forms.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parent.parent
TILES = 24

_KERAS = pytest.mark.skipif(find_spec("keras") is None, reason="needs the extra 'tensorflow'")


@pytest.fixture(scope="module")
def workloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where generated imagery and networks are kept."""
    return tmp_path_factory.mktemp("workloads")


@pytest.fixture
def measured(workloads: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs a benchmark and returns what it wrote."""

    def run(name: str, *arguments: str) -> dict[str, Any]:
        _run("-m", f"benchmarks.{name}", "--folder", str(workloads), *arguments, results=tmp_path)
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
        found: dict[str, Any] = json.loads((tmp_path / f"{name}.json").read_text())
        assert found["machine"]["cpus"] >= 1 and found["commit"] and found["versions"]["landcover"]
        assert all(isinstance(one["reached"], float) for one in found["claims"])
        return found

    return run


def _run(*command: str, results: Path | None = None) -> str:
    """Run Python at the top of the repository; results go elsewhere than those measured with care."""
    told = {"PYSPARK_PYTHON": sys.executable}
    if results is not None:
        told["LANDCOVER_BENCHMARKS"] = str(results)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **told},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_overhead_compares_with_a_bare_loop_and_plans(
    measured: Callable[..., dict[str, Any]],
) -> None:
    told = ("--tiles", str(TILES), "--repeats", "1", "--planned", "1000000", "--scenes", "2")
    bare, ours, single, plan = measured("overhead", *told)["rows"]
    assert min(row["tiles_per_second"] for row in (bare, ours, single)) > 0
    assert plan["tiles"] >= 1_000_000


@pytest.mark.skipif(find_spec("openvino") is None, reason="needs the extra 'openvino'")
def test_limits_measures_each_part_and_the_whole(measured: Callable[..., dict[str, Any]]) -> None:
    told = ("--tiles", str(TILES), "--repeats", "1", "--network", "idle")
    rows = measured("limits", *told)["rows"]
    assert [row["form"] for row in rows] == ["png", "deflate", *("png", "jpeg") * 2]
    parts = {"network", "decode", "disk", "end_to_end"}
    assert all(set(row["tiles_per_second"]) == parts for row in rows if "reason" not in row)
    assert "reason" not in rows[0]


def test_backends_compares_start_and_steady_state(
    measured: Callable[..., dict[str, Any]],
) -> None:
    told = ("--seconds", "1", "--repeats", "1", "--networks", "idle", "--images", str(TILES))
    rows = measured("backends", *told, "--backends", "local", "--runtime", "onnxruntime")["rows"]
    assert rows[0]["backend"] == "local" and rows[0]["agreement"] == 1.0


def test_scaling_measures_cores_and_simulates_a_cluster(
    measured: Callable[..., dict[str, Any]], require_backend: Callable[[str], None]
) -> None:
    require_backend("dask")
    told = ("--tiles", str(TILES), "--repeats", "1", "--network", "idle", "--simulated", "50000")
    found = measured("scaling", *told, "--backends", "dask", "--runtime", "onnxruntime")
    assert [row["workers"] for row in found["simulated"]][-2:] == [1000, 10_000]
    assert all(0 < row["efficiency"] <= 1.1 for row in found["simulated"])


@pytest.mark.faults
@pytest.mark.skipif(find_spec("openvino") is None, reason="needs the extra 'openvino'")
def test_worker_compares_memory_with_the_network_s_own(
    measured: Callable[..., dict[str, Any]],
) -> None:
    told = ("--tiles", str(TILES), "--repeats", "1", "--network", "idle")
    rows = measured("worker", *told)["rows"]
    assert rows[0]["name"] == "the runtime's own"
    assert all(50 < row["peak_mb"] < 5000 for row in rows) and len(rows) == 4


@pytest.mark.faults
def test_scale_measures_each_case_small_and_large(workloads: Path, tmp_path: Path) -> None:
    small = ("--images", "2000", "--tiles", "100000", "--scenes", "20", "--runs", "10")
    _run("-m", "benchmarks.scale", *small, "--folder", str(workloads), results=tmp_path)
    found = json.loads((tmp_path / "scale.json").read_text())
    assert [row["number"] for row in found["rows"]] == [200, 2000, 10000, 100000, 2, 20, 1, 10]
    assert len(found["claims"]) == 8
    assert found["rows"][5]["tiles"]["scored"] == 20 * 49


@pytest.mark.faults
def test_planning_holds_the_run_against_its_plan(workloads: Path, tmp_path: Path) -> None:
    told = ("--tiles", str(TILES), "--pixels", str(TILES), "--network", "idle", "--seconds", "1")
    _run("-m", "benchmarks.planning", *told, "--folder", str(workloads), results=tmp_path)
    rows = json.loads((tmp_path / "planning.json").read_text())["rows"]
    assert len(rows) == 3
    assert all(row["time_ratio"] > 0 and row["run"]["cost"] > 0 for row in rows)


def test_large_tells_the_map_s_share_of_the_work(workloads: Path, tmp_path: Path) -> None:
    told = ("--edge", "1500", "--tile", "256", "--folder", str(workloads))
    _run("-m", "benchmarks.large", *told, results=tmp_path)
    [row] = json.loads((tmp_path / "large.json").read_text())["rows"]
    assert row["tiles"]["scored"] == 36 and row["map_bytes"] > 1000
    assert 0 <= row["map_share"] < 1 and 50 < row["peak_mb"] < 5000


@pytest.mark.faults
@pytest.mark.skipif(find_spec("openvino") is None, reason="needs the extra 'openvino'")
def test_naip_compares_labels_and_speed(
    measured: Callable[..., dict[str, Any]], shared: Path
) -> None:
    model = str(shared / "models/public/naip_250epochs.model")
    scene = str(shared / "imagery/naip-rasterframes-VA/derived_NAIP-VA-rgbn_4band.tif")
    told = ("--tiles", "4", "--repeats", "1", "--seconds", "0.1", "--batch", "1")
    found = measured("naip", model, scene, *told)
    labels = {row["name"]: row["same_labels"] for row in found["rows"] if "same_labels" in row}
    assert labels["onnxruntime f32 and openvino f32"] >= 0.999


@pytest.mark.faults
@_KERAS
def test_peers_measures_start_and_steady_state(measured: Callable[..., dict[str, Any]]) -> None:
    told = ("--tiles", "8", "--repeats", "1", "--network", "small", "--only", "tf-data")
    rows = measured("peers", *told)["rows"]
    # So few tiles may take no longer than one; then there is no figure, with that reason.
    assert rows[0].get("agreement") == 1.0 or "took no longer" in rows[0]["reason"]


@pytest.fixture(scope="module")
def asked(workloads: Path) -> tuple[str, ...]:
    """What contenders are asked for: a folder of tiles, a network, and how many."""
    made = "import sys; from pathlib import Path; from benchmarks import workloads; "
    made += "here = Path(sys.argv[1]); print(workloads.image_folder(8, here)); "
    made += "print(workloads.keras_network('small', here))"
    return (*_run("-c", made, str(workloads)).split(), "8")


@pytest.fixture(scope="module")
def our_labels(asked: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What landcover says of the tiles."""
    output = tmp_path_factory.mktemp("ours") / "labels"
    told = (*asked, str(output), "local", "tensorflow", "f32")
    _run("-m", "benchmarks.contenders.ours", *told)
    return _labels(output)


@_KERAS
@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("tf_data", "tensorflow"),
        ("dask_by_hand", "distributed"),
        pytest.param("spark_udf", "pyspark", marks=pytest.mark.faults),
        pytest.param("guide_of_2017", "pyspark", marks=pytest.mark.faults),
        pytest.param("ray_data", "ray", marks=pytest.mark.faults),
    ],
)
def test_every_contender_labels_as_landcover_does(
    name: str,
    needs: str,
    asked: tuple[str, ...],
    our_labels: dict[str, int],
    tmp_path: Path,
    require_backend: Callable[[str], None],
) -> None:
    if find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed: pip install 'landcover[bench]'")
    if needs == "pyspark":
        require_backend("spark")
    _run("-m", f"benchmarks.contenders.{name}", *asked, str(tmp_path / "theirs"))
    assert _labels(tmp_path / "theirs") == our_labels
    assert len(set(our_labels.values())) > 1, "a network that says the same of all proves nothing"


def _labels(path: Path) -> dict[str, int]:
    found = pd.read_parquet(path)
    labels = zip(found["path"], found["label"], strict=True)
    return {Path(name).name: int(label) for name, label in labels}


@pytest.fixture(scope="module")
def cluster() -> ModuleType:
    """The module benchmarks.cluster, loaded by its path: benchmarks are not installed."""
    place = ROOT / "benchmarks" / "cluster.py"
    spec = importlib.util.spec_from_file_location("benchmarks_cluster", place)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _simulated(cluster: ModuleType, **changes: float) -> Any:
    """A thousand tasks of ten tiles, of a second each, on ten workers."""
    usual = {"workers": 10, "tile_seconds": 0.1, "task_tiles": 10, "spread": 0.0}
    free = {"driver_seconds": 0.0, "storage_seconds": 0.0}
    return cluster.simulate(cluster.Cluster(**{**usual, **free, **changes}), 10_000)


def test_a_simulated_cluster_without_limits_is_as_fast_as_its_workers(cluster: ModuleType) -> None:
    assert _simulated(cluster).seconds == pytest.approx(100)
    assert _simulated(cluster, start_seconds=5.0).seconds == pytest.approx(105)


def test_a_simulated_driver_can_be_the_limit(cluster: ModuleType) -> None:
    found = _simulated(cluster, driver_seconds=0.5)
    assert found.seconds == pytest.approx(1000 * 0.5, rel=0.05)
    assert found.driver_busy > 0.95


def test_a_simulated_storage_can_be_the_limit(cluster: ModuleType) -> None:
    found = _simulated(cluster, storage_seconds=0.05)
    assert found.seconds == pytest.approx(10_000 * 0.05, rel=0.05)
    assert found.storage_busy > 0.95


def test_simulated_workers_beyond_the_most_tasks_under_way_idle(cluster: ModuleType) -> None:
    assert _simulated(cluster, most=5).seconds == pytest.approx(200)


def test_the_report_puts_claims_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text((ROOT / "docs" / "performance.md").read_text())
    claim = {"question": "how much", "reached": 0.834, "unit": "", "goal": 0.7, "most": False}
    record = {
        "benchmark": "overhead",
        "measured": "2026-01-01T00:00:00",
        "commit": "0123456789",
        "changed_since_commit": False,
        "machine": {
            "processor": "X",
            "cpus": 2,
            "instructions": [],
            "memory_gib": 8,
            "python": "3",
        },
        "versions": {"landcover": "1"},
        "claims": [{**claim, "met": True}],
    }
    (tmp_path / "overhead.json").write_text(json.dumps(record))
    for _ in range(2):  # refreshing twice changes nothing
        _run("-m", "benchmarks.report", "--page", str(page), results=tmp_path)
    text = page.read_text()
    assert text.count("| how much | 0.834 | at least 0.7 | reached |") == 1
    assert text.startswith("# How fast it is") and text.endswith("<!-- end -->\n")
