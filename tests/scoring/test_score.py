"""Whole runs on the embedded backend, against answers worked out with NumPy."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin
from support.between import Between
from support.colours import blobs, expected_pixels, expected_probabilities, write_scene
from support.rasters import write
from support.web import FolderServer, serving

import landcover
from landcover.backends.local import LocalBackend
from landcover.contracts import Lost
from landcover.errors import ConfigError, OutputError, SourceError, TooManyFailures
from landcover.runs.storage import Storage
from landcover.stores import asking


def _read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read()


def _tiles_of(pixels: np.ndarray, size: int) -> np.ndarray:
    _, height, width = pixels.shape
    rows, cols = -(-height // size), -(-width // size)
    pad = ((0, 0), (0, rows * size - height), (0, cols * size - width))
    padded = np.pad(pixels, pad, mode="reflect")
    cut = padded.reshape(len(pixels), rows, size, cols, size).transpose(1, 3, 0, 2, 4)
    return cut.reshape(rows * cols, len(pixels), size, size)


def test_each_tile_of_a_scene_gets_the_label_that_the_network_gives_its_pixels(
    scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    run = landcover.score(rasters=str(scene), model=tile_model, output=tmp_path / "run")
    tiles = run.tiles().sort_values(["row", "col"])
    expected = expected_probabilities(_tiles_of(_read(scene), 32))
    assert len(tiles) == 5 * 7
    names = np.array(["water", "trees", "field", "town"])
    assert tiles["label"].tolist() == names[expected.argmax(axis=1)].tolist()
    assert np.allclose(tiles["score"], expected.max(axis=1), atol=1e-5)
    first = tiles.iloc[0]
    assert (first.xmin, first.ymin, first.xmax, first.ymax) == (5e5, 4499968.0, 500032.0, 45e5)
    assert tiles.crs == "EPSG:26918"
    assert tiles.geometry.iloc[0].bounds == (5e5, 4499968.0, 500032.0, 45e5)


def test_a_picture_that_cannot_be_drawn_is_a_note_and_no_reason_to_fail(
    scene: Path, tile_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("no room\nfor a legend")

    told = {"rasters": str(scene), "model": tile_model}
    drawn = landcover.score(**told, output=tmp_path / "drawn")
    assert drawn.summary["files"] == ["map.tif", "map.png"] and "note" not in drawn.summary
    monkeypatch.setattr("landcover.report.figures.map_figure", fails)
    run = landcover.score(**told, output=tmp_path / "run")
    said = "map.png: cannot be drawn: no room for a legend"
    assert run.summary["status"] == "done" and run.summary["note"] == said
    assert run.summary["files"] == ["map.tif"] and run.map().identical(drawn.map())
    assert not (tmp_path / "run" / "map.png").exists()


def test_a_picture_that_the_disk_refuses_is_told_by_what_the_disk_said(
    scene: Path, tile_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Storage.put

    def refuses(storage: Storage, name: str, content: bytes) -> None:
        if name == "map.png":
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise OutputError(storage.where(name), "make room there") from full
        put(storage, name, content)

    monkeypatch.setattr(Storage, "put", refuses)
    run = landcover.score(rasters=str(scene), model=tile_model, output=tmp_path / "run")
    assert run.summary["note"] == "map.png: cannot be drawn: No space left on device"
    assert run.summary["status"] == "done" and run.summary["files"] == ["map.tif"]


def test_each_pixel_of_a_scene_gets_the_label_that_the_whole_image_would_give_it(
    scene: Path, pixel_model: Path, tmp_path: Path
) -> None:
    run = landcover.score(rasters=str(scene), model=pixel_model, output=tmp_path / "run")
    with rasterio.open(tmp_path / "run" / "map.tif") as file, rasterio.open(scene) as source:
        found = file.read(1)
        assert (file.transform, file.crs, file.nodata) == (source.transform, source.crs, 255)
        assert file.colormap(1)[0][:3] != file.colormap(1)[1][:3]
    assert np.array_equal(found, expected_pixels(_read(scene)))
    assert np.array_equal(run.map().values.squeeze(), found)


def test_the_labels_of_all_tasks_are_on_the_map(tile_model: Path, tmp_path: Path) -> None:
    """By the place of tiles, which for most tasks is no place of the pixels that they are of."""
    scene = write_scene(tmp_path / "scene.tif", blobs(4, 32 * 40, 32 * 30))
    told: dict[str, Any] = {"model": tile_model, "output": tmp_path / "run"}
    run = landcover.score(rasters=str(scene), overrides={"source.task": 60}, **told)
    tiles = run.tiles()
    names = np.array(["water", "trees", "field", "town"])
    found = run.map().values.squeeze()
    assert found.shape == (40, 30) and len(tiles) == 1200
    assert (names[found[tiles["row"], tiles["col"]]] == tiles["label"]).all()


def test_nodata_never_gets_a_class_and_empty_tiles_are_skipped(
    pixel_model: Path, tile_model: Path, tmp_path: Path
) -> None:
    pixels = blobs(2, 96, 128)
    pixels[:, :40, :70] = 0
    scene = write_scene(tmp_path / "holed.tif", pixels, nodata=0)
    run = landcover.score(rasters=str(scene), model=pixel_model, output=tmp_path / "pixels")
    labels = _read(tmp_path / "pixels" / "map.tif")[0]
    assert np.array_equal(labels == 255, (pixels == 0).all(axis=0))
    assert run.summary["tiles"] == {"planned": 12, "scored": 10, "quarantined": 0, "skipped": 2}
    run = landcover.score(rasters=str(scene), model=tile_model, output=tmp_path / "tiles")
    assert run.summary["tiles"]["skipped"] == 2
    assert (_read(tmp_path / "tiles" / "map.tif")[0] == 255).sum() == 2


def test_a_run_says_what_it_did(scene: Path, tile_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    seen = []
    landcover.score(rasters=str(scene), model=tile_model, output=output, progress=seen.append)
    said = json.loads((output / "run.json").read_text())
    assert said["status"] == "done"
    assert said["tiles"] == {"planned": 35, "scored": 35, "quarantined": 0, "skipped": 0}
    assert said["model_loads"] == len(said["workers"]) == 1
    assert set(said["stages"]) >= {"read", "decode", "wait", "infer", "write"}
    assert (output / "map.png").stat().st_size > 5000
    assert seen[-1].done == seen[-1].planned == 35


def test_a_finished_run_is_given_back_as_it_is(
    scene: Path, tile_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = {"rasters": str(scene), "model": tile_model, "output": tmp_path / "run"}
    first = landcover.score(**told)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    again = landcover.score(**told)
    assert again.summary == first.summary
    assert "nothing is left to score" in caplog.text
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == before


def test_a_run_that_another_command_ends_meanwhile_is_left_as_it_is(
    scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    """Though there was none when this command looked; the other one had even cut other tasks."""
    told = {"rasters": str(scene), "model": tile_model, "output": tmp_path / "run"}
    times: dict[Path, int] = {}

    def another() -> None:
        landcover.score(**told, overrides={"source.task": 5})
        times.update((path, path.stat().st_mtime_ns) for path in (tmp_path / "run").rglob("*"))

    run = landcover.score(**told, backend=Between(another))
    assert (run.summary["status"], run.summary["plan"]["task_tiles"]) == ("done", 5)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == times


def test_a_finished_run_with_too_many_failures_fails_again(
    tile_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    _images(folder, "abc")
    (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:100])
    told = {"images": str(folder), "model": tile_model, "output": tmp_path / "run"}
    for _ in range(2):
        with pytest.raises(TooManyFailures, match="1 of 3 tiles failed"):
            landcover.score(**told)


def test_a_finished_run_goes_on_with_images_that_came_since(
    tile_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    _images(folder, "ab")
    told = {"images": str(folder), "model": tile_model, "output": tmp_path / "run"}
    assert landcover.score(**told).summary["tiles"]["scored"] == 2
    _images(folder, "abcd")
    run = landcover.score(**told)
    assert run.summary["tiles"] == {"planned": 4, "scored": 4, "quarantined": 0, "skipped": 0}
    assert sorted(run.tiles()["tile"]) == ["a.png", "b.png", "c.png", "d.png"]


def test_a_finished_run_forgets_images_that_are_gone_since(
    tile_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    _images(folder, "abcd")
    told = {"images": str(folder), "model": tile_model, "output": tmp_path / "run"}
    for there in ("abcd", "ab"):  # two tasks, then the first of them
        for name in {"c", "d"} - {*there}:
            (folder / f"{name}.png").unlink()
        run = landcover.score(**told, overrides={"source.task": 2})
        assert run.summary["tiles"]["scored"] == len(run.tiles()) == len(there)


def test_another_job_is_not_mixed_into_a_run(
    scene: Path, tile_model: Path, pixel_model: Path, tmp_path: Path
) -> None:
    landcover.score(rasters=str(scene), model=tile_model, output=tmp_path / "run")
    for model, told in ((pixel_model, {}), (tile_model, {"model.scale": 0.5})):
        with pytest.raises(OutputError, match="another run"):
            landcover.score(
                rasters=str(scene), model=model, output=tmp_path / "run", overrides=told
            )


@pytest.mark.parametrize("other", [{"name": "b.tif"}, {"left": 500300.0}, {"crs": "EPSG:26915"}])
def test_a_run_over_other_scenes_is_another_run_though_they_are_as_many_and_as_large(
    tile_model: Path, tmp_path: Path, other: dict[str, Any]
) -> None:
    def scored(name: str = "a.tif", left: float = 500000.0, crs: str = "EPSG:26914") -> Any:
        where = from_origin(left, 4000000.0, 1, 1)
        file = write(tmp_path / name, blobs(1, 40, 50), transform=where, crs=crs)
        return landcover.score(rasters=file, model=tile_model, output=tmp_path / "run")

    first = scored()
    with pytest.raises(OutputError, match="belongs to another run, with another imagery"):
        scored(**other)
    assert landcover.open_run(tmp_path / "run").summary == first.summary


def test_a_run_that_was_killed_goes_on_where_it_stopped(
    scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    settings = {"source.task": 7}
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    landcover.score(rasters=str(scene), model=tile_model, output=whole, overrides=settings)
    seen = 0

    def stop(tiles: object) -> None:
        nonlocal seen
        seen += 1
        if seen == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        landcover.score(
            rasters=str(scene), model=tile_model, output=torn, overrides=settings, progress=stop
        )
    assert json.loads((torn / "run.json").read_text())["status"] == "interrupted"
    kept = {path.name: path.stat().st_mtime_ns for path in (torn / "tiles").iterdir()}
    run = landcover.score(rasters=str(scene), model=tile_model, output=torn, overrides=settings)
    assert run.summary["tiles"]["scored"] == 35
    assert (
        kept.items() <= {p.name: p.stat().st_mtime_ns for p in (torn / "tiles").iterdir()}.items()
    )
    for name in ("map.tif", *(f"tiles/{path.name}" for path in (whole / "tiles").iterdir())):
        assert (torn / name).read_bytes() == (whole / name).read_bytes(), name


def _images(folder: Path, names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        pixels = blobs(ord(name), 32, 32).transpose(1, 2, 0)
        Image.fromarray(pixels).save(folder / f"{name}.png")


@pytest.mark.parametrize(("gone", "new"), [("", "xyz"), ("fgh", ""), ("b", "ax"), ("abcdef", "")])
def test_a_run_goes_on_with_the_images_that_are_in_the_folder_now(
    tile_model: Path, tmp_path: Path, gone: str, new: str
) -> None:
    folder, seen = tmp_path / "images", 0
    _images(folder, "bcdefgh")

    def stop(tiles: object) -> None:
        nonlocal seen
        seen += 1
        if seen == 3:
            raise KeyboardInterrupt

    told = {"images": str(folder), "model": tile_model, "output": tmp_path / "run"}
    settings = {"source.task": 2}
    with pytest.raises(KeyboardInterrupt):
        landcover.score(**told, overrides=settings, progress=stop)
    for name in set(gone) & set("bcdefgh"):
        (folder / f"{name}.png").unlink()
    _images(folder, new)
    run = landcover.score(**told, overrides=settings)
    there = sorted(path.name for path in folder.iterdir())
    assert sorted(run.tiles()["tile"]) == there
    count = len(there)
    expected = {"planned": count, "scored": count, "quarantined": 0, "skipped": 0}
    assert run.summary["tiles"] == expected


@pytest.fixture
def web(scene: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FolderServer]:
    """Serves the scene; nothing of it is kept by GDAL, and no request is made twice."""
    monkeypatch.setattr(asking, "_WAITS", (0.01,) * 3)
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    monkeypatch.setenv("CPL_VSIL_CURL_NON_CACHED", "/vsicurl/http://127.0.0.1")
    with serving(scene.parent) as server:
        yield server


def test_tiles_that_failed_for_want_of_the_store_are_tried_again(
    scene: Path, web: FolderServer, tile_model: Path, tmp_path: Path
) -> None:
    class StoreFails(LocalBackend):
        """The store is there while the run is planned, and then no more."""

        def map(self, function: Any, items: Any) -> Any:
            web.fails("", status=503)
            return super().map(function, items)

    told = {"rasters": f"{web.url}/{scene.name}", "model": tile_model, "output": tmp_path / "run"}
    told["overrides"] = {"failures.patience": 0}
    with StoreFails() as backend, pytest.raises(TooManyFailures, match="tries 35 of them again"):
        landcover.score(**told, backend=backend)
    assert landcover.open_run(tmp_path / "run").summary["retryable"] == 35
    web.works()
    run = landcover.score(**told)
    expected = {"planned": 35, "scored": 35, "quarantined": 0, "skipped": 0}
    assert (run.summary["tiles"], run.summary["retryable"]) == (expected, 0)
    assert len(run.tiles()) == 35 and run.failures().empty
    assert landcover.score(**told).summary == run.summary


def test_tiles_that_failed_and_whose_images_are_gone_since_leave_quarantine(
    tile_model: Path, tmp_path: Path
) -> None:
    class WorkersDie(LocalBackend):
        """No worker survives any task."""

        def map(self, function: Any, items: Any) -> Any:
            return (Lost(item, "its worker died") for item in items)

    folder = tmp_path / "images"
    _images(folder, "abcd")
    told = {"images": str(folder), "model": tile_model, "output": tmp_path / "run"}
    settings = {"source.task": 1}
    with WorkersDie() as backend, pytest.raises(TooManyFailures):
        landcover.score(**told, overrides=settings, backend=backend)
    for name in "cd":
        (folder / f"{name}.png").unlink()
    run = landcover.score(**told, overrides=settings)
    expected = {"planned": 2, "scored": 2, "quarantined": 0, "skipped": 0}
    assert run.summary["tiles"] == expected
    assert sorted(run.tiles()["tile"]) == ["a.png", "b.png"] and run.failures().empty


def test_several_scenes_make_one_map(tile_model: Path, tmp_path: Path) -> None:
    for place in range(2):
        write_scene(tmp_path / f"part{place}.tif", blobs(place, 64, 96), left=5e5 + 96 * place)
    run = landcover.score(
        rasters=[str(tmp_path / "part*.tif")], model=tile_model, output=tmp_path / "run"
    )
    assert run.summary["tiles"]["scored"] == 12
    assert _read(tmp_path / "run" / "map.vrt").shape == (1, 2, 6)
    assert sorted(run.tiles()["source"].unique()) == ["part0", "part1"]


def test_a_scene_whose_name_is_not_utf_8_is_scored_like_any_other(
    scene: Path, pixel_model: Path, tmp_path: Path
) -> None:
    """Tables and messages tell its name with escapes."""
    odd = tmp_path / os.fsdecode(b"imag\xe9s/sc\xe8ne.tif")
    odd.parent.mkdir()
    shutil.copy(scene, odd)
    given = {"rasters": str(tmp_path / "imag*/*.tif"), "model": pixel_model}
    run = landcover.score(**given, output=tmp_path / "run")
    assert set(run.tiles()["source"]) == {"imag\\xe9s/sc\\xe8ne"}
    assert np.array_equal(_read(tmp_path / "run" / "map.tif")[0], expected_pixels(_read(scene)))
    odd.write_bytes(scene.read_bytes()[:2000])
    with pytest.raises(SourceError, match=r"sc\\udce8ne.tif: is cut off"):
        landcover.score(**given, output=tmp_path / "other")
    with pytest.raises(ConfigError, match=r"is not UTF-8, .*: rename it, or name its folder"):
        landcover.score(rasters=str(odd), model=pixel_model, output=tmp_path / "other")


def test_an_array_is_scored_like_the_scene_it_came_from(
    scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    import rioxarray

    array = rioxarray.open_rasterio(scene)
    one = landcover.score(rasters=array, model=tile_model, output=tmp_path / "one").tiles()
    other = landcover.score(rasters=str(scene), model=tile_model, output=tmp_path / "other").tiles()
    assert one["label"].tolist() == other["label"].tolist()
    assert np.allclose(one["score"], other["score"])


def test_too_many_failures_are_an_error_at_the_end(
    scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    torn = tmp_path / "torn.tif"
    content = bytearray(scene.read_bytes())
    content[3000:9000] = bytes(6000)
    torn.write_bytes(content)
    with pytest.raises(TooManyFailures):
        landcover.score(rasters=str(torn), model=tile_model, output=tmp_path / "run")
    run = landcover.open_run(tmp_path / "run")
    tiles = run.summary["tiles"]
    assert tiles["quarantined"] > 0
    assert tiles["scored"] + tiles["quarantined"] + tiles["skipped"] == tiles["planned"]
    failures = run.failures()
    assert len(failures) == tiles["quarantined"]
    assert failures["reason"].str.contains("torn.tif").all()


def test_an_unknown_option_of_a_backend_is_refused(
    scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="wrokers"):
        landcover.score(
            rasters=str(scene),
            model=tile_model,
            output=tmp_path / "run",
            backend={"name": "local", "wrokers": 2},
        )
    assert not (tmp_path / "run" / "tiles").exists()


def test_a_run_says_what_its_models_were_loaded_on(
    scene: Path, tile_model: Path, tmp_path: Path
) -> None:
    told = {"model.device": "cpu"}
    run = landcover.score(
        rasters=str(scene), model=tile_model, output=tmp_path / "run", overrides=told
    )
    host = next(iter(run.summary["workers"])).rpartition(":")[0]
    assert run.summary["devices"] == {f"{host} cpu": run.summary["model_loads"]}
