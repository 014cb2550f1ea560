"""Two runs at once on one cluster: each worker opens a network once, and no table changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import pytest
from support.clusters import spark_session
from support.colours import SIDECAR, blobs, network, write_scene

import landcover
from landcover.run import Run

WORKERS = 2


@pytest.fixture
def scenes(tmp_path: Path) -> list[Path]:
    """Two scenes of 80 tiles."""
    return [write_scene(tmp_path / f"{n}.tif", blobs(n, 256, 320), left=5e5) for n in range(2)]


@pytest.fixture(params=[1, 2])
def networks(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    """The networks of the two runs, which no worker has opened before: one, or one for each."""
    made = []
    for number in range(request.param):
        path = tmp_path / f"network{number}.onnx"
        onnx.save(network(pixel=False, halo=0, size=32), path)
        path.with_suffix(".yaml").write_text(SIDECAR.replace("100", f"{100 - 20 * number}"))
        made.append(path)
    return [made[0], made[-1]]


def together(
    folder: Path, scenes: list[Path], networks: list[Path], backend: dict[str, Any]
) -> list[Run]:
    """Both runs at once, each in a thread; their tables are those of runs alone in this process."""
    told = [
        {"rasters": str(scene), "model": model, "overrides": {"source.task": 1}}
        for scene, model in zip(scenes, networks, strict=True)
    ]
    with ThreadPoolExecutor(2) as threads:
        begun = [
            threads.submit(
                partial(landcover.score, **one, backend=backend, output=folder / f"together{n}")
            )
            for n, one in enumerate(told)
        ]
        runs = [one.result() for one in begun]
    for number, (one, run) in enumerate(zip(told, runs, strict=True)):
        alone = landcover.score(**one, output=folder / f"alone{number}")
        assert run.summary["tiles"] == alone.summary["tiles"]
        for part in sorted((folder / f"alone{number}" / "tiles").iterdir()):
            same = folder / f"together{number}" / "tiles" / part.name
            assert same.read_bytes() == part.read_bytes()
    return runs


def check_loads(runs: list[Run], networks: list[Path]) -> None:
    """Each worker has opened each network that it had tiles for, once.

    Two runs that share two workers fairly may have one of them each.
    """
    used = {
        (worker, network)
        for run, network in zip(runs, networks, strict=True)
        for worker in run.summary["workers"]
    }
    assert len({worker for worker, _ in used}) == WORKERS
    assert sum(run.summary["model_loads"] for run in runs) == len(used)


def test_on_one_dask_cluster(
    dask_scheduler: str, scenes: list[Path], networks: list[Path], tmp_path: Path
) -> None:
    backend = {"name": "dask", "address": dask_scheduler}
    check_loads(together(tmp_path, scenes, networks, backend), networks)


@pytest.fixture(scope="module", params=["FIFO", pytest.param("FAIR", marks=pytest.mark.faults)])
def session(
    request: pytest.FixtureRequest, require_backend: Callable[[str], None]
) -> Iterator[Any]:
    require_backend("spark")
    with spark_session(f"local[{WORKERS},4]", scheduler__mode=request.param) as started:
        yield started


def test_in_one_spark_session(
    session: Any, scenes: list[Path], networks: list[Path], tmp_path: Path
) -> None:
    backend = {"name": "spark", "session": session}
    check_loads(together(tmp_path, scenes, networks, backend), networks)
