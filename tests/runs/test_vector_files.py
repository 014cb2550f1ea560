"""Files of points and polygons are read back: what a library has lost without a word is seen."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import geopandas
import pyogrio
import pytest
import shapely

from landcover.errors import OutputError
from landcover.runs.vector_files import Rows, publish, read_back, write_frame
from landcover.runs.vector_files import written as telling

POINTS = [shapely.Point(500_000 + at, 4_000_000) for at in range(5)]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "made.gpkg"
    write_frame(geopandas.GeoDataFrame(geometry=POINTS, crs="EPSG:32618"), path, "it's made.gpkg")
    return path


def _meant() -> Rows:
    meant = Rows()
    meant.add(shapely.to_wkb(POINTS, byte_order=1))
    return meant


@pytest.mark.parametrize("change", ["fewer", "others"])
def test_rows_that_are_not_those_that_were_meant_are_noticed(written: Path, change: str) -> None:
    meant = Rows()
    shapes = POINTS[1:] if change == "fewer" else [*POINTS[1:], shapely.Point(0, 0)]
    meant.add(shapely.to_wkb(shapes, byte_order=1))
    with pytest.raises(OSError, match="what is read back is not what was written"):
        read_back(written, meant)


def test_a_file_that_has_lost_its_crs_is_not_whole(tmp_path: Path) -> None:
    geopandas.GeoDataFrame(geometry=POINTS).to_file(tmp_path / "made.fgb")
    with pytest.raises(OSError, match="has lost its CRS"):
        read_back(tmp_path / "made.fgb", _meant())


def test_a_file_has_its_name_once_the_disk_holds_it_and_then_the_name_is_made_to_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    temporary, path = tmp_path / "temporary", tmp_path / "made.fgb"
    temporary.touch()

    def flushed(handle: int) -> None:
        name = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        done.append(f"{name}, {'with' if path.exists() else 'without'} its name")

    monkeypatch.setattr(os, "fsync", flushed)
    publish(temporary, path)
    assert done == ["file, without its name", "folder, with its name"]


def test_what_sqlite_says_of_a_full_disk_is_told_without_what_was_asked_of_it() -> None:
    said = "sqlite3_exec(CREATE TABLE x) failed: database or disk is full"
    with pytest.raises(OutputError) as caught, telling("made.gpkg"):
        raise pyogrio.errors.DataSourceError(said)
    begins = "made.gpkg: cannot be written: database or disk is full: look whether there is room"
    assert str(caught.value).startswith(begins)


def test_memory_that_does_not_suffice_is_no_matter_of_the_disk() -> None:
    with pytest.raises(MemoryError), telling("made.gpkg"):
        raise MemoryError


@pytest.mark.parametrize(
    "lost",
    [
        'DROP TRIGGER "rtree_it\'s made_geom_insert"',
        'DROP TRIGGER "rtree_it\'s made_geom_delete"',
        'DROP TRIGGER "trigger_delete_feature_count_it\'s made"',
        "DELETE FROM gpkg_extensions",
        "DROP TABLE gpkg_extensions",
        "UPDATE gpkg_contents SET min_x = NULL",
        "UPDATE gpkg_ogr_contents SET feature_count = 0",
    ],
)
def test_a_geopackage_that_lacks_what_lies_beside_its_rows_is_not_given_its_name(
    written: Path, lost: str
) -> None:
    read_back(written, _meant())
    with closing(sqlite3.connect(written)) as file, file:
        file.execute(lost)
    with pytest.raises(OSError, match="has lost its index, its extent, its count or its triggers"):
        read_back(written, _meant())


def test_a_geopackage_of_no_rows_has_all_but_an_extent(tmp_path: Path) -> None:
    path = tmp_path / "made.gpkg"
    frame = geopandas.GeoDataFrame({"code": []}, geometry=[], crs="EPSG:32618")
    write_frame(frame, path, "made.gpkg")
    assert len(geopandas.read_file(path)) == 0
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("DELETE FROM gpkg_extensions")
    with pytest.raises(OSError, match="has lost its index"):
        read_back(path, Rows())


_WRITE = """
from geopandas import GeoDataFrame
from pathlib import Path
from shapely import Point
from landcover.errors import OutputError
from landcover.runs.vector_files import write_frame
try:
    write_frame(GeoDataFrame(geometry=[Point(5, 4)], crs="EPSG:32618"), Path("made.gpkg"), "made.gpkg")
    print("written")
except OutputError as error:
    print(error)
"""


def _after(first: str, folder: Path) -> str:
    """What a new process says that writes a GeoPackage after a statement."""
    pytest.importorskip("tensorflow", reason="needs the extra 'tensorflow'")
    command = [sys.executable, "-c", f"{first}{_WRITE}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return ended.stdout.strip()


def test_tensorflow_takes_no_index_from_geopackages_where_landcover_starts_it(
    tmp_path: Path,
) -> None:
    start = "from landcover.models.runtimes.tensorflow.start import tensorflow; tensorflow()"
    assert _after(start, tmp_path) == "written"


def test_where_tensorflow_came_first_a_geopackage_without_index_is_told_with_what_to_do(
    tmp_path: Path,
) -> None:
    said = _after("import tensorflow", tmp_path)
    assert said.startswith("made.gpkg: cannot be written: ")
    assert said.endswith("knows no index of places: import pyogrio before tensorflow")
