"""Which scenes there are, in which order, and what they are called."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from support.rasters import imagery, write

from landcover.errors import SourceError
from landcover.tiles.gdal import cause
from landcover.tiles.rasters import RasterSource
from landcover.tiles.rasters.naming import named_scenes


def test_scenes_are_in_the_order_of_their_entries_those_with_a_file_a_band_too(
    tmp_path: Path,
) -> None:
    for name in ("one", "two", "red", "nir", "folder/b", "folder/a"):
        write(tmp_path / f"{name}.tif", imagery(1, 8, 8))
    one, two, red, nir = (str(tmp_path / f"{n}.tif") for n in ("one", "two", "red", "nir"))
    entries = [two, (red, nir), str(tmp_path / "folder"), one]
    found = named_scenes(entries).scenes
    assert [name for name, _ in found] == ["two", "red", "folder/a", "folder/b", "one"]
    assert dict(found)["red"] == (red, nir)


def test_a_scene_with_a_file_a_band_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    red, nir = (write(tmp_path / f"{n}.tif", imagery(1, 8, 8)) for n in ("red", "nir"))
    with pytest.raises(SourceError, match=r"red\.tif: is given twice"):
        named_scenes([(red, nir), (red, nir)])


def _masked(folder: Path) -> None:
    """A GeoTIFF whose mask lies beside it."""
    path = write(folder / "scene.tif", imagery(3, 40, 60))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask(np.arange(60) < np.full((40, 1), 20))


def _placed(driver: str, suffix: str, folder: Path) -> None:
    """An image that is placed by a world file and the text beside it."""
    made = write(folder / "made.tif", imagery(3, 40, 60), nodata=7)
    where = folder / f"scene.{suffix}"
    rasterio.shutil.copy(made, where, driver=driver, WORLDFILE="YES")
    Path(made).unlink()


def _coloured(folder: Path) -> None:
    path = write(folder / "scene.tif", imagery(1, 40, 60))
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {n: (n, 255 - n, n // 2, 255) for n in range(200)})


KINDS: dict[str, tuple[str, Any]] = {
    "masked": ("tif", _masked),
    "coloured": ("tif", _coloured),
    "png": ("png", partial(_placed, "PNG", "png")),
    "jpeg": ("jpg", partial(_placed, "JPEG", "jpg")),
    "jpeg 2000": ("jp2", partial(_placed, "JP2OpenJPEG", "jp2")),
    "imagine": ("img", partial(_placed, "HFA", "img")),
}


def _read(file: str) -> tuple[Any, ...]:
    """What a plan and a worker see of a scene."""
    source = RasterSource([file], tile=(40, 60), band_count=3, mask=True, palette="expand")
    [scene], [task] = source.scenes(), source.tasks()
    [strip] = [read() for read in task.reads()]
    assert not strip.failures
    states = len(scene.state.split())
    return scene.crs, scene.transform, strip.pixels[0].tolist(), repr(strip.valid), states


@pytest.mark.parametrize("listed", ["TRUE", "FALSE"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_is_not_utf_8_changes_nothing_but_the_name(
    kind: str, listed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies beside the file is found as well, whether GDAL is told to list folders or not."""
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", listed)
    suffix, make = KINDS[kind]
    plain, odd = (
        tmp_path / "plain",
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9j\xe0 & 100%")),
    )
    plain.mkdir()
    odd.mkdir()
    make(plain)
    name = os.fsdecode(b"sc\xe8ne+1")
    for path in plain.iterdir():
        shutil.copy(path, odd / path.name.replace("scene", name))
    assert _read(str(odd / f"{name}.{suffix}")) == _read(str(plain / f"scene.{suffix}"))
    [(named, _)] = named_scenes([str(odd / f"*.{suffix}")]).scenes
    assert named == "sc\\xe8ne+1"


@pytest.mark.parametrize("name", [b"caf\xe9.vrt", b"caf\xe9.nc", b"caf\xe9.h5"])
def test_what_gdal_opens_by_its_name_alone_is_refused_where_that_is_not_utf_8(
    name: bytes, tmp_path: Path
) -> None:
    path = tmp_path / os.fsdecode(name)
    path.touch()
    with pytest.raises(SourceError, match=r"caf\\xe9.*: its name is not UTF-8.*rename it"):
        RasterSource([str(path)], tile=40).count()


def test_of_errors_that_point_to_one_another_the_first_is_told() -> None:
    try:
        try:
            raise OSError("No such file")
        except OSError as error:
            raise ValueError("read failed: see the previous exception") from error
    except ValueError as error:
        last = RuntimeError("cannot open")
        last.__cause__ = error
    assert cause(last) == "No such file"
