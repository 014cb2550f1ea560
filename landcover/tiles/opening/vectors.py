"""Vector files: which are opened, by their name and their content together.

OGR takes whatever driver thinks that a file is its own, and some of these read other files, ask servers or run
pipelines that a text names. So a file is given to OGR only where its first bytes are those of the format
that its name says.
"""

from __future__ import annotations

import mmap
import os
import re
import sqlite3
import zipfile
from contextlib import closing, suppress
from io import BytesIO
from pathlib import Path, PurePosixPath

from landcover.small_files import ZIP_FAILURES, open_regular
from landcover.stores.urls import is_remote
from landcover.tiles.opening.allowed import Refused
from landcover.tiles.opening.content import head_of, is_waitless, text_of
from landcover.tiles.opening.geojson import columns_objection, crs_objection

FORMATS = "GeoPackage (.gpkg), GeoJSON (.geojson, .json), shapefile (.shp, .zip), FlatGeobuf (.fgb), file geodatabase (.gdb) or GeoParquet"

# Of a file behind a URL, or in an archive once unpacked.
_MOST_BYTES = 1_000_000_000
_SHAPEFILE = (".shp", ".shx", ".dbf", ".prj", ".cpg", ".qix", ".sbn", ".sbx")
_SHP = (9994).to_bytes(4, "big")
# https://www.geopackage.org/spec140/#_file_format: the application ID of SQLite.
_GPKG = re.compile(rb"SQLite format 3\0.{52}(GPKG|GP10|GP11)", re.DOTALL)
# The first type that a text in JSON names, or coordinates that come before it, as in files with sorted keys;
# and what the others that OGR knows are told by.
_GEOJSON = re.compile(
    rb"(\xef\xbb\xbf)?\s*\{(.*?\"type\"\s*:\s*\"(FeatureCollection|Feature|GeometryCollection|"
    rb"(Multi)?(Point|LineString|Polygon))\"|"
    rb"\s*(\"features\"\s*:\s*\[\s*\{\s*)?(\"geometry\"\s*:\s*\{\s*)?\"coordinates\"\s*:\s*\[)",
    re.DOTALL,
)
# Views but for those that GDAL 1 wrote and that are no layers, tables of modules but for the index of places, computed columns.
_COMPUTED = r"""
    SELECT name FROM sqlite_master AS made
    WHERE type = 'view' AND (name NOT LIKE 'st\_%' ESCAPE '\' AND name NOT LIKE 'vector\_layers%' ESCAPE '\'
       OR lower(name) IN (SELECT lower(table_name) FROM gpkg_contents))
    OR type = 'table' AND sql LIKE 'create virtual%' AND sql NOT LIKE '%using%rtree%'
    OR CASE WHEN type = 'table' AND sql NOT LIKE 'create virtual%'
       THEN EXISTS (SELECT 1 FROM pragma_table_xinfo(made.name) WHERE hidden IN (2, 3)) END
"""
# Bytes that readers may make room for by what a file says of its features: so many, or so many times its own.
_LEAST_ROOM, _TIMES = 2**27, 20
_NO_GEOJSON = re.compile(rb"gdal_streamed_alg|<OGRVRT")
# Tables and locks, and what systems' file managers leave in any folder.
_GDB = re.compile(
    r"(a[0-9a-f]{8}\..+|gdb|timestamps|.*\.lock|\._.+|\.DS_Store|Thumbs\.db|desktop\.ini)",
    re.IGNORECASE,
)


def vector_file(path: str) -> str | bytes:
    """A vector file as OGR may be given it: its path, or its content where it lies behind a URL.

    Raises:
        OSError: it cannot be read, or is none of :data:`FORMATS`.
    """
    suffix = PurePosixPath(path.rstrip("/")).suffix.lower()
    if suffix == ".gdb" and not is_remote(path):
        _check_geodatabase(path)
        return path
    if not is_remote(path):
        _check_beside(path)
    content = text_of(path, _MOST_BYTES) if is_remote(path) or suffix == ".zip" else None
    head = head_of(path) if content is None else content
    if head is None:
        raise Refused("there is no such file")
    if suffix == ".zip" and content is not None:
        return _shapefile_in(content)
    if not _is(suffix, head):
        raise Refused(
            f"is none of the formats that are allowed, by its name and content: {FORMATS}"
        )
    if suffix == ".gpkg":
        _check_geopackage(path if content is None else content)
    if suffix in (".geojson", ".json"):
        _check_geojson(path if content is None else content)
    if suffix in (".parquet", ".geoparquet"):
        _check_geoparquet(path if content is None else content)
    return path if content is None else content


def check_room(source: str | bytes, layer: str | None = None) -> None:
    """Refuse a file that says that it has many more features than it can hold: readers make room for as many.

    Args:
        source: as of :func:`vector_file`.
        layer: that is to be read; None: the first.

    Raises:
        Refused: it does.
        RuntimeError, ValueError: OGR cannot read it.
    """
    import pyogrio

    told = pyogrio.read_info(source, layer=layer)
    # The number of a feature, its geometry, and its columns.
    room = 8 * int(told["features"]) * (2 + len(told["fields"]))
    size = len(source) if isinstance(source, bytes) else _size_of(source)
    if room > max(_LEAST_ROOM, _TIMES * size):
        raise Refused(f"says that it has {told['features']:,} features, in {size:,} bytes")


def _size_of(path: str) -> int:
    """Bytes of a file, or of all in a folder."""
    parts = [entry.stat() for entry in os.scandir(path)] if os.path.isdir(path) else [os.stat(path)]  # noqa: PTH112, PTH116
    return sum(part.st_size for part in parts)


def _is(suffix: str, head: bytes) -> bool:
    """Whether a file that begins so is what its suffix says."""
    match suffix:
        case ".gpkg":
            return _GPKG.match(head) is not None
        case ".geojson" | ".json":
            return _GEOJSON.match(head) is not None and not _NO_GEOJSON.search(head)
        case ".shp":
            return head.startswith(_SHP)
        case ".fgb":
            return head.startswith(b"fgb\x03fgb")
        case ".parquet" | ".geoparquet":
            return head.startswith(b"PAR1")
    return False


def _check_beside(path: str) -> None:
    """Check that no pipes or devices lie beside a file under its own name, as its index, its journal or its text.

    Raises:
        Refused: naming one.
    """
    folder, name = os.path.split(path)
    stem = name.partition(".")[0]
    with suppress(FileNotFoundError, NotADirectoryError):
        for one in os.listdir(folder or "."):  # noqa: PTH208  (names alone)
            beside = os.path.join(folder, one)  # noqa: PTH118
            if one.startswith((f"{stem}.", name)) and not is_waitless(beside):
                raise Refused(f"is read with {one}, which is no regular file")


def _check_geojson(source: str | bytes) -> None:
    """Refuse GeoJSON whose CRS is a link, as OGR asks the server that it names, or that has too many columns.

    Raises:
        Refused: it is, or is none that can be read.
    """
    if isinstance(source, bytes):
        reason = columns_objection(source) or crs_objection(source)
    else:
        with (
            open_regular(source) as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            reason = columns_objection(data) or crs_objection(data)
    if reason is not None:
        raise Refused(reason)


def _check_geopackage(source: str | bytes) -> None:
    """Refuse a GeoPackage that computes what it says: it may do so without end.

    Raises:
        Refused: a table of it is a view, is made by a module of SQLite's, or has computed columns.
    """
    try:
        with closing(_database(source)) as database:
            found = database.execute(_COMPUTED).fetchone()
    except (sqlite3.Error, UnicodeError) as error:
        raise Refused(f"is no GeoPackage that can be read: {error}") from None
    if found is not None:
        raise Refused(f"computes its table {found[0]!r}: store what it holds in plain columns")


def _database(source: str | bytes) -> sqlite3.Connection:
    if isinstance(source, str):
        where = f"{Path(source).absolute().as_uri()}?mode=ro"
        return sqlite3.connect(where, uri=True)
    database = sqlite3.connect(":memory:")
    database.deserialize(source)
    return database


def _check_geoparquet(source: str | bytes) -> None:
    """Refuse GeoParquet a few bytes of which stand for gigabytes.

    Raises:
        Refused: they do, or it is none that can be read.
    """
    from landcover.plain_parquet import UNREADABLE, check_texts, told

    try:
        with BytesIO(source) if isinstance(source, bytes) else open_regular(source) as file:
            check_texts(file)
    except UNREADABLE as error:
        raise Refused(f"is no GeoParquet that can be read: {told(error)}") from None


def _check_geodatabase(path: str) -> None:
    names = os.listdir(path)  # noqa: PTH208  (names alone)
    strange = [name for name in names if not _GDB.fullmatch(name)]
    if strange or not names or not all(Path(path, name).is_file() for name in names):
        raise Refused(f"is no file geodatabase: it holds {strange[0] if strange else 'no tables'}")


def _is_of_shapefile(name: str) -> bool:
    """Whether a file of an archive is one of a shapefile, and none of the notes that macOS adds about each."""
    last = PurePosixPath(name).name.lower()
    return last.endswith(_SHAPEFILE) and not last.startswith("._")


def _shapefile_in(content: bytes) -> bytes:
    """An archive with nothing but the parts of the shapefiles in another one.

    Raises:
        Refused: it holds none, or is larger than such files are once unpacked.
    """
    kept = BytesIO()
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive, zipfile.ZipFile(kept, "w") as parts:
            found = [one for one in archive.infolist() if _is_of_shapefile(one.filename)]
            if sum(one.file_size for one in found) > _MOST_BYTES:
                raise Refused(f"unpacks to more than {_MOST_BYTES:,} bytes")
            for one in found:
                with archive.open(one) as part:
                    data = part.read(one.file_size)
                name = PurePosixPath(one.filename).name
                if name.lower().endswith(".shp") and not data.startswith(_SHP):
                    raise Refused(f"holds {name}, which is no shapefile")
                parts.writestr(name, data)
    except Refused:
        raise
    except ZIP_FAILURES as error:
        reason = f"is no archive that can be read: {error}"
    else:
        held = any(one.filename.lower().endswith(".shp") for one in found)
        reason = "" if held else "holds no .shp"
    if reason:
        raise Refused(reason)
    return kept.getvalue()
