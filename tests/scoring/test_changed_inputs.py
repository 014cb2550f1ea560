"""What was scored of files that were replaced since is scored anew, and nothing else."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import rasterio
from rasterio.shutil import copy
from support.colours import blobs, mask, write_scene
from support.web import serving

import landcover
from landcover.errors import OutputError
from landcover.scoring.totals import Tiles
from landcover.tiles.states import state_of

EDGE = 32


def image(path: Path, seed: int) -> None:
    """An image of patches of colour; all of them have the same number of bytes."""
    shape = {"count": 3, "height": EDGE, "width": EDGE, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **shape) as file:
        file.write(blobs(seed, EDGE, EDGE))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Seven images of the same size."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(7):
        image(folder / f"{number}.tif", number)
    return folder


def parts(run: Path) -> dict[str, bytes]:
    """All that the tasks of a run have written."""
    folders = [run / kind for kind in ("tiles", "quarantine", "pixels")]
    return {str(one.relative_to(run)): one.read_bytes() for f in folders for one in f.iterdir()}


def written(run: Path) -> dict[int, int]:
    """When each part was written."""
    return {int(one.stem[5:11]): one.stat().st_mtime_ns for one in (run / "tiles").iterdir()}


def again(run: Path, told: dict[str, Any], **settings: Any) -> tuple[set[int], dict[str, Any]]:
    """Score again: which parts are new, and what the run says of inputs that changed.

    The result is held against that of a run in a new directory.
    """
    before = written(run)
    found = landcover.score(**told, output=run, **settings)
    fresh = run.with_name(f"fresh-{run.name}")
    landcover.score(**told, output=fresh, **settings)
    assert parts(run) == parts(fresh)
    now = written(run)
    return {one for one in now if now[one] != before.get(one)}, found.summary.get(
        "changed_inputs", {}
    )


def test_an_image_that_was_replaced_by_one_of_the_same_size_is_scored_anew(
    images: Path, tile_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = {"images": str(images), "model": tile_model, "overrides": {"source.task": 2}}
    first = landcover.score(**told, output=tmp_path / "run").tiles()
    size = (images / "3.tif").stat().st_size
    image(images / "3.tif", 103)
    assert (images / "3.tif").stat().st_size == size
    assert again(tmp_path / "run", told) == ({1}, {"tasks": 1, "first": "2.tif"})
    assert "first in the task that begins with 2.tif" in caplog.text
    assert "1 tasks were done again" in caplog.text
    now = landcover.open_run(tmp_path / "run").tiles()
    assert (first["score"] != now["score"]).tolist() == [name == "3.tif" for name in now["tile"]]


def test_a_run_that_was_interrupted_goes_on_with_the_images_as_they_are_now(
    images: Path, tile_model: Path, tmp_path: Path
) -> None:
    told = {"images": str(images), "model": tile_model, "overrides": {"source.task": 1}}

    def stop(tiles: Tiles) -> None:
        if tiles.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        landcover.score(**told, output=tmp_path / "run", progress=stop)
    done = set(written(tmp_path / "run"))
    image(images / "1.tif", 101)
    image(images / "6.tif", 106)
    new, changed = again(tmp_path / "run", told)
    assert new == {*range(7)} - done | {1, 6}
    assert changed["first"] == "1.tif" and changed["tasks"] <= 2


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Two scenes side by side, and one far from them, of two rows of tiles each."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    for place, left in enumerate((5e5, 5e5 + 64, 6e5)):
        write_scene(folder / f"{place}.tif", blobs(place, 64, 64), left=left)
    return folder


def test_a_scene_that_was_touched_is_scored_anew_and_no_other(
    scenes: Path, tile_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = {"rasters": str(scenes), "model": tile_model, "overrides": {"source.task": 2}}
    landcover.score(**told, output=tmp_path / "run")
    os.utime(scenes / "1.tif", (1e9, 1e9))
    assert again(tmp_path / "run", told) == ({2, 3}, {"tasks": 2, "first": "1"})
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert again(tmp_path / "run", told) == (set(), {"tasks": 2, "first": "1"})
    assert "inputs" not in caplog.text


def test_so_are_the_tiles_of_its_neighbours_that_look_into_it(
    scenes: Path, pixel_model: Path, tmp_path: Path
) -> None:
    told = {"rasters": str(scenes), "model": pixel_model, "overrides": {"source.task": 1}}
    landcover.score(**told, output=tmp_path / "run")
    write_scene(scenes / "1.tif", blobs(9, 64, 64), left=5e5 + 64)
    new, changed = again(tmp_path / "run", told)
    assert new == {0, 1, 2, 3} and changed == {"tasks": 4, "first": "0"}


def test_a_mask_and_the_files_of_a_vrt_count_and_what_viewers_write_does_not(
    scenes: Path, pixel_model: Path, tmp_path: Path
) -> None:
    copy(str(scenes / "2.tif"), str(tmp_path / "scene.vrt"), driver="VRT")
    told = {"rasters": str(tmp_path / "scene.vrt"), "model": pixel_model}
    landcover.score(**told, output=tmp_path / "run")
    (scenes / "2.tif.aux.xml").touch()
    assert again(tmp_path / "run", told) == (set(), {})
    write_scene(scenes / "2.tif", blobs(7, 64, 64), left=6e5)
    assert again(tmp_path / "run", told) == ({0}, {"tasks": 1, "first": "scene"})

    masked = {"rasters": str(scenes / "0.tif"), "model": pixel_model}
    mask(scenes / "0.tif.msk", 10)
    landcover.score(**masked, output=tmp_path / "masked")
    mask(scenes / "0.tif.msk", 20)
    new, changed = again(tmp_path / "masked", masked)
    assert new == {0} and changed["tasks"] == 1


def test_a_file_beside_a_scene_counts_where_its_pixels_come_to_mean_something_else(
    scenes: Path, tile_model: Path, tmp_path: Path
) -> None:
    told = {"rasters": str(scenes / "2.tif"), "model": tile_model}
    landcover.score(**told, output=tmp_path / "run")
    _notes(scenes / "2.tif", '<Metadata><MDI key="STATISTICS_MEAN">17</MDI></Metadata>')
    assert again(tmp_path / "run", told) == (set(), {})
    _notes(scenes / "2.tif", f"<NoDataValue>{blobs(2, 64, 64)[0, 0, 0]}</NoDataValue>")
    with pytest.raises(OutputError, match="another run, with another imagery"):
        landcover.score(**told, output=tmp_path / "run")


def _notes(scene: Path, of_a_band: str) -> None:
    """Write what GDAL keeps beside a raster, the same for each of its bands."""
    bands = "".join(f'<PAMRasterBand band="{n}">{of_a_band}</PAMRasterBand>' for n in (1, 2, 3))
    Path(f"{scene}.aux.xml").write_text(f"<PAMDataset>{bands}</PAMDataset>")


@pytest.fixture
def bucket() -> Iterator[Any]:
    """A store of fsspec that counts what is asked of it."""
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/bucket", recursive=True)


def test_images_in_a_store_are_told_apart_by_its_listing(
    bucket: Any,
    images: Path,
    tile_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for path in sorted(images.iterdir()):
        bucket.pipe_file(f"/bucket/{path.name}", path.read_bytes())
    told = {
        "images": "memory://bucket/*.tif",
        "model": tile_model,
        "overrides": {"source.task": 2},
    }
    monkeypatch.setattr(type(bucket), "info", lambda *_: pytest.fail("a request for each file"))
    landcover.score(**told, output=tmp_path / "run")
    image(images / "5.tif", 105)
    bucket.pipe_file("/bucket/5.tif", (images / "5.tif").read_bytes())
    assert again(tmp_path / "run", told) == ({2}, {"tasks": 1, "first": "4.tif"})


def test_images_at_addresses_are_asked_for_their_state(
    images: Path, tile_model: Path, tmp_path: Path
) -> None:
    with serving(images) as server:
        names = sorted(path.name for path in images.iterdir())
        told = {
            "images": [f"{server.url}/{name}" for name in names],
            "model": tile_model,
            "overrides": {"source.task": 2},
        }
        landcover.score(**told, output=tmp_path / "run")
        image(images / "0.tif", 100)
        os.utime(images / "0.tif", (1e9, 1e9))
        assert again(tmp_path / "run", told) == ({0}, {"tasks": 1, "first": "0.tif"})


def test_a_scene_at_an_address_that_was_replaced_is_read_anew_in_the_same_process(
    tile_model: Path, tmp_path: Path
) -> None:
    """GDAL remembers remote files as long as a process lives, and asks no more."""
    folder = tmp_path / "web"
    folder.mkdir()
    with serving(folder) as server:
        told = {"rasters": f"{server.url}/scene.tif", "model": tile_model}
        for seed in (1, 2):
            write_scene(folder / "scene.tif", blobs(seed, 64, 64), compress=None)
            os.utime(folder / "scene.tif", (1e9 + seed, 1e9 + seed))
            here = landcover.score(
                rasters=str(folder / "scene.tif"),
                model=tile_model,
                output=tmp_path / f"here-{seed}",
            )
            there = landcover.score(**told, output=tmp_path / "there")
            assert there.tiles()["score"].tolist() == here.tiles()["score"].tolist()
        mask(folder / "scene.tif.msk", 32)
        masked = landcover.score(**told, output=tmp_path / "masked")
        assert masked.summary["tiles"]["skipped"] == 2


def test_the_state_of_a_file_that_is_not_there_is_not_known(tmp_path: Path) -> None:
    assert state_of(str(tmp_path / "none.tif")) == state_of("memory://none/none.tif") == ""
    assert state_of("nothing-knows-this://a/b.tif") == ""
