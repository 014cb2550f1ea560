"""Spark starts copies of slow tasks: whichever copy ends first, every tile counts once."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support import clusters
from support.colours import blobs

import landcover
from landcover.scoring.worker import Job, Report
from landcover.tiles.images import ImageTask

# Seconds after which a slow executor gives up waiting for a copy of its task.
PATIENCE = 120


@pytest.fixture
def told(tmp_path: Path, tile_model: Path) -> dict[str, Any]:
    """A run of 32 images in 16 tasks."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(32):
        Image.fromarray(blobs(number, 32, 32).transpose(1, 2, 0)).save(folder / f"{number:02}.png")
    return {"images": str(folder), "model": tile_model, "overrides": {"source.task": 2}}


@pytest.mark.faults
def test_a_late_copy_of_a_task_that_could_not_read_all_changes_nothing(
    told: dict[str, Any], tmp_path: Path, require_backend: Callable[[str], None]
) -> None:
    require_backend("spark")
    from pyspark.cloudpickle import register_pickle_by_value

    from landcover.backends.spark import SparkBackend

    register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests

    class Watched(SparkBackend):
        """On one of its executors tasks take as long as it takes a copy of them to end."""

        def map(self, function: Any, items: Iterable[Any]) -> Any:
            return super().map(partial(_slow_on_one_host, tmp_path, function), items)

    here = landcover.score(**told, output=tmp_path / "here")
    settings = {"speculation": "true", "speculation__quantile": "0.5"}
    with (
        clusters.spark_master(tmp_path) as master,
        clusters.spark_worker(master, tmp_path),
        clusters.spark_worker(master, tmp_path, host="127.0.0.2", SLOW="yes"),
        clusters.spark_session(master, **settings) as session,
        Watched(session=session) as backend,
    ):
        run = landcover.score(**told, output=tmp_path / "run", backend=backend)
    assert list(tmp_path.glob("late-*")), "no copy of a slow task was started"
    assert run.summary["tiles"] == here.summary["tiles"]
    assert run.summary["tiles"] == {"planned": 32, "scored": 32, "quarantined": 0, "skipped": 0}
    assert _files(tmp_path / "run") == _files(tmp_path / "here")


def _files(run: Path) -> dict[str, bytes]:
    folders = [run / kind for kind in ("tiles", "quarantine", "pixels")]
    return {
        f"{one.parent.name}/{one.name}": one.read_bytes() for f in folders for one in f.iterdir()
    }


def _slow_on_one_host(folder: Path, job: Job, task: ImageTask) -> Report:
    """On the slow host, wait until another one has done the task; then one image cannot be read."""
    if "SLOW" not in os.environ:
        return job(task)
    from landcover.tiles.images import source
    from landcover.tiles.images.fetching import Unreachable, fetch

    done = Path(job.run.path) / job.run.part("tiles", task.index)
    deadline = time.monotonic() + PATIENCE
    while not done.exists():
        assert time.monotonic() < deadline, "no copy of a slow task was started"
        time.sleep(0.01)
    (folder / f"late-{task.index}").touch()

    def torn(paths: Any) -> Any:
        return [Unreachable("cannot be read: it was just there", True), *fetch(paths[1:])]

    source.fetch = torn
    return job(task)
