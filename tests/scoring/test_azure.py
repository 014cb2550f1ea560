"""Azure Data Lake, by its emulator: imagery, models and run directories, and credentials that fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rasterio.env import get_gdal_config
from support.azurite import ACCOUNT, KEY, Azurite
from support.colours import blobs, mask, write_scene

import landcover
from landcover.errors import LandcoverError, SourceError, StoreError
from landcover.redaction import redacted
from landcover.stores.urls import file_system
from landcover.tiles.gdal import address, gdal_settings


@pytest.mark.parametrize(
    "backend",
    [
        "local",
        pytest.param("dask", marks=pytest.mark.faults),
        pytest.param("spark", marks=pytest.mark.faults),
    ],
)
def test_imagery_network_and_run_may_all_lie_in_azure(
    emulator: Azurite,
    credentials: Callable[..., None],
    tmp_path: Path,
    tile_model: Path,
    backend: str,
    require_backend: Callable[[str], None],
) -> None:
    if backend != "local":
        require_backend(backend)
    secret = emulator.signature()
    credentials(CONNECTION_STRING=emulator.connection_with(f"SharedAccessSignature={secret}"))
    scene = write_scene(tmp_path / "scene.tif", blobs(1, 150, 200))
    settings = {"source.task": 8}
    here = landcover.score(
        rasters=str(scene), model=tile_model, output=tmp_path / "run", overrides=settings
    )
    there = landcover.score(
        rasters="abfs://data/naip/*.tif",
        model=f"abfs://data/models/{tile_model.name}",
        output=f"abfs://data/runs/{backend}",
        backend={"name": backend, "workers": 2},
        overrides=settings,
    )
    columns = ["tile", "label", "score", "xmin", "ymax"]
    assert there.tiles()[columns].equals(here.tiles()[columns])
    assert (there.map() == here.map()).all()
    run = there.directory.storage
    assert run.read("map.tif") == (tmp_path / "run" / "map.tif").read_bytes()
    for name in ("run.json", *(f"tiles/{part}" for part in run.names("tiles"))):
        assert secret[-20:].encode() not in run.read(name), name
    assert ".lock" not in run.names()


def test_a_scene_that_was_replaced_is_read_anew_and_so_is_what_came_to_lie_beside_it(
    emulator: Azurite, credentials: Callable[..., None], tmp_path: Path, tile_model: Path
) -> None:
    credentials(CONNECTION_STRING=emulator.connection)
    told = {"rasters": "az://data/replaced/*.tif", "model": tile_model, "output": tmp_path / "run"}
    path = tmp_path / "scene.tif"
    for seed in (1, 2):
        emulator.upload("replaced/a.tif", write_scene(path, blobs(seed, 64, 64), compress=None))
        here = landcover.score(rasters=str(path), model=tile_model, output=tmp_path / str(seed))
        there = landcover.score(**told)
        assert there.tiles()["score"].tolist() == here.tiles()["score"].tolist()
    told["output"] = tmp_path / "masked"
    for rows in (32, 64):  # a mask that is new, and one that was replaced
        emulator.upload("replaced/a.tif.msk", mask(tmp_path / "scene.tif.msk", rows))
        found = landcover.score(**told)
        assert found.summary["tiles"]["skipped"] == rows // 32 * 2
    assert found.summary["changed_inputs"] == {"tasks": 1, "first": "a"}


def _wrong_key(emulator: Azurite) -> dict[str, str]:
    wrong = KEY[:-2].swapcase() + "=="
    return {"CONNECTION_STRING": emulator.connection_with(f"AccountKey={wrong}")}


def _ran_out(emulator: Azurite) -> dict[str, str]:
    old = emulator.signature(hours=-1)
    return {"CONNECTION_STRING": emulator.connection_with(f"SharedAccessSignature={old}")}


def _none(emulator: Azurite) -> dict[str, str]:
    return {}


def _no_such_account(emulator: Azurite) -> dict[str, str]:
    return {"ACCOUNT_NAME": "no-such-account.invalid", "ACCOUNT_KEY": KEY}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (_wrong_key, "HTTP 403, .*set credentials that are right"),
        (_ran_out, "HTTP 403, .*have not run out"),
        (_none, "no credentials that Azure takes: set AZURE_STORAGE_ACCOUNT_NAME"),
        (_no_such_account, "no host of this name|the store does not answer"),
    ],
)
@pytest.mark.parametrize("what", ["rasters", "model", "output"])
def test_credentials_that_fail_are_told_in_a_sentence(
    emulator: Azurite,
    credentials: Callable[..., None],
    tmp_path: Path,
    tile_model: Path,
    told: Callable[[Azurite], dict[str, str]],
    said: str,
    what: str,
) -> None:
    credentials(**told(emulator))
    scene = write_scene(tmp_path / "scene.tif", blobs(1, 150, 200))
    given: dict[str, Any] = {"rasters": str(scene), "model": tile_model, "output": tmp_path / "run"}
    in_azure = {
        "rasters": "abfs://data/naip/*.tif",
        "model": f"abfs://data/models/{tile_model.name}",
        "output": "abfs://data/runs/refused",
    }
    with pytest.raises(LandcoverError, match=said) as refused:
        landcover.score(**{**given, what: in_azure[what]})
    assert KEY not in str(refused.value)


def test_a_store_asked_with_other_credentials_says_its_status(
    emulator: Azurite, credentials: Callable[..., None]
) -> None:
    credentials(**_wrong_key(emulator))
    system, path = file_system("abfs://data/naip/scene.tif")
    with pytest.raises(StoreError) as refused:
        system.cat_file(path)
    assert (refused.value.status, refused.value.retryable) == (403, False)
    credentials()
    with pytest.raises(SourceError, match="no credentials"):
        file_system("abfs://data/naip/scene.tif")


@pytest.mark.parametrize("mark", ["", "?"])
def test_a_signature_works_with_and_without_its_question_mark(
    credentials: Callable[..., None], mark: str
) -> None:
    credentials(ACCOUNT_NAME=ACCOUNT, SAS_TOKEN=f"{mark}sv=2021&sig=abc")
    with gdal_settings(address("abfs://data/a.tif")):
        assert get_gdal_config("AZURE_STORAGE_SAS_TOKEN") == "sv=2021&sig=abc"
    system, _ = file_system("abfs://data/a.tif")
    assert str(system.service_client.url).count("?") == 1


def test_credentials_may_stand_in_files_that_are_renewed(
    credentials: Callable[..., None], tmp_path: Path
) -> None:
    secret = tmp_path / "sas"
    credentials(ACCOUNT_NAME=ACCOUNT, SAS_TOKEN_FILE=str(secret))
    for told in ("?sv=2021&sig=first0", "sv=2022&sig=second\n"):
        secret.write_text(told)
        plain = told.strip().removeprefix("?")
        with gdal_settings(address("abfs://data/a.tif")):
            assert get_gdal_config("AZURE_STORAGE_SAS_TOKEN") == plain
        assert str(file_system("abfs://data/a.tif")[0].service_client.url).endswith(f"?{plain}")
    assert redacted(f"it said {plain}") == "it said ***"
