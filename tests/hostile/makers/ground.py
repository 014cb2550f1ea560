"""Hostile ground: vector files that say where, reference rasters and samples that say what is true there."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
import shapely
from support.colours import blobs, write_scene

from hostile.cases import Case, Ground, write_config
from hostile.makers.imagery import virtual
from hostile.mutating import mutated

_PLAN = ("plan", "config.yaml")
_CRS = "EPSG:26918"
_CORNER = (500_000.0, 4_500_000.0)
_FORMATS = {".geojson": "GeoJSON", ".gpkg": "GPKG", ".fgb": "FlatGeobuf", ".shp": "ESRI Shapefile"}
_NAMES = ("hostile", "scene", "reference", "sample", "run", "zones", "config")


def cases() -> Iterator[Case]:
    """Some 500 of them."""
    yield from _regions()
    yield from _references()
    yield from _samples()
    yield from _zones()


def _box(west: float = 0, size: float = 40) -> shapely.Polygon:
    return shapely.box(_CORNER[0] + west, _CORNER[1] - size, _CORNER[0] + west + size, _CORNER[1])


@lru_cache(maxsize=32)
def _written(suffix: str) -> bytes:
    """A good file of one polygon, or its members in an archive."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        frame = geopandas.GeoDataFrame({"name": ["a"]}, geometry=[_box()], crs=_CRS)
        file = Path(folder, f"good{'.shp' if suffix == '.zip' else suffix}")
        if suffix == ".parquet":
            frame.to_parquet(file)
        else:
            frame.to_file(file, driver=_FORMATS[file.suffix])
        if suffix != ".zip":
            return file.read_bytes()
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as archive:
            for part in sorted(Path(folder).iterdir()):
                archive.write(part, part.name)
        return held.getvalue()


def _region(
    suffix: str, content: Callable[[Ground], bytes], ground: Ground, **more: object
) -> None:
    file = ground.folder / f"hostile{suffix}"
    file.write_bytes(content(ground))
    region = {"path": file.name, **more}
    source = {"rasters": ["scene.tif"], "region": region}
    write_config(ground.folder / "config.yaml", source=source)


def _regions() -> Iterator[Case]:
    for suffix in (".geojson", ".gpkg", ".fgb", ".shp", ".parquet", ".zip"):
        for seed in range(16):
            change = lambda g, s=suffix, n=seed: mutated(_written(s), n)
            make = partial(_region, suffix, change)
            yield Case("regions", f"damaged {suffix} {seed}", make, _PLAN, _NAMES)
    for what, text in _disguised().items():
        for suffix in (".geojson", ".gpkg", ".shp", ".parquet", ".fgb", ".csv", ".vrt"):
            content = lambda g, t=text: t(g).encode()
            make = partial(_region, suffix, content)
            yield Case("regions", f"{what} as {suffix}", make, _PLAN, _NAMES)
    for what, geometry in _geometries().items():
        content = lambda g, one=geometry: _collection(one)
        make = partial(_region, ".geojson", content)
        yield Case("regions", f"geometry {what}", make, _PLAN, _NAMES)
    crs = ("{url}/crs", "+init=/etc/passwd:x", "+proj=pipeline +step", "/dev/zero", "x" * 100_000)
    for at, name in enumerate((*crs, "EPSG:99999999", "\x1b[2J", "GEOGCS[" * 1000)):
        content = lambda g, n=name: _collection(
            shapely.geometry.mapping(_box()), n.replace("{url}", g.url)
        )
        make = partial(_region, ".geojson", content)
        yield Case("regions", f"CRS {at}", make, _PLAN, _NAMES)
    wheres = (
        "1; ATTACH DATABASE '{outside}/canary' AS x",
        "load_extension('{outside}/x.so')",
        "name = '\x1b[2J'",
        "1 = 1) UNION SELECT * FROM sqlite_master --",
        "zeroblob(1000000000) IS NOT NULL",
        "(" * 5000,
        "ogr_geocode('{url}')",
        "ST_Transform(geom, 1) IS NULL",
        "writefile('{outside}/canary', 'x')",
        "fts3_tokenizer('x', 'y')",
    )
    for at, where in enumerate(wheres):
        for suffix in (".gpkg", ".geojson", ".fgb"):
            yield Case(
                "regions", f"where {at} {suffix}", partial(_where, suffix, where), _PLAN, _NAMES
            )
    for what, statements in _databases().items():
        make = partial(_region, ".gpkg", lambda g, s=statements: _database(s, g))
        yield Case("regions", f"database {what}", make, _PLAN, _NAMES)
    for make in (_pipe, _zero, _loop, _folder, _climbing, _bomb, _geodatabase):
        for suffix in (".geojson", ".gpkg", ".zip"):
            yield Case("regions", f"{make.__name__} {suffix}", partial(make, suffix), _PLAN, _NAMES)


def _where(suffix: str, where: str, ground: Ground) -> None:
    text = where.replace("{outside}", str(ground.outside)).replace("{url}", ground.url)
    _region(suffix, lambda g: _written(suffix), ground, where=text)


def _disguised() -> dict[str, Callable[[Ground], str]]:
    return {
        "OGR's virtual": lambda g: (
            f"<OGRVRTDataSource><OGRVRTLayer name='a'><SrcDataSource>{g.outside}/scene.tif"
            "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
        ),
        "server": lambda g: f"<OGRWFSDataSource><URL>{g.url}/wfs</URL></OGRWFSDataSource>",
        "pipeline": lambda g: json.dumps(
            {"type": "gdal_streamed_alg", "command_line": f"gdal vector pipeline ! read {g.url}"}
        ),
        "catalogue": lambda g: json.dumps(
            {
                "type": "FeatureCollection",
                "stac_version": "1.0.0",
                "features": [{"type": "Feature", "assets": {"a": {"href": g.url}}}],
            }
        ),
        "formula": lambda g: 'WKT,name\n"POINT (0 0)","=cmd|\' /C calc\'!A0"\n',
        "KML": lambda g: f"<kml><NetworkLink><Link><href>{g.url}</href></Link></NetworkLink></kml>",
        "entities": lambda g: (
            f'<!DOCTYPE a [<!ENTITY a SYSTEM "{g.url}">]><gml:FeatureCollection>&a;'
        ),
        "nothing": lambda g: "",
        "deep": lambda g: '{"type": "FeatureCollection", "features": ' + "[" * 100_000,
        "topology": lambda g: '{"type": "Topology", "objects": {}, "arcs": []}',
        "ESRI": lambda g: json.dumps({"geometryType": "esriGeometryPoint", "features": []}),
        "URL of a service": lambda g: json.dumps(
            {"type": "Feature", "geometry": None, "url": g.url}
        ),
    }


def _geometries() -> dict[str, Any]:
    mapping = shapely.geometry.mapping
    x, y = _CORNER
    bow = [[x, y], [x + 9, y - 9], [x + 9, y], [x, y - 9], [x, y]]
    many = [[x + 40 * np.cos(a), y + 40 * np.sin(a)] for a in np.linspace(0, 6.28, 200_000)]
    comb: list[list[float]] = []
    for tooth in range(2_000):
        comb += [[x + tooth * 0.03, y], [x + tooth * 0.03 + 0.01, y - 60]]
    nested: dict[str, Any] = mapping(_box())
    for _ in range(300):
        nested = {"type": "GeometryCollection", "geometries": [nested]}
    return {
        "infinite": {"type": "Polygon", "coordinates": [[[1e400, 0], [1, 1], [0, 1], [1e400, 0]]]},
        "huge": {"type": "Polygon", "coordinates": [[[-1e300, -1e300], [1e300, 0], [0, 1e300], [-1e300, -1e300]]]},
        "whole numbers": {"type": "Polygon", "coordinates": [[[10**400, 0], [1, 1], [0, 1], [10**400, 0]]]},
        "bow": {"type": "Polygon", "coordinates": [bow]},
        "no ring": {"type": "Polygon", "coordinates": []},
        "open": {"type": "Polygon", "coordinates": [[[x, y]]]},
        "text": {"type": "Polygon", "coordinates": "x" * 1000},
        "many corners": {"type": "Polygon", "coordinates": [[*many, many[0]]]},
        "comb": {"type": "Polygon", "coordinates": [[*comb, [x + 60, y - 60], comb[0]]]},
        "nested": nested,
        "many": {"type": "MultiPolygon", "coordinates": [mapping(_box(n * 0.01, 0.01))["coordinates"] for n in range(20_000)]},
        "line": {"type": "LineString", "coordinates": [[x, y], [x + 1, y]]},
        "unknown": {"type": "Klein bottle", "coordinates": [[x, y]]},
        "elsewhere": mapping(shapely.box(-180, -90, 180, 90)),
        "none": None,
    }  # fmt: skip


def _collection(geometry: Any, crs: str = _CRS) -> bytes:
    name = {"type": "name", "properties": {"name": crs}}
    feature = {"type": "Feature", "properties": {"name": "\x1b[2J"}, "geometry": geometry}
    whole = {"type": "FeatureCollection", "crs": name, "features": [feature]}
    text = json.dumps(whole)
    # JSON of Python's own has Infinity; that of others has a number which is too large.
    return text.replace("Infinity", "1e999").encode()


def _databases() -> dict[str, tuple[str, ...]]:
    """What is done to a good GeoPackage: tables that are programs."""
    swap = "ALTER TABLE good RENAME TO plain"
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    return {
        "endless view": (swap, f"CREATE VIEW good AS {endless} SELECT i AS fid, geom, name FROM n, plain"),
        "endless count": (
            swap,
            f"CREATE VIEW good AS SELECT fid, geom, name FROM plain WHERE ({endless} SELECT count(*) FROM n) > 0",
        ),
        "large view": (swap, "CREATE VIEW good AS SELECT fid, geom, zeroblob(900000000) AS name FROM plain"),
        "trigger": (
            "CREATE TRIGGER evil AFTER INSERT ON good BEGIN UPDATE good SET name = zeroblob(900000000); END",
        ),
        "generated": ("ALTER TABLE good ADD COLUMN big BLOB AS (zeroblob(900000000)) VIRTUAL",),
        "large values": ("UPDATE good SET name = zeroblob(30000000)",),
        "no geometry": ("UPDATE good SET geom = zeroblob(100)",),
        "text geometry": ("UPDATE good SET geom = 'POINT (0 0)'",),
        "attached": ("UPDATE gpkg_contents SET table_name = 'good; ATTACH DATABASE ''x'' AS y'",),
        "escapes": ("UPDATE gpkg_contents SET identifier = char(27) || '[2J'",),
        "extension": ("UPDATE gpkg_extensions SET extension_name = 'gdal_aspatial' || char(0)",),
        "twice": ("INSERT INTO gpkg_geometry_columns SELECT 'good2', 'geom', 'POLYGON', 1, 0, 0",),
        "CRS": ("UPDATE gpkg_spatial_ref_sys SET definition = 'GEOGCS[' || zeroblob(1000)",),
        "bounds": ("UPDATE gpkg_contents SET min_x = 9e999, max_x = -9e999",),
        "nothing": ("DELETE FROM good",),
    }  # fmt: skip


def _database(statements: tuple[str, ...], ground: Ground) -> bytes:
    file = ground.folder / "made.gpkg"
    file.write_bytes(_written(".gpkg"))
    with sqlite3.connect(file, isolation_level=None) as database:
        database.execute("PRAGMA trusted_schema = 1")
        for table in ("rtree_good_geom",):
            database.execute(f"DROP TABLE IF EXISTS {table}")
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        for statement in statements:
            database.execute(statement)
    database.close()
    content = file.read_bytes()
    file.unlink()
    return content


def _pipe(suffix: str, ground: Ground) -> None:
    _region(suffix, lambda g: b"", ground)
    (ground.folder / f"hostile{suffix}").unlink()
    os.mkfifo(ground.folder / f"hostile{suffix}")


def _zero(suffix: str, ground: Ground) -> None:
    _region(suffix, lambda g: b"", ground)
    (ground.folder / f"hostile{suffix}").unlink()
    (ground.folder / f"hostile{suffix}").symlink_to("/dev/zero")


def _loop(suffix: str, ground: Ground) -> None:
    _region(suffix, lambda g: b"", ground)
    (ground.folder / f"hostile{suffix}").unlink()
    (ground.folder / f"hostile{suffix}").symlink_to(f"hostile{suffix}")


def _folder(suffix: str, ground: Ground) -> None:
    _region(suffix, lambda g: b"", ground)
    (ground.folder / f"hostile{suffix}").unlink()
    (ground.folder / f"hostile{suffix}").mkdir()


def _climbing(suffix: str, ground: Ground) -> None:
    """An archive whose members have paths that climb."""
    held = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(_written(".zip"))) as good,
        zipfile.ZipFile(held, "w") as archive,
    ):
        for name in good.namelist():
            archive.writestr(f"../../outside/{name}", good.read(name))
        archive.writestr("../../outside/canary", b"x")
    _region(suffix, lambda g: held.getvalue(), ground)


def _bomb(suffix: str, ground: Ground) -> None:
    held = io.BytesIO()
    with (
        zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.shp", "w", force_zip64=True) as stream,
    ):
        stream.write((9994).to_bytes(4, "big"))
        for _ in range(1_200):
            stream.write(bytes(2**20))
    _region(suffix, lambda g: held.getvalue(), ground)


def _geodatabase(suffix: str, ground: Ground) -> None:
    """A folder of a geodatabase whose tables are links and pipes."""
    folder = ground.folder / "hostile.gdb"
    folder.mkdir()
    (folder / "a00000001.gdbtable").symlink_to("/dev/zero")
    (folder / "gdb").symlink_to(ground.outside / "scene.tif")
    if suffix != ".gpkg":
        os.mkfifo(folder / "a00000002.gdbtable")
    source = {"rasters": ["scene.tif"], "region": folder.name}
    write_config(ground.folder / "config.yaml", source=source)


def _run(ground: Ground) -> None:
    shutil.copytree(ground.done, ground.folder / "run", dirs_exist_ok=True, symlinks=True)


@lru_cache(maxsize=1)
def _codes() -> bytes:
    """A good reference: a code of NLCD a pixel."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        codes = np.full((1, 64, 64), 41, np.uint8)
        codes[:, :, 32:] = 11
        return write_scene(Path(folder, "codes.tif"), codes).read_bytes()


_ACCURACY = ("accuracy", "run", "--scheme", "nlcd", "--reference")


def _reference(suffix: str, content: Callable[[Ground], bytes], ground: Ground) -> None:
    _run(ground)
    (ground.folder / f"reference{suffix}").write_bytes(content(ground))


def _references() -> Iterator[Case]:
    for seed in range(40):
        make = partial(_reference, ".tif", lambda g, s=seed: mutated(_codes(), s))
        yield Case("references", f"damaged {seed}", make, (*_ACCURACY, "reference.tif"), _NAMES)
    texts: dict[str, Callable[[Ground], bytes]] = {
        "virtual": lambda g: virtual(f"{g.outside}/scene.tif", 0).encode(),
        "server": lambda g: virtual(f"/vsicurl/{g.url}/a.tif", 0).encode(),
        "nothing": lambda g: b"",
        "large codes": lambda g: _raster(np.full((1, 64, 64), 2**31 - 1, np.int32)),
        "no numbers": lambda g: _raster(np.full((1, 64, 64), np.nan, np.float32)),
        "fractions": lambda g: _raster(np.full((1, 64, 64), 41.5, np.float64)),
        "all codes": lambda g: _raster(np.arange(4096, dtype=np.uint16).reshape(1, 64, 64)),
        "bands": lambda g: _raster(blobs(1, 64, 64)),
        "complex": lambda g: _raster(np.ones((1, 64, 64), np.complex64)),
        "names": lambda g: _raster(np.full((1, 64, 64), 41, np.uint8), names=["\x1b[2J"] * 256),
    }
    for what, content in texts.items():
        for suffix in (".tif", ".vrt", ".img", ".gpkg", ".geojson"):
            make = partial(_reference, suffix, content)
            command = (*_ACCURACY, f"reference{suffix}")
            yield Case("references", f"{what} as {suffix}", make, command, _NAMES)
    for what, properties in {
        "escapes": {"reference": "\x1b[2J"},
        "formula": {"reference": "=cmd|' /C calc'!A0"},
        "long": {"reference": "x" * 1_000_000},
        "number": {"reference": 1e300},
        "list": {"reference": [[[]]]},
        "nothing": {},
        "columns": {f"c{n}": n for n in range(3_000)},
    }.items():
        content = lambda g, p=properties: _points(p)
        make = partial(_reference, ".geojson", content)
        command = (*_ACCURACY, "reference.geojson")
        yield Case("references", f"points {what}", make, command, _NAMES)
    for what, target in {"pipe": None, "zero": "/dev/zero", "itself": "reference.tif"}.items():
        for suffix in (".tif", ".geojson", ".gpkg"):
            make = partial(_odd_reference, suffix, target)
            command = (*_ACCURACY, f"reference{suffix}")
            yield Case("references", f"{what} {suffix}", make, command, _NAMES)


def _raster(pixels: Any, names: list[str] | None = None) -> bytes:
    with rasterio.MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            dtype=pixels.dtype,
            count=pixels.shape[0],
            height=64,
            width=64,
            crs=_CRS,
            transform=rasterio.transform.from_origin(*_CORNER, 1, 1),
        ) as file:
            file.write(pixels)
            if names:
                file.update_tags(1, **{f"CATEGORY_{n}": name for n, name in enumerate(names)})
                file.set_band_description(1, names[0])
        return bytes(memory.read())


def _points(properties: dict[str, Any]) -> bytes:
    point = {"type": "Point", "coordinates": [_CORNER[0] + 5, _CORNER[1] - 5]}
    features = [{"type": "Feature", "properties": properties, "geometry": point}] * 3
    crs = {"type": "name", "properties": {"name": _CRS}}
    return json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}).encode()


def _odd_reference(suffix: str, target: str | None, ground: Ground) -> None:
    _run(ground)
    file = ground.folder / f"reference{suffix}"
    if target is None:
        os.mkfifo(file)
    else:
        file.symlink_to(target)


_SAMPLE = ("accuracy", "run", "--sample", "sample.gpkg")


@lru_cache(maxsize=1)
def _sample() -> geopandas.GeoDataFrame:
    """A sample of six points in two strata, as ``landcover sample`` draws it."""
    places = [shapely.Point(_CORNER[0] + 5 + 9 * n, _CORNER[1] - 5 - 9 * n) for n in range(6)]
    told = {
        "mapped": ["water", "trees"] * 3,
        "stratum": ["water", "trees"] * 3,
        "stratum_hectares": [0.2, 0.2096] * 3,
        "stratum_points": [3, 3] * 3,
        "map_hectares": [0.4096] * 6,
        "reference": ["water", "trees"] * 3,
    }
    return geopandas.GeoDataFrame(told, geometry=places, crs=_CRS)


def _samples() -> Iterator[Case]:
    for seed in range(40):
        yield Case("samples", f"damaged {seed}", partial(_damaged_sample, seed), _SAMPLE, _NAMES)
    values: tuple[Any, ...] = (
        *(None, "", "\x1b[2J\u202e", "=HYPERLINK(1)", "x" * 1_000_000, "../../x", "<script>"),
        *(-1, 0, 10**18, 1e300, float("nan"), float("inf"), True),
    )
    for column in ("stratum", "stratum_hectares", "stratum_points", "map_hectares", "reference"):
        for at, value in enumerate(values):
            make = partial(_one_value, column, value)
            yield Case("samples", f"{column} {at}", make, _SAMPLE, _NAMES)
    for what, points in {
        "no numbers": shapely.Point(float("nan"), float("nan")),
        "far": shapely.Point(1e300, -1e300),
        "empty": shapely.Point(),
        "line": shapely.LineString([(0, 0), (1, 1)]),
    }.items():
        yield Case("samples", f"points {what}", partial(_placed, points), _SAMPLE, _NAMES)
    for what, statements in _databases().items():
        make = partial(_sample_database, statements)
        yield Case("samples", f"database {what}", make, _SAMPLE, _NAMES)


def _put_sample(frame: geopandas.GeoDataFrame, ground: Ground) -> None:
    _run(ground)
    frame.to_file(ground.folder / "sample.gpkg", driver="GPKG", layer="sample")


def _damaged_sample(seed: int, ground: Ground) -> None:
    _put_sample(_sample(), ground)
    file = ground.folder / "sample.gpkg"
    file.write_bytes(mutated(file.read_bytes(), seed))


def _one_value(column: str, value: Any, ground: Ground) -> None:
    frame = _sample().copy()
    frame[column] = [value, *frame[column].tolist()[1:]]
    if len({type(one) for one in frame[column]}) > 1:
        frame[column] = frame[column].map(lambda one: one if one is None else str(one))
    _put_sample(frame, ground)


def _placed(point: Any, ground: Ground) -> None:
    frame = _sample().copy()
    frame.geometry = [point, *frame.geometry.tolist()[1:]]
    _put_sample(frame, ground)


def _sample_database(statements: tuple[str, ...], ground: Ground) -> None:
    _run(ground)
    (ground.folder / "sample.gpkg").write_bytes(_database(statements, ground))


def _zones() -> Iterator[Case]:
    """Zones of areas, and confusions that a comparison of dates reads."""
    command = ("areas", "run", "--by", "zones.geojson")
    for what, geometry in _geometries().items():
        make = partial(_put_zones, lambda g, one=geometry: _collection(one))
        yield Case("references", f"zones {what}", make, command, _NAMES)
    texts = (
        "",
        "{",
        "[]",
        '{"levels": 1}',
        "[" * 100_000,
        '{"a": NaN}',
        '"' + "x" * 50_000_000 + '"',
    )
    change = ("change", "run", "run", "-o", "changed", "--confusion", "zones.geojson")
    for at, text in enumerate(texts):
        make = partial(_put_zones, lambda g, t=text: t.encode())
        yield Case("references", f"confusion {at}", make, change, _NAMES)


def _put_zones(content: Callable[[Ground], bytes], ground: Ground) -> None:
    _run(ground)
    (ground.folder / "zones.geojson").write_bytes(content(ground))
