"""Rasters in archives are named in one way; every other way is refused with that one in the sentence."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.rasters import imagery, write

from landcover.config import load_config
from landcover.errors import SourceError
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource

NAMED = r"is an archive, or several files of one: name each as zip://INSIDE\.tif::ARCHIVE\.zip"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two scenes of an archive, in a folder and beside it, and their pixels' seeds."""
    path = tmp_path / "county.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as held:
        for seed, name in enumerate(("2016/a.tif", "b.tif")):
            held.write(write(tmp_path / f"{seed}.tif", imagery(1, 40, 40, seed=seed)), name)
    return path


def pixels(source: RasterSource) -> list[Any]:
    strips = [read() for task in source.tasks() for read in task.reads()]
    assert not any(strip.failures for strip in strips)
    return [tile[0] for strip in strips for tile in strip.pixels]


def test_files_of_an_archive_are_scenes_of_their_own(archive: Path) -> None:
    files = [f"zip://{name}::{archive}" for name in ("2016/a.tif", "b.tif")]
    source = RasterSource(files, tile=40)
    assert [scene.name for scene in source.scenes()] == ["2016/a", "b"]
    for seed, found in enumerate(pixels(source)):
        assert (found == imagery(1, 40, 40, seed=seed)[0]).all()
    before = [task.digest for task in source.tasks()]
    os.utime(archive, ns=(1, 1))
    assert [task.digest for task in RasterSource(files, tile=40).tasks()] != before


@pytest.mark.parametrize(
    "entry",
    [
        "{0}",
        "/vsizip/{0}/b.tif",
        "zip://{0}!b.tif",
        "zip+file://{0}!/b.tif",
        "zip://*.tif::{0}",
        "zip://2016::{0}",
        "zip://2016/**::{0}",
    ],
)
def test_other_names_of_archives_lead_to_this_one(archive: Path, entry: str) -> None:
    with pytest.raises(SourceError, match=NAMED):
        RasterSource([entry.format(archive)], tile=40).count()


def test_what_an_archive_does_not_hold_is_told(archive: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        RasterSource([f"zip://c.tif::{archive}"], tile=40).count()
    with pytest.raises(SourceError, match=r"there is no archive .*/none\.zip"):
        RasterSource([f"zip://b.tif::{archive.parent}/none.zip"], tile=40).count()
    with pytest.raises(SourceError, match="is an image in an archive: unpack it"):
        ImageSource([f"zip://b.tif::{archive}"], tile=40)


def test_archives_count_from_the_file_that_names_them(archive: Path) -> None:
    config = archive.parent / "job.yaml"
    source = {"rasters": ["zip://b.tif::county.zip"]}
    config.write_text(yaml.safe_dump({"source": source, "model": "m.onnx", "output": "run"}))
    assert load_config(config).source.rasters == (f"zip://b.tif::{archive}",)


def test_a_folder_that_is_called_like_an_archive_is_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "zip/a.zip/b.tif", imagery(1, 40, 40))
    assert RasterSource([str(tmp_path / "zip/a.zip")], tile=40).count() == 1
