from __future__ import annotations

import json
import os
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import fsspec
import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from support.vectors import write_vectors

from landcover.analysis.zones import read_vectors, read_zones
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


def test_heights_and_empty_polygons_are_no_ground(tmp_path: Path) -> None:
    high = shapely.force_3d(shapely.MultiPolygon([HOLE, FAR]), 12.0)
    file = write_vectors(tmp_path / "a.gpkg", shapely.Polygon(), high)
    region = read_region(file)
    assert len(region.polygons) == 2 and not shapely.has_z(region.polygons).any()
    assert same(region, HOLE, FAR)
    with pytest.raises(SourceError, match="holds no polygon"):
        read_region(write_vectors(tmp_path / "b.gpkg", shapely.Polygon()))


def test_geoparquet_that_does_not_say_its_crs_is_in_longitude_and_latitude(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    gpd.GeoDataFrame(geometry=[shapely.box(-98, 36, -97, 37)], crs="EPSG:4326").to_parquet(file)
    table = pq.read_table(file)
    geo = json.loads(table.schema.metadata[b"geo"])
    del geo["columns"]["geometry"]["crs"]
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), file)
    region = read_region(str(file))
    assert region.crs.name == "WGS 84 (CRS84)"
    assert region.polygons[0].bounds == (-98, 36, -97, 37)


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
        "name IN (SELECT name FROM a)",
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
        '"crs\\u0000": {"type": "link", "properties": {"href": "http://127.0.0.1:9/x"}}',
        '"\\u0063rs\\u0000x": {"type": "link", "properties": {"href": "http://127.0.0.1:9/x"}}',
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


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:EPSG:6.18:3:3857", "EPSG:99999999", "26914"])
def test_a_crs_that_gdal_does_not_know_is_not_taken_for_degrees(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = Path(write_vectors(tmp_path / "a.geojson", SQUARE))
    values = json.loads(path.read_text())
    values["crs"]["properties"]["name"] = name
    path.write_text(json.dumps(values))
    with pytest.raises(SourceError, match="names a CRS that GDAL does not know: name it by its"):
        read_region(str(path))
    assert not capfd.readouterr().err


@pytest.mark.parametrize(
    "attribute",
    [
        {"crs": "NAD83 / UTM zone 14N"},
        {"crs": "https://epsg.io/26914"},
        {"CRS": {"type": "link", "properties": {"href": "http://127.0.0.1:9/x"}}},
        {"coordRefSys": "x y"},
        {"note": "its 'crs' is not said"},
        {"geometry": {"crs": {"href": "http://127.0.0.1:9/x"}}, "list": [1, {"crs": "a b"}]},
        {"crs": "x" * 20_000},
    ],
)
def test_columns_of_geojson_say_no_crs_whatever_they_are_called(
    tmp_path: Path, attribute: dict[str, object]
) -> None:
    path = Path(write_vectors(tmp_path / "a.geojson", SQUARE, FAR, name=['\\"', "b"]))
    values = json.loads(path.read_text())
    for feature in values["features"]:
        feature["properties"] |= attribute
    path.write_text(json.dumps(values))
    assert read_region(str(path)).crs.to_epsg() == 26914
    assert len(read_vectors(path, "zones")) == 2


_LINK = '"crs": {"type": "link", "properties": {"href": "http://127.0.0.1:9/x"}}'
_POINT = '"type": "Point", "coordinates": [1, 2]'
_FEATURE = f'{{"type": "Feature", "properties": {{"crs": "a b"}}, "geometry": {{{_POINT}}}}}'


@pytest.mark.parametrize(
    "text",
    [
        f'{{"type": "FeatureCollection", "features": [{_FEATURE}], {_LINK}}}',
        f'{{"type": "FeatureCollection", "features": [{_FEATURE}, {{{_POINT}, {_LINK}}}]}}',
        f'{{"type": "Feature", "properties": {{}}, "geometry": {{{_POINT}, {_LINK}}}}}',
        f'{{"type": "Feature", "properties": null, "geometry": {{{_POINT}, {_LINK}}}}}',
        f'{{"type": "Feature", "properties" , "geometry": {{{_POINT}, {_LINK}}}}}',
        f'{{"type": "GeometryCollection", "geometries": [{{{_POINT}, {_LINK}}}]}}',
        f'{{"type": "Feature", "x": "\\"properties\\":{{", "geometry": {{{_POINT}, {_LINK}}}}}',
        f'{{"type": "Feature", /* " */ "properties": {{"a": /* " */ 1}}, {_LINK}, "x": "*/"}}',
        f'{{"type": "Feature", /* "x": 0, "properties": {{ */ {_LINK}, "x": 1 /* }} */}}',
        f'{{"type": "Feature", \'"\': 1, "properties": {{"a": \'"\': 1}}, {_LINK}}}',
        f'{_FEATURE}\n{{"properties": {{"a":\n{{{_POINT}, {_LINK}}}\n}}}}',
        f'{{"type": "Feature", "properties": {{"a":\n{{{_POINT}, {_LINK}}}\n}}}}\n{_FEATURE}',
        f'{{"type": "Feature", "properties": {{}}}}]]]{{"properties": {{{_LINK}}}}}',
        *(
            f'{{{start}"properties": {{"type": "FeatureCollection", {_LINK}, "features": []}}{end}}}'
            for start, end in [
                ("", ""),
                ('"type": null, ', ""),
                ('"type": "FeatureCollection", ', ', "type": "x"'),
                ('"type": "FeatureCollection\\u0000", ', ""),
                ('"x": {"type": "FeatureCollection"}, ', ""),
            ]
        ),
        f'{{"type": "Feature", "x\x1e": 1, "metadata": {{{_LINK}}}, "geometry": {{{_POINT}}}}}',
        f'{{"type": "Feature", "place": {{"x": {{"crs": "a b"}}}}, "geometry": {{{_POINT}}}}}',
        f'{{"type": "FeatureCollection", "features\\u0000": [{{{_POINT}, {_LINK}}}]}}',
    ],
)
def test_no_link_is_hidden_behind_what_looks_like_columns(tmp_path: Path, text: str) -> None:
    """A reader that takes lines for features, or comments and other quotes for JSON, would follow it."""
    path = tmp_path / "region.geojson"
    path.write_text(text)
    with pytest.raises(OSError, match="says its CRS"):
        vector_file(str(path))


def test_other_members_and_columns_of_lines_say_no_crs(tmp_path: Path) -> None:
    link = {"type": "link", "properties": {"href": "http://127.0.0.1:9/x"}}
    path = Path(write_vectors(tmp_path / "a.geojson", SQUARE, FAR))
    values = json.loads(path.read_text())
    feature = values["features"][0]
    feature["assets"] = [{"crs": link}]
    feature["properties"] |= {"features": [{"crs": link}], "geometry": {"crs": link}}
    path.write_text(json.dumps({"metadata": {"crs": link}, "lists": [[{"crs": link}]], **values}))
    assert read_region(str(path)).crs.to_epsg() == 26914
    del values["crs"]
    square = shapely.geometry.mapping(shapely.box(-98, 36, -97, 37))
    lines = [json.dumps({**feature, "id": id, "geometry": square}) for id in (1, 2)]
    path.write_text("\n".join(lines))
    assert read_region(str(path)).crs.to_epsg() == 4326


def test_geojson_of_more_columns_than_ogr_takes_is_refused(tmp_path: Path) -> None:
    path = Path(write_vectors(tmp_path / "a.geojson", SQUARE, FAR))
    values = json.loads(path.read_text())
    for at, feature in enumerate(values["features"]):
        feature["properties"] = {f"{at}_{number}": 1 for number in range(10_001)}
    path.write_text(json.dumps(values))
    with pytest.raises(SourceError, match="has more than 20,000 columns: leave them out"):
        read_region(str(path))


def test_geojson_may_be_of_a_catalog_or_have_its_keys_sorted(tmp_path: Path) -> None:
    square = shapely.box(-98, 36, -97, 37)
    path = Path(write_vectors(tmp_path / "a.geojson", square, crs="EPSG:4326"))
    values = json.loads(path.read_text())
    values["features"][0] |= {"stac_version": "1.0.0", "id": "a", "assets": {}, "links": []}
    path.write_text(json.dumps(values))
    assert same(read_region(str(path)), square)
    ring = [[x / 1000, 0] for x in range(1000)] + [[1, 1], [0, 0]]
    feature = {"geometry": {"coordinates": [ring], "type": "Polygon"}, "properties": {}}
    path.write_text(
        json.dumps({"features": [feature | {"type": "Feature"}], "type": "FeatureCollection"})
    )
    assert same(read_region(str(path)), shapely.Polygon(ring))


def test_what_macos_adds_to_archives_and_folders_is_passed_over(tmp_path: Path) -> None:
    write_vectors(tmp_path / "county.shp", SQUARE)
    with zipfile.ZipFile(tmp_path / "county.zip", "w") as archive:
        for part in sorted(tmp_path.glob("county.*")):
            if part.suffix != ".zip":
                archive.write(part, f"county/{part.name}")
                archive.writestr(f"__MACOSX/county/._{part.name}", b"\0\5\x16\7")
    assert same(read_region(str(tmp_path / "county.zip")), SQUARE)
    folder = tmp_path / "county.gdb"
    frame = gpd.GeoDataFrame({"name": ["a"]}, geometry=[SQUARE], crs="EPSG:26914")
    pyogrio.write_dataframe(frame, folder, driver="OpenFileGDB")
    (folder / ".DS_Store").write_bytes(b"\0")
    assert same(read_region(str(folder)), SQUARE)


def test_a_geopackage_of_qgis_with_styles_is_read(tmp_path: Path) -> None:
    """With the table, the default and the triggers that QGIS and GDAL make."""
    path = tmp_path / "a.gpkg"
    write_vectors(path, SQUARE, name=["a"])
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript("""
            CREATE TABLE "layer_styles" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "f_table_catalog" TEXT(256),
                "f_table_name" TEXT(256), "f_geometry_column" TEXT(256), "styleName" TEXT(30), "styleQML" TEXT,
                "useAsDefault" BOOLEAN, "update_time" DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')));
            INSERT INTO layer_styles (f_table_name, styleName, styleQML, useAsDefault) VALUES ('a', 'a', '<qgis/>', 1);
            INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('layer_styles', 'attributes', 'layer_styles');
            CREATE TABLE gpkg_metadata (id INTEGER PRIMARY KEY, md_scope TEXT NOT NULL DEFAULT 'dataset',
                md_standard_uri TEXT NOT NULL, mime_type TEXT NOT NULL DEFAULT 'text/xml', metadata TEXT NOT NULL DEFAULT '');
            CREATE TRIGGER gpkg_metadata_md_scope_insert BEFORE INSERT ON gpkg_metadata FOR EACH ROW BEGIN
                SELECT RAISE(ABORT, 'wrong') WHERE NOT NEW.md_scope IN ('dataset', 'series'); END;
        """)
    assert same(read_region(str(path)), SQUARE)


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


def _says_many(path: Path) -> None:
    """Let a file say that it has a billion features."""
    if path.suffix == ".gpkg":
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE gpkg_ogr_contents SET feature_count = 1000000000")
        return
    content = bytearray(path.read_bytes())
    length = int.from_bytes(content[8:12], "little")
    # Of the header, which comes behind its length: how many features follow.
    at = content.index((1).to_bytes(8, "little"), 12, 12 + length)
    content[at : at + 8] = (10**9).to_bytes(8, "little")
    path.write_bytes(content)


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb"])
def test_no_room_is_made_for_features_that_are_not_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"region{suffix}"
    index = {} if suffix == ".gpkg" else {"SPATIAL_INDEX": "NO"}
    gpd.GeoDataFrame(geometry=[SQUARE], crs=26914).to_file(path, **index)
    _says_many(path)
    with pytest.raises(SourceError, match="says that it has 1,000,000,000 features"):
        read_region(str(path))
    with pytest.raises(SourceError, match="says that it has 1,000,000,000 features"):
        read_vectors(str(path), "zones")


@pytest.mark.parametrize("name", ["text", "outlines"])
def test_geoparquet_of_which_few_bytes_stand_for_gigabytes_is_refused(
    tmp_path: Path, name: str
) -> None:
    path = Path(write_vectors(tmp_path / "a.parquet", SQUARE, note=["x"]))
    table = pq.read_table(path)
    column = "note" if name == "text" else "geometry"
    value = b"x" * 1_000_000 if name == "text" else shapely.to_wkb(SQUARE.segmentize(0.1))
    kind = table.schema.field(column).type
    held = pa.DictionaryArray.from_arrays(
        pa.array([0] * 300, pa.int32()), pa.array([value], pa.binary()).cast(kind)
    )
    many = table.take([0] * 300).set_column(table.schema.get_field_index(column), column, held)
    pq.write_table(many.replace_schema_metadata(table.schema.metadata), path)
    for read in (read_region, lambda file: read_vectors(file, "zones")):
        with pytest.raises(SourceError, match=r"its values have [\d,]+ bytes, more than"):
            read(str(path))


@pytest.mark.parametrize("said", ["text", None, []])
def test_geoparquet_that_does_not_say_what_its_outlines_are_is_a_sentence(
    tmp_path: Path, said: object
) -> None:
    path = write_vectors(tmp_path / "a.parquet", SQUARE)
    table = pq.read_table(path)
    told = json.loads(table.schema.metadata[b"geo"])
    told["columns"]["geometry"] = said
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(told)}), path)
    with pytest.raises(SourceError, match="cannot be read as GeoParquet"):
        read_region(path)


def test_geoparquet_is_read_whatever_its_outlines_are_called_and_lists_lie_beside_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.parquet"
    frame = gpd.GeoDataFrame({"name": [["a", "b"]], "kind": ["c"]}, geometry=[SQUARE], crs=26914)
    frame.rename_geometry("geom").to_parquet(path)
    assert same(read_region(str(path)), SQUARE)
    assert same(read_region(str(path), where="kind = 'c'"), SQUARE)
    zones = read_zones(path)
    assert zones.names == [1] and zones.shapes.iloc[0].equals(SQUARE)
    assert read_zones(path, field="kind").names == ["c"]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "a.parquet", SQUARE, name=["x"])
    table = pq.read_table(path)
    pq.write_table(table.append_column("name", table["name"]), path)
    with pytest.raises(SourceError, match="several columns 'name'"):
        read_vectors(path, "zones")
