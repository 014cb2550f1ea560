"""Azure Data Lake that fails: one request in five, keys that are changed meanwhile; requests counted."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from support.azurite import ACCOUNT, KEY, Azurite, azurite, fill
from support.clusters import dask_cluster, dask_workers
from support.colours import blobs, write_scene
from support.web import FolderServer, serving

import landcover
from landcover.run import Run
from landcover.scoring.totals import Tiles
from landcover.stores import asking

BACKENDS = [
    "local",
    pytest.param("dask", marks=pytest.mark.faults),
    pytest.param("spark", marks=pytest.mark.faults),
]
_OTHER_KEY = base64.b64encode(bytes(range(64))).decode()


@pytest.fixture
def between(
    emulator: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FolderServer]:
    """A server between all clients and the emulator: requests fail there, and are counted."""
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.02")
    monkeypatch.setattr(asking, "_WAITS", (0.01,) * 8)
    with serving(tmp_path, upstream=urlsplit(emulator.endpoint).port or 0) as server:
        yield server
    asking._down.clear()


def _connection(between: FolderServer, credential: str) -> str:
    return Azurite(f"{between.url}/{ACCOUNT}").connection_with(credential)


@pytest.fixture
def here(tmp_path: Path, tile_model: Path) -> Run:
    """The same run without any store."""
    scene = write_scene(tmp_path / "scene.tif", blobs(1, 150, 200))
    told = {"source.task": 4}
    return landcover.score(
        rasters=str(scene), model=tile_model, output=tmp_path / "here", overrides=told
    )


def _told(model: Path, run: str, backend: str) -> dict[str, Any]:
    return {
        "rasters": "abfs://data/naip/*.tif",
        "model": f"abfs://data/models/{model.name}",
        "output": f"abfs://data/runs/{run}",
        "backend": {"name": backend, "workers": 2},
        "overrides": {"source.task": 4},
    }


def _assert_same(there: Run, here: Run) -> None:
    columns = ["tile", "label", "score", "xmin", "ymax"]
    assert there.tiles()[columns].equals(here.tiles()[columns])
    assert there.directory.storage.read("map.tif") == here.directory.storage.read("map.tif")


@pytest.mark.parametrize("backend", BACKENDS)
def test_with_one_request_in_five_failing_a_run_in_azure_ends_as_without(
    between: FolderServer,
    credentials: Callable[..., None],
    here: Run,
    tile_model: Path,
    backend: str,
    require_backend: Callable[[str], None],
) -> None:
    if backend != "local":
        require_backend(backend)
    credentials(CONNECTION_STRING=_connection(between, f"AccountKey={KEY}"))
    between.fails("/", status=503, share=0.2)
    _assert_same(landcover.score(**_told(tile_model, f"ill-{backend}", backend)), here)
    assert sum(line.endswith(" 503") for line in between.requests()) > 10


def test_answers_that_are_lost_on_their_way_change_nothing(
    between: FolderServer, credentials: Callable[..., None], here: Run, tile_model: Path
) -> None:
    credentials(CONNECTION_STRING=_connection(between, f"AccountKey={KEY}"))
    between.fails("/runs/lost", kind="lost", share=0.2)
    _assert_same(landcover.score(**_told(tile_model, "lost", "local")), here)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_signature_that_is_replaced_in_the_middle_is_taken_up(
    between: FolderServer,
    emulator: Azurite,
    credentials: Callable[..., None],
    here: Run,
    tile_model: Path,
    tmp_path: Path,
    backend: str,
    require_backend: Callable[[str], None],
) -> None:
    if backend != "local":
        require_backend(backend)
    secret = tmp_path / "connection"

    def sign(days: int) -> None:
        token = emulator.signature(hours=24 * days)
        secret.write_text(_connection(between, f"SharedAccessSignature={token}"))

    sign(1)
    old = (datetime.now(UTC) + timedelta(days=1)).date()
    credentials(CONNECTION_STRING_FILE=str(secret))
    replaced: list[str] = []

    def replace(tiles: Tiles) -> None:
        if not replaced:
            sign(5)
            replaced.append("now")
            between.fails("/", status=403, query=f"se={old}")

    run = landcover.score(**_told(tile_model, f"new-{backend}", backend), progress=replace)
    _assert_same(run, here)
    assert any(line.endswith(" 403") for line in between.requests())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_key_that_is_changed_in_the_middle_is_taken_up(
    credentials: Callable[..., None],
    here: Run,
    tile_model: Path,
    tmp_path: Path,
    backend: str,
    require_backend: Callable[[str], None],
) -> None:
    if backend != "local":
        require_backend(backend)
    refusals = pytest.importorskip("azure.core.exceptions")
    secret, folder = tmp_path / "connection", tmp_path / "emulator"
    folder.mkdir()
    changed: list[Azurite] = []
    with ExitStack() as running:
        old = running.enter_context(azurite(folder))
        fill(old, tmp_path, tile_model)
        secret.write_text(old.connection)
        credentials(CONNECTION_STRING_FILE=str(secret))

        def change(tiles: Tiles) -> None:
            if not changed:
                port = urlsplit(old.endpoint).port or 0
                running.close()  # for a moment nobody answers
                secret.write_text(old.connection_with(f"AccountKey={_OTHER_KEY}"))
                changed.append(running.enter_context(azurite(folder, port, _OTHER_KEY)))

        run = landcover.score(**_told(tile_model, f"key-{backend}", backend), progress=change)
        _assert_same(run, here)
        with pytest.raises(refusals.HttpResponseError, match="AuthorizationFailure"):
            old.upload("naip/other.tif", tile_model)


def test_a_run_whose_signature_has_run_out_goes_on_with_another(
    between: FolderServer,
    emulator: Azurite,
    credentials: Callable[..., None],
    here: Run,
    tile_model: Path,
) -> None:
    def sign(days: int) -> None:
        token = emulator.signature(hours=24 * days)
        credentials(CONNECTION_STRING=_connection(between, f"SharedAccessSignature={token}"))

    sign(1)
    old = (datetime.now(UTC) + timedelta(days=1)).date()
    told = _told(tile_model, "ran-out", "local")
    with pytest.raises(landcover.LandcoverError, match="HTTP 403"):
        landcover.score(
            **told, progress=lambda _: between.fails("/", status=403, query=f"se={old}")
        )
    sign(5)
    _assert_same(landcover.score(**told), here)


def test_requests_are_as_many_as_what_is_asked_for(
    between: FolderServer,
    emulator: Azurite,
    credentials: Callable[..., None],
    tile_model: Path,
    tmp_path: Path,
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (3, 640, 640), np.uint8)
    scene = write_scene(tmp_path / "large.tif", noise)
    emulator.upload("large/2016/scene.tif", scene)
    for number in range(20):
        emulator.upload(f"large/other-{number}/a.tif", tile_model)
    credentials(CONNECTION_STRING=_connection(between, f"AccountKey={KEY}"))
    run = landcover.score(
        rasters="abfs://data/large/2016/*.tif", model=tile_model, output=tmp_path / "run"
    )
    assert run.summary["tiles"]["scored"] == 400
    asked = [line for line in between.requests() if "/large" in line or "?list" in line]
    listed = [line for line in asked if "?list" in line]
    assert len(listed) <= 3, listed  # the folder, and twice what lies beside the scene
    for_scene = [line for line in asked if "/large/2016/" in line]
    blocks = 100  # of 64 x 64 pixels; ranges beside one another are asked for at once
    assert len(for_scene) <= blocks + 2, for_scene


@pytest.mark.faults
def test_a_worker_without_credentials_is_named_with_what_it_lacks(
    emulator: Azurite,
    credentials: Callable[..., None],
    tile_model: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    require_backend: Callable[[str], None],
) -> None:
    require_backend("dask")
    credentials()
    told = {"AZURE_STORAGE_CONNECTION_STRING": emulator.connection}
    with (
        dask_cluster(tmp_path) as address,  # two workers that have none
        dask_workers(address, 1, tmp_path, **told),
        caplog.at_level(logging.WARNING),
    ):
        credentials(CONNECTION_STRING=emulator.connection)
        run = landcover.score(
            rasters="abfs://data/naip/scene.tif",
            model=tile_model,
            output=tmp_path / "run",
            backend={"name": "dask", "address": address},
            overrides={"source.task": 2},
        )
    assert run.summary["tiles"]["scored"] == 35
    assert "no credentials that Azure takes" in caplog.text
