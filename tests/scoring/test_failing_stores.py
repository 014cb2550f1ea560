"""Runs whose stores fail: for moments, for good, in the middle; on a web server of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from support.colours import blobs, mask, write_scene
from support.web import FolderServer, serving

import landcover
from landcover.backends.local import LocalBackend
from landcover.errors import SourceError, StoreDown, StoreError, TooManyFailures
from landcover.stores import asking

# Words that a path may hold without saying what failed there.
STRANGE = "404 denied zlib no such"


@pytest.fixture
def server(
    tmp_path: Path, tile_model: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FolderServer]:
    """Serves a scene, one in a folder of a strange name, and a network; waits are short."""
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.02")
    monkeypatch.setenv("CPL_VSIL_CURL_NON_CACHED", "/vsicurl/http://127.0.0.1")
    monkeypatch.setattr(asking, "_WAITS", (0.01,) * 8)
    folder = tmp_path / "web"
    (folder / STRANGE).mkdir(parents=True)
    write_scene(folder / "scene.tif", blobs(1, 150, 200))
    write_scene(folder / STRANGE / "other.tif", blobs(2, 100, 100))
    for path in (tile_model, tile_model.with_suffix(".yaml")):
        shutil.copy(path, folder / path.name)
    with serving(folder) as served:
        yield served
    asking._down.clear()


class Then(LocalBackend):
    """Something happens once the run is planned, and before the first task."""

    def __init__(self, what: Any) -> None:
        super().__init__()
        self._what = what

    def map(self, function: Any, items: Any) -> Any:
        self._what()
        return super().map(function, items)


def _tables(run: landcover.Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(run.path, "tiles").iterdir()}


def test_with_one_request_in_five_failing_a_run_ends_as_without(
    server: FolderServer, tile_model: Path, tmp_path: Path
) -> None:
    told = {
        "rasters": [f"{server.url}/scene.tif"],
        "model": f"{server.url}/{tile_model.name}",
        "overrides": {"source.task": 8},
    }
    well = landcover.score(**told, output=tmp_path / "well")
    for number, fault in enumerate(({"status": 503}, {"status": 429}, {"kind": "reset"})):
        server.fails("/", share=0.2, **fault)
        ill = landcover.score(**told, output=tmp_path / f"ill-{number}")
        assert ill.summary["tiles"] == well.summary["tiles"]
        assert ill.summary["tiles"]["scored"] == 35
        labels = ["tile", "label", "score"]
        assert ill.tiles()[labels].equals(well.tiles()[labels])
    failed = [line for line in server.requests() if line.endswith(("503", "429", "reset"))]
    assert len(failed) > 5


def _half_seen(server: FolderServer, beside: str) -> str:
    """A scene of 2 x 2 tiles; the upper two hold no data by a file beside it."""
    pixels = blobs(1, 64, 64)
    pixels[:, :32] = 7
    scene = write_scene(server.folder / "half.tif", pixels)
    if beside == ".msk":
        mask(server.folder / "half.tif.msk", 32)
    else:
        value = "<NoDataValue>7</NoDataValue>"
        bands = "".join(f'<PAMRasterBand band="{n}">{value}</PAMRasterBand>' for n in (1, 2, 3))
        Path(f"{scene}{beside}").write_text(f"<PAMDataset>{bands}</PAMDataset>")
    return f"{server.url}/half.tif"


_HALF = {"planned": 4, "scored": 2, "quarantined": 0, "skipped": 2}


@pytest.mark.parametrize("rule", [{"status": 503}, {"kind": "reset"}])
@pytest.mark.parametrize("beside", [".msk", ".aux.xml"])
def test_what_tells_pixels_without_data_is_not_taken_for_absent_where_the_store_fails(
    server: FolderServer, tile_model: Path, tmp_path: Path, beside: str, rule: dict[str, Any]
) -> None:
    told = {"rasters": _half_seen(server, beside), "model": tile_model, "output": tmp_path / "run"}
    told["overrides"] = {"failures.patience": 0}
    server.fails(beside, **rule)
    with pytest.raises(SourceError, match="cannot be read as a raster"):
        landcover.score(**told)
    server.works()
    with (
        Then(lambda: server.fails(beside, **rule)) as backend,
        pytest.raises(TooManyFailures),
    ):
        landcover.score(**told, backend=backend)
    failures = landcover.open_run(tmp_path / "run").failures()
    assert failures["retryable"].all()
    assert failures["reason"].str.contains("what told its pixels without data").all()
    server.works()
    assert landcover.score(**told).summary["tiles"] == _HALF


def test_nor_where_it_answers_at_first_and_then_fails_for_a_moment(
    server: FolderServer, tile_model: Path, tmp_path: Path
) -> None:
    told = {"rasters": _half_seen(server, ".aux.xml"), "model": tile_model}
    server.fails(".aux.xml", kind="reset", after=1, times=6)
    assert landcover.score(**told, output=tmp_path / "run").summary["tiles"] == _HALF
    assert sum(line.endswith("reset") for line in server.requests()) == 5


def test_what_failed_is_told_by_its_status_and_not_by_words_in_a_path(
    server: FolderServer, tile_model: Path, tmp_path: Path
) -> None:
    url = f"{server.url}/{STRANGE.replace(' ', '%20')}/other.tif"
    told = {"rasters": url, "model": tile_model, "output": tmp_path / "run"}
    with (
        Then(lambda: server.fails("other.tif", status=503)) as backend,
        pytest.raises(TooManyFailures),
    ):
        landcover.score(**told, backend=backend)
    failures = landcover.open_run(tmp_path / "run").failures()
    assert failures["retryable"].all()
    assert failures["reason"].str.contains("HTTP 503").all()
    server.works()
    assert landcover.score(**told).failures().empty


@pytest.mark.parametrize(
    ("rule", "said", "retryable"),
    [
        ({"status": 404}, "no such file", False),
        ({"status": 403}, "HTTP 403", True),  # with other credentials
        ({"status": 500}, "HTTP 500", True),
    ],
)
def test_statuses_say_whether_trying_again_may_help(
    server: FolderServer,
    tile_model: Path,
    tmp_path: Path,
    rule: dict[str, Any],
    said: str,
    retryable: bool,
) -> None:
    told = {"rasters": f"{server.url}/scene.tif", "model": tile_model, "output": tmp_path / "run"}
    with Then(lambda: server.fails("scene.tif", **rule)) as backend, pytest.raises(TooManyFailures):
        landcover.score(**told, backend=backend)
    failures = landcover.open_run(tmp_path / "run").failures()
    assert set(failures["retryable"]) == {retryable}
    assert failures["reason"].str.contains(said).all()


def test_bytes_that_are_damaged_are_final_behind_a_url_too(
    server: FolderServer, tile_model: Path, tmp_path: Path
) -> None:
    path = server.folder / "scene.tif"
    with rasterio.open(path) as file:
        start = int(file.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    content = bytearray(path.read_bytes())
    content[start : start + 200] = np.full(200, 7, np.uint8).tobytes()
    path.write_bytes(content)
    told = {"rasters": f"{server.url}/scene.tif", "model": tile_model, "output": tmp_path / "run"}
    run = landcover.score(**told, overrides={"failures.at_most": 1})
    failures = run.failures()
    assert 0 < len(failures) < 35
    assert not failures["retryable"].any()


def test_a_store_that_is_down_stops_the_run_which_then_goes_on(
    server: FolderServer, tile_model: Path, tmp_path: Path
) -> None:
    told = {
        "rasters": f"{server.url}/scene.tif",
        "model": tile_model,
        "output": tmp_path / "run",
        "overrides": {"failures.patience": 1.5, "source.task": 8},
    }
    with (
        Then(lambda: server.fails("/", status=503)) as backend,
        pytest.raises(StoreDown, match=r"is down, .* HTTP 503.* the same command goes on"),
    ):
        landcover.score(**told, backend=backend)
    assert landcover.open_run(tmp_path / "run").summary["status"] == "failed"
    asked = [line for line in server.requests() if line.endswith("503")]
    assert len(asked) < 150  # and not each of 35 tiles with all that a request is tried again
    server.works()
    assert landcover.score(**told).summary["tiles"]["scored"] == 35


def test_a_store_that_comes_back_in_time_costs_nothing_but_time(
    server: FolderServer, tile_model: Path, tmp_path: Path
) -> None:
    told = {"rasters": f"{server.url}/scene.tif", "model": tile_model, "output": tmp_path / "run"}
    with Then(lambda: server.fails("/", status=503, times=35)) as backend:
        run = landcover.score(**told, backend=backend)
    assert run.summary["tiles"]["scored"] == 35


@pytest.mark.parametrize("what", ["rasters", "images", "model"])
def test_a_store_that_fails_while_a_run_is_planned_is_told_and_is_no_defect(
    server: FolderServer, tile_model: Path, tmp_path: Path, what: str
) -> None:
    told = {"rasters": f"{server.url}/scene.tif", "model": tile_model, "output": tmp_path / "run"}
    told |= {"model": f"{server.url}/{tile_model.name}"} if what == "model" else {}
    if what == "images":
        told["images"] = [f"{server.url}/a.png"]
        del told["rasters"]
    server.fails("/", status=503)
    with pytest.raises(landcover.LandcoverError, match="HTTP 503"):
        landcover.score(**told)


def test_a_store_says_for_how_long_it_wants_to_be_left_alone(
    server: FolderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(asking.time, "sleep", waits.append)
    server.fails("scene.tif", status=429, times=2, retry_after=7)
    url = f"{server.url}/scene.tif"
    system, path = landcover.stores.urls.file_system(url)
    assert system.cat_file(path, start=0, end=2) == b"II"
    assert waits == [7.0, 7.0]
    server.fails("scene.tif", status=401)
    with pytest.raises(StoreError, match="HTTP 401") as refused:
        system.cat_file(path)
    assert (refused.value.status, refused.value.retryable) == (401, False)


def test_a_server_that_says_nothing_more_is_given_up_however_slow_others_may_be(
    server: FolderServer, tile_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landcover.stores.urls, "_SILENCE", 0.1)
    server.fails(tile_model.name, kind="stall")
    with pytest.raises(landcover.LandcoverError, match=r"colours.*does not answer"):
        landcover.score(
            rasters=f"{server.url}/scene.tif",
            model=f"{server.url}/{tile_model.name}",
            output=tmp_path / "run",
        )
