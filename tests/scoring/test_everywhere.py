"""The same run on every backend: the same table, with one model a worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from support.colours import blobs, write_scene

import landcover
from landcover.plugins import load_backend
from landcover.run import Run
from landcover.scoring.totals import Tiles

# Each tile a task: 6 rows and 10 columns of them.
TASKS = 60


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, tile_model: Path) -> Path:
    folder = tmp_path_factory.mktemp("everywhere")
    pixels = blobs(11, 182, 318)
    pixels[:, 40:150, 100:300] = 0
    pixels[:, 64:96, 128:160] = 0
    write_scene(folder / "scene.tif", pixels, nodata=0)
    path = folder / "config.yaml"
    settings = {
        "source": {"rasters": ["scene.tif"], "task": 1},
        "model": {"path": str(tile_model)},
        "backend": {"name": "local", "workers": 2},
        "output": {"path": "run", "probabilities": True},
    }
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture(scope="module")
def here(config: Path) -> Run:
    """The run in this process, which the others are held against."""
    return landcover.score(config)


@pytest.mark.parametrize(
    ("name", "cluster", "tasks"),
    [
        ("dask", None, TASKS),
        ("dask", "dask_scheduler", TASKS),
        ("spark", None, TASKS),
        ("spark", "spark_master", TASKS),
        ("spark", "spark_connect", 20),
    ],
)
def test_one_word_of_the_config_takes_a_run_to_another_backend(
    name: str,
    cluster: str | None,
    tasks: int,
    config: Path,
    here: Run,
    tmp_path: Path,
    require_backend: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> None:
    require_backend(name)
    settings = {"source.task": TASKS // tasks}
    if cluster:
        settings["backend.address"] = request.getfixturevalue(cluster)
    run = landcover.score(config, backend=name, output=tmp_path / "run", overrides=settings)
    _assert_same(run, here)
    assert run.summary["tasks"] >= tasks
    assert run.summary["model_loads"] == len(run.summary["workers"]) == 2
    assert min(run.summary["workers"].values()) > 5


@pytest.mark.parametrize("cluster", ["dask_scheduler", "spark_connect"])
def test_pixels_get_the_same_labels_on_a_cluster(
    cluster: str,
    config: Path,
    pixel_model: Path,
    tmp_path: Path,
    require_backend: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> None:
    name = cluster.split("_")[0]
    require_backend(name)
    settings = {"source.task": 25}
    here = landcover.score(config, model=pixel_model, output=tmp_path / "here", overrides=settings)
    there = {**settings, "backend.address": request.getfixturevalue(cluster)}
    run = landcover.score(
        config, model=pixel_model, backend=name, output=tmp_path / "there", overrides=there
    )
    _assert_same(run, here)


def test_a_worker_that_is_killed_costs_no_tile(
    config: Path, here: Run, tmp_path: Path, require_backend: Callable[[str], None]
) -> None:
    require_backend("dask")
    with load_backend("dask", workers=2) as backend:
        workers = {*backend.map(lambda _: os.getpid(), range(20))}

        def kill(tiles: Tiles) -> None:
            if tiles.done >= TASKS // 4 and len(workers) == 2:
                os.kill(workers.pop(), signal.SIGKILL)

        run = landcover.score(
            config,
            backend=backend,
            output=tmp_path / "run",
            overrides={"source.task": 4},
            progress=kill,
        )
    assert len(workers) == 1
    _assert_same(run, here)


def test_a_client_that_was_handed_over_stays_open(
    config: Path, here: Run, tmp_path: Path, dask_scheduler: str
) -> None:
    from distributed import Client

    from landcover.backends.dask import DaskBackend

    with Client(dask_scheduler, set_as_default=False) as client:
        with DaskBackend(client=client) as backend:
            one = landcover.score(config, backend=backend, output=tmp_path / "one")
        options = {"name": "dask", "client": client}
        other = landcover.score(config, backend=options, output=tmp_path / "other")
        assert client.submit(abs, -1).result() == 1
    _assert_same(one, here)
    _assert_same(other, here)
    assert one.summary["config"]["backend"] == {"name": "DaskBackend"}
    assert other.summary["config"]["backend"]["client"] == "distributed.client.Client"


def test_a_session_that_was_handed_over_stays_open(
    config: Path, here: Run, tmp_path: Path, spark_connect: str
) -> None:
    from pyspark.sql.connect.session import SparkSession

    from landcover.backends.spark import SparkBackend

    session = SparkSession(connection=spark_connect)
    try:
        with SparkBackend(session=session) as backend:
            run = landcover.score(
                config,
                backend=backend,
                output=tmp_path / "run",
                overrides={"source.task": 25},
            )
        assert session.range(3).count() == 3
    finally:
        session.stop()
    _assert_same(run, here)


def _assert_same(run: Run, other: Run) -> None:
    """The same tiles; labels equal, scores and probabilities to 1e-5."""
    found, expected = (one.tiles().sort_values("tile", ignore_index=True) for one in (run, other))
    numbers = ["score", "probabilities"]
    pd.testing.assert_frame_equal(
        pd.DataFrame(found.drop(columns=numbers)), pd.DataFrame(expected.drop(columns=numbers))
    )
    for name in numbers:
        assert np.allclose(_stacked(found[name]), _stacked(expected[name]), rtol=0, atol=1e-5)
    assert run.summary["tiles"] == other.summary["tiles"]
    assert run.map().identical(other.map())


def _stacked(column: Any) -> np.ndarray:
    return np.stack(column.to_list())
