"""S3 and Google Cloud Storage, by the code that serves Azure: imagery, models and run directories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.colours import blobs, write_scene
from support.object_stores import ObjectStore, gcs, s3

import landcover
from landcover.runs import storage
from landcover.stores.urls import file_system

STARTS = {"s3": s3, "gcs": gcs}


@pytest.fixture(scope="module", params=STARTS)
def started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ObjectStore]:
    with STARTS[request.param](tmp_path_factory.mktemp(request.param)) as store:
        yield store


@pytest.fixture
def store(started: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    for name, value in started.environment.items():
        monkeypatch.setenv(name, value)
    yield started
    storage._filesystem_of.cache_clear()


@pytest.mark.parametrize(
    "backend",
    [
        "local",
        pytest.param("dask", marks=pytest.mark.faults),
        pytest.param("spark", marks=pytest.mark.faults),
    ],
)
def test_imagery_network_and_run_may_all_lie_in_an_object_store(
    store: ObjectStore,
    tmp_path: Path,
    tile_model: Path,
    backend: str,
    require_backend: Callable[[str], None],
) -> None:
    if backend != "local":
        require_backend(backend)
    scene = write_scene(tmp_path / "scene.tif", blobs(1, 150, 200))
    root = f"{store.protocol}://data"
    system, _ = file_system(root)
    if not system.exists("data"):
        system.mkdir("data")
    for path in (scene, tile_model, tile_model.with_suffix(".yaml")):
        system.put_file(str(path), f"data/given/{path.name}")
    told = {"source.task": 8}
    here = landcover.score(
        rasters=str(scene), model=tile_model, output=tmp_path / "run", overrides=told
    )
    there = landcover.score(
        rasters=f"{root}/given/*.tif",
        model=f"{root}/given/{tile_model.name}",
        output=f"{root}/runs/{backend}",
        backend={"name": backend, "workers": 2},
        overrides=told,
    )
    columns = ["tile", "label", "score", "xmin", "ymax"]
    assert there.tiles()[columns].equals(here.tiles()[columns])
    run = there.directory.storage
    assert run.read("map.tif") == (tmp_path / "run" / "map.tif").read_bytes()
    assert ".lock" not in run.names()
    for name in ("run.json", *(f"tiles/{part}" for part in run.names("tiles"))):
        assert b"planted" not in run.read(name), name
