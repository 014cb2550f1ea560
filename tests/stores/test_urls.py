from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
import rasterio
from rasterio.env import get_gdal_config
from support.rasters import imagery, write
from support.web import FolderServer, serving

from landcover.contracts import Strip
from landcover.errors import SourceError
from landcover.stores import asking
from landcover.stores.urls import file_system, refuse_secrets
from landcover.tiles.gdal import address, gdal_settings
from landcover.tiles.rasters import RasterSource


def strips(source: RasterSource) -> list[Strip]:
    return [read() for task in source.tasks() for read in task.reads()]


@pytest.mark.parametrize(
    "url, path, account",
    [
        ("abfs://c/a/b.tif", "/vsiaz/c/a/b.tif", None),
        ("az://c/b.tif", "/vsiaz/c/b.tif", None),
        ("abfss://c@acc.dfs.core.windows.net/b.tif", "/vsiaz/c/b.tif", "acc"),
        ("s3://bucket/b.tif", "/vsis3/bucket/b.tif", None),
        ("gs://bucket/b.tif", "/vsigs/bucket/b.tif", None),
        ("https://host/b.tif", "/vsicurl/https://host/b.tif", None),
        ("/data/b.tif", "/data/b.tif", None),
    ],
)
def test_urls_become_paths_of_gdal(url: str, path: str, account: str | None) -> None:
    stored = url if path.startswith(("/vsiaz/", "/vsis3/", "/vsigs/")) else None
    assert address(url) == (path, account, None, stored)


def test_the_block_cache_is_bounded_in_bytes() -> None:
    with gdal_settings(address("/data/a.tif")):
        assert get_gdal_config("GDAL_CACHEMAX") == 128 * 2**20


def test_what_the_environment_sets_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "FALSE")
    with gdal_settings(address("/data/a.tif")):
        assert get_gdal_config("GDAL_DISABLE_READDIR_ON_OPEN") == "FALSE"


def test_azure_accounts_come_from_the_url_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT", raising=False)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "ours")
    with gdal_settings(address("abfs://c/b.tif")):
        assert get_gdal_config("AZURE_STORAGE_ACCOUNT") == "ours"
    with gdal_settings(address("abfs://c@theirs.dfs.core.windows.net/b.tif")):
        assert get_gdal_config("AZURE_STORAGE_ACCOUNT") == "theirs"
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    for url, account in (("az://c/b", "ours"), ("az://c@theirs.blob.core.windows.net/b", "theirs")):
        assert file_system(url)[0].account_name == account


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FolderServer]:
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    monkeypatch.setenv("CPL_VSIL_CURL_NON_CACHED", "/vsicurl/http://127.0.0.1")
    monkeypatch.setattr(asking, "_WAITS", (0.01,) * 3)
    options = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    write(tmp_path / "a.tif", imagery(3, 256, 256), **options)
    with serving(tmp_path) as server:
        yield server


def test_a_scene_on_the_web_gives_the_tiles_of_the_file(web: FolderServer) -> None:
    here = strips(RasterSource([str(web.folder / "a.tif")], tile=64))
    there = strips(RasterSource([f"{web.url}/a.tif"], tile=64))
    assert [list(s.tiles) for s in here] == [list(s.tiles) for s in there]
    assert all((a.pixels == b.pixels).all() for a, b in zip(here, there, strict=True))


def test_a_server_that_is_down_makes_failures_worth_another_try(web: FolderServer) -> None:
    [task] = RasterSource([f"{web.url}/a.tif"], tile=64).tasks()
    web.fails("", status=503)
    [strip] = [read() for read in task.reads()]
    assert len(strip.failures) == 16 and all(f.retryable for f in strip.failures)
    web.works()
    [strip] = [read() for read in task.reads()]
    assert len(strip.tiles) == 16


def test_a_server_that_fails_for_a_moment_is_asked_again(
    web: FolderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GDAL_HTTP_MAX_RETRY")
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.01")
    [task] = RasterSource([f"{web.url}/a.tif"], tile=64).tasks()
    web.fails("a.tif", status=503, times=2)
    [strip] = [read() for read in task.reads()]
    assert len(strip.tiles) == 16 and not strip.failures


def test_gdal_asks_a_server_that_fails_for_a_moment_again_by_itself(
    web: FolderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GDAL_HTTP_MAX_RETRY")
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.01")
    file = address(f"{web.url}/a.tif")
    web.fails("a.tif", status=503, times=2)
    with gdal_settings(file), rasterio.open(file.path) as dataset:
        assert np.array_equal(dataset.read(), imagery(3, 256, 256))


def test_a_file_that_is_gone_from_a_server_is_not_worth_another_try(web: FolderServer) -> None:
    [task] = RasterSource([f"{web.url}/a.tif"], tile=64).tasks()
    (web.folder / "a.tif").unlink()
    [strip] = [read() for read in task.reads()]
    assert len(strip.failures) == 16 and not any(f.retryable for f in strip.failures)


def test_a_url_that_leads_nowhere_is_refused_with_the_plan(web: FolderServer) -> None:
    with pytest.raises(SourceError, match=r"/none.tif: no such file"):
        RasterSource([f"{web.url}/none.tif"], tile=64).count()


@pytest.mark.parametrize("resolution", [None, 2.0])
def test_gdal_reads_through_fsspec_where_it_has_no_file_system_of_its_own(
    tmp_path: Path, resolution: float | None
) -> None:
    write(tmp_path / "2016/a.tif", imagery(3, 200, 200))
    system = fsspec.filesystem("memory")
    system.put(str(tmp_path / "2016"), "/naip/2016", recursive=True)
    try:
        options = {"tile": 64, "resolution": resolution}
        here = strips(RasterSource([str(tmp_path / "2016/*.tif")], **options))
        there = strips(RasterSource(["memory://naip/2016/*.tif"], **options))
        assert [list(s.tiles) for s in here] == [list(s.tiles) for s in there]
        assert all((a.pixels == b.pixels).all() for a, b in zip(here, there, strict=True))
    finally:
        system.rm("/naip", recursive=True)


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://127.0.0.1:99999/x", "dir://x", "jupyter://127.0.0.1:9/x"]
)
def test_what_is_no_url_is_told_at_once(url: str) -> None:
    with pytest.raises(SourceError, match="cannot be reached"):
        file_system(url)


def test_a_url_that_is_none_holds_no_secret_that_could_be_seen() -> None:
    with pytest.raises(SourceError, match="is no URL"):
        refuse_secrets("gs://[/x.tif")


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hush hush@host/x.tif",
        "https://host/x.tif?sig=hush hush",
        "abfs://me:hush@host/x.tif?v=1&Token='hush'",
    ],
)
def test_the_refusal_of_a_secret_does_not_repeat_it(url: str) -> None:
    with pytest.raises(SourceError, match="password or a signature") as refused:
        refuse_secrets(url)
    assert str(refused.value).startswith(f"{url[:4]}") and "hush" not in str(refused.value)
