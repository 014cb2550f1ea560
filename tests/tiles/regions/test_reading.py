from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import fsspec
import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from support.vectors import write_vectors

from landcover.analysis.zones import read_vectors
from landcover.errors import SourceError
from landcover.tiles.opening.vectors import vector_file
from landcover.tiles.regions import Region, read_region, written_region

SQUARE = shapely.box(500000, 3999000, 501000, 4000000)
HOLE = shapely.Polygon(
    SQUARE.exterior.coords, [shapely.box(500100, 3999100, 500200, 3999200).exterior]
)
FAR = shapely.box(700000, 3999000, 701000, 4000000)


def same(region: Region, *shapes: shapely.Geometry) -> bool:
    return bool(shapely.equals(shapely.union_all(region.polygons), shapely.union_all(shapes)))


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".fgb", ".parquet", ".geojson"])
def test_polygons_come_from_every_format_that_is_allowed(tmp_path: Path, suffix: str) -> None:
    several = shapely.MultiPolygon([HOLE, FAR])
    file = write_vectors(tmp_path / f"region{suffix}", several, name=["a"])
    found = read_region(file)
    assert same(found, several) and len(found.polygons) == 2
    assert found.crs.to_epsg() == 26914 and found.source == file


def test_geojson_is_in_degrees_whatever_it_leaves_out(tmp_path: Path) -> None:
    file = write_vectors(
        tmp_path / "region.geojson", shapely.box(-98, 36, -97, 37), crs="EPSG:4326"
    )
    values = json.loads(Path(file).read_text())
    values.pop("crs", None)
    Path(file).write_text(json.dumps(values))
    assert read_region(file).crs.to_epsg() == 4326


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet"])
def test_features_are_chosen_by_a_condition(tmp_path: Path, suffix: str) -> None:
    file = write_vectors(
        tmp_path / f"a{suffix}", SQUARE, FAR, name=["Middlesex", "Suffolk"], area=[1.5, 2.5]
    )
    assert same(read_region(file, where="name = 'Middlesex'"), SQUARE)
    assert same(read_region(file, where="area > 2"), FAR)
    with pytest.raises(
        SourceError, match=r"no feature has name = 'Essex'; correct source.region.w"
    ):
        read_region(file, where="name = 'Essex'")
    with pytest.raises(SourceError, match=r"cannot be read.*source.region.where is 'nam = 3'"):
        read_region(file, where="nam = 3")


def test_a_layer_is_asked_for_where_there_are_several(tmp_path: Path) -> None:
    file = tmp_path / "a.gpkg"
    for layer, shape in (("counties", SQUARE), ("states", FAR)):
        frame = gpd.GeoDataFrame(geometry=[shape], crs="EPSG:26914")
        frame.to_file(file, layer=layer)
    assert same(read_region(str(file), layer="states"), FAR)
    with pytest.raises(
        SourceError, match=r"2 layers \(counties, states\); say which.*region.layer"
    ):
        read_region(str(file))
    with pytest.raises(SourceError, match=r"no layer 'state' with geom.*\(there are: counties, st"):
        read_region(str(file), layer="state")


def test_a_url_is_read_as_a_file_is(tmp_path: Path) -> None:
    file = write_vectors(tmp_path / "a.gpkg", SQUARE)
    with fsspec.open("memory://regions/a.gpkg", "wb") as out:
        out.write(Path(file).read_bytes())
    assert read_region("memory://regions/a.gpkg").digest == read_region(file).digest
    with pytest.raises(SourceError, match="no such file"):
        read_region("memory://regions/b.gpkg")
    with pytest.raises(SourceError, match="holds a password or a signature"):
        read_region("https://x.org/a.gpkg?sig=1")


def test_without_a_crs_nothing_says_where_it_lies(tmp_path: Path) -> None:
    for suffix in (".gpkg", ".shp", ".parquet"):
        file = write_vectors(tmp_path / f"a{suffix}", SQUARE, crs=None)
        with pytest.raises(SourceError, match=r"has no CRS.*ogr2ogr -a_srs EPSG:\.\.\."):
            read_region(file)


def test_a_polygon_that_crosses_itself_is_named(tmp_path: Path) -> None:
    bow = shapely.Polygon([(0, 0), (9, 9), (9, 0), (0, 9)])
    file = write_vectors(tmp_path / "a.gpkg", SQUARE, bow)
    with pytest.raises(SourceError, match=r"feature 2 is no valid polygon \(Self-inter.*-makeval"):
        read_region(file)


def test_what_is_no_area_is_named(tmp_path: Path) -> None:
    file = write_vectors(tmp_path / "a.gpkg", shapely.LineString([(0, 0), (9, 9)]))
    with pytest.raises(SourceError, match="feature 1 is LineString; a region is made of polygons"):
        read_region(file)


@pytest.mark.parametrize("content", [b"", b"not a vector file"])
@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".parquet"])
def test_what_is_no_vector_file_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.\w+: cannot be read as"):
        read_region(str(file))


def test_a_file_that_is_not_there_and_one_without_features_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no such file; correct source\.region"):
        read_region(str(tmp_path / "a.gpkg"))
    pyogrio.write_dataframe(
        gpd.GeoDataFrame({"a": []}, geometry=[], crs="EPSG:26914"),
        tmp_path / "b.gpkg",
        geometry_type="Polygon",
    )
    with pytest.raises(SourceError, match="is empty"):
        read_region(str(tmp_path / "b.gpkg"))


def test_a_region_written_down_is_the_same_region(tmp_path: Path) -> None:
    file = write_vectors(tmp_path / "a.gpkg", shapely.MultiPolygon([HOLE, FAR]), crs="EPSG:5070")
    region = read_region(file)
    written = tmp_path / "region.parquet"
    written.write_bytes(written_region(region))
    again = read_region(str(written))
    assert again.digest == region.digest and same(again, *region.polygons)
    assert gpd.read_parquet(written).crs == region.crs
    assert pq.read_table(written).column_names == ["geometry"]


def test_the_digest_tells_ground_not_files(tmp_path: Path) -> None:
    one = read_region(write_vectors(tmp_path / "a.gpkg", SQUARE, FAR, name=["a", "b"]))
    other = read_region(write_vectors(tmp_path / "b.fgb", FAR, SQUARE))
    turned = shapely.Polygon(np.roll(SQUARE.exterior.coords[:-1], 2, axis=0)[::-1])
    third = read_region(write_vectors(tmp_path / "c.shp", FAR, turned))
    assert one.digest == other.digest == third.digest
    assert read_region(write_vectors(tmp_path / "d.gpkg", SQUARE)).digest != one.digest
    elsewhere = read_region(write_vectors(tmp_path / "e.gpkg", SQUARE, FAR, crs="EPSG:26915"))
    assert elsewhere.digest != one.digest


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER TABLE good ADD COLUMN big BLOB AS (zeroblob(9)) VIRTUAL",),
        ("CREATE TABLE more (fid INTEGER PRIMARY KEY, big BLOB AS (zeroblob(9)) STORED)",),
        ("ALTER TABLE good RENAME TO plain", "CREATE VIEW good AS SELECT * FROM plain"),
        ("CREATE VIRTUAL TABLE words USING fts5 (word)",),
    ],
)
def test_a_geopackage_that_computes_its_tables_is_refused(
    tmp_path: Path, statements: tuple[str, ...]
) -> None:
    path = tmp_path / "good.gpkg"
    frame = gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs="EPSG:32618")
    frame.to_file(path, driver="GPKG", SPATIAL_INDEX="NO")
    assert vector_file(str(path)) == str(path)
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)
    with pytest.raises(OSError, match="computes its table"):
        vector_file(str(path))
    with pytest.raises(SourceError, match="computes its table"):
        read_vectors(path, "a sample of points")


@pytest.mark.parametrize(
    "condition",
    [
        "hex(randomblob(9)) = 'x'",
        "name IN (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT x FROM c)",
        "name IN (VALUES (1))",
        "name = hex/**/(1)",
    ],
)
def test_a_condition_that_computes_is_refused(tmp_path: Path, condition: str) -> None:
    file = write_vectors(tmp_path / "a.gpkg", SQUARE, name=["Middlesex"])
    with pytest.raises(SourceError, match=r"source.region.where .*must compare columns alone"):
        read_region(file, where=condition)


def test_a_condition_may_compare_and_quote(tmp_path: Path) -> None:
    file = write_vectors(tmp_path / "a.gpkg", SQUARE, FAR, name=["select (a)", "b"], select=[1, 2])
    assert same(read_region(file, where="name LIKE 'select (%' OR (name IN ('c'))"), SQUARE)
    assert same(read_region(file, where="\"select\" = 2 AND NOT (name = 'a')"), FAR)


@pytest.mark.parametrize(
    "member",
    [
        '"crs": {"type": "link", "properties": {"href": "http://127.0.0.1:9/x"}}',
        '"\\u0063RS": {"type": "link", "properties": {"href": "http://127.0.0.1:9/x"}}',
        "'crs': {'type': 'link'}",
        '"crs"/**/: {"type": "link", "properties": {"href": "http://127.0.0.1:9/x"}}',
        '"coordRefSys": "http://127.0.0.1:9/x"',
    ],
)
def test_geojson_whose_crs_is_a_link_is_refused(tmp_path: Path, member: str) -> None:
    """OGR would ask the server that it names."""
    path = tmp_path / "region.geojson"
    path.write_text(f'{{"type": "FeatureCollection", {member}, "features": []}}')
    with pytest.raises(OSError, match="says its CRS"):
        vector_file(str(path))
    with pytest.raises(SourceError, match="says its CRS"):
        read_region(str(path))


@pytest.mark.parametrize(
    "name", ["urn:ogc:def:crs:EPSG::26914", "http://www.opengis.net/def/crs/EPSG/0/26914"]
)
def test_geojson_may_name_its_crs_and_have_columns_of_that_name(tmp_path: Path, name: str) -> None:
    path = Path(write_vectors(tmp_path / "a.geojson", SQUARE, note=["crs"], crs_=["EPSG:1"]))
    values = json.loads(path.read_text())
    values["crs"]["properties"]["name"] = name
    path.write_text(json.dumps(values))
    assert read_region(str(path)).crs.to_epsg() == 26914


@pytest.mark.parametrize(
    ("suffix", "beside"), [(".shp", ".cpg"), (".shp", ".qix"), (".gpkg", ".gpkg-wal")]
)
def test_a_pipe_beside_a_vector_file_is_not_waited_for(
    tmp_path: Path, suffix: str, beside: str
) -> None:
    path = write_vectors(tmp_path / f"region{suffix}", SQUARE)
    (tmp_path / f"region{beside}").unlink(missing_ok=True)
    os.mkfifo(tmp_path / f"region{beside}")
    with pytest.raises(SourceError, match=rf"is read with region{beside}, which is no regular"):
        read_region(path)


def test_a_view_that_is_a_layer_is_refused_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "region.gpkg"
    write_vectors(path, SQUARE)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE VIEW st_more AS SELECT * FROM region")
        assert vector_file(str(path)) == str(path)
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type) VALUES ('ST_more', 'features')"
        )
    with pytest.raises(OSError, match="computes its table 'st_more'"):
        vector_file(str(path))


@pytest.mark.parametrize("crs", ["http://127.0.0.1:9/x", "/etc/passwd", {"type": "BoundCRS"}])
def test_a_crs_of_geoparquet_that_is_none_is_a_sentence(tmp_path: Path, crs: object) -> None:
    path = write_vectors(tmp_path / "a.parquet", SQUARE)
    table = pq.read_table(path)
    told = json.loads(table.schema.metadata[b"geo"])
    told["columns"][told["primary_column"]]["crs"] = crs
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(told)}), path)
    with pytest.raises(SourceError, match="says its CRS in a way that PROJ does not know"):
        read_region(path)
