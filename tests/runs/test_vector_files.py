"""Files of points and polygons are read back: what a library has lost without a word is seen."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import pytest
import shapely

from landcover.runs.vector_files import Rows, read_back, write_frame

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


@pytest.mark.parametrize(
    "lost",
    [
        'DROP TRIGGER "rtree_it\'s made_geom_insert"',
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


def test_a_geopackage_of_no_rows_has_no_extent(tmp_path: Path) -> None:
    path = tmp_path / "made.gpkg"
    frame = geopandas.GeoDataFrame({"code": []}, geometry=[], crs="EPSG:32618")
    write_frame(frame, path, "made.gpkg")
    assert len(geopandas.read_file(path)) == 0
