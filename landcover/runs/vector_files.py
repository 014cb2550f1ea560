"""Files of points and polygons, which libraries write: read back before they are given their names."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pyogrio
import shapely

from landcover.errors import LandcoverError, OutputError
from landcover.local_files import flush_folder, with_remedy

_LOOK = "look whether there is room and the disk is well, then give the same command again"


@dataclass(eq=False)
class Rows:
    """How many rows a file is meant to have, and a sum over their geometries, whatever their order.

    Files with an index (FlatGeobuf) hold rows in another order than they were given.
    """

    count: int = 0
    total: int = 0

    def add(self, shapes: Iterable[bytes]) -> None:
        """Count rows by their geometries, as WKB in little endian."""
        for shape in shapes:
            self.count += 1
            self.total += zlib.crc32(shape)


def read_back(path: Path, meant: Rows) -> None:
    """Make sure that a file holds what was meant.

    Raises:
        OSError: it does not; or whatever libraries raise, where it cannot be read at all.
    """
    found = Rows()
    for shapes in _shapes(path):
        found.add(shapes)
    if (found.count, found.total) != (meant.count, meant.total):
        raise OSError("what is read back is not what was written")
    if path.suffix.lower() == ".gpkg":
        _check_beside_rows(path, meant.count)


def _check_beside_rows(path: Path, rows: int) -> None:
    """Make sure that a GeoPackage has what GDAL makes last, and does not say where it could not.

    Raises:
        OSError: it has not.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
        if _has_all_beside_rows(file, rows):
            return
    if "tensorflow" in takewhile(lambda name: name != "pyogrio", sys.modules):
        reason = (
            "TensorFlow was imported before GDAL, which then works with its SQLite, and that knows "
            "no index of places: import pyogrio before tensorflow"
        )
        raise OSError(errno.ENOTSUP, reason)
    raise OSError("what is read back has lost its index, its extent, its count or its triggers")


def _has_all_beside_rows(file: sqlite3.Connection, rows: int) -> bool:
    [(table, column)] = file.execute("SELECT table_name, column_name FROM gpkg_geometry_columns")
    index = f"rtree_{table}_{column}"
    changes = ("insert", "update2", "update4", "delete")  # others have names of their version
    wanted = {"gpkg_extensions", "gpkg_ogr_contents", index, *(f"{index}_{one}" for one in changes)}
    wanted |= {f"trigger_{done}_feature_count_{table}" for done in ("insert", "delete")}
    if wanted - {name for (name,) in file.execute("SELECT name FROM sqlite_master")}:
        return False
    [extent] = file.execute("SELECT min_x, min_y, max_x, max_y FROM gpkg_contents")
    counts = file.execute("SELECT feature_count FROM gpkg_ogr_contents").fetchall()
    told = file.execute("SELECT extension_name FROM gpkg_extensions").fetchall()
    return (
        (None not in extent or not rows) and counts == [(rows,)] and ("gpkg_rtree_index",) in told
    )


def publish(temporary: Path, path: Path) -> None:
    """Give a whole file its name, once the disk holds it."""
    handle = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    temporary.replace(path)
    flush_folder(path.parent)


def write_frame(frame: Any, path: Path, where: str) -> None:
    """Write a GeoDataFrame and read it back.

    Args:
        frame: which.
        path: ``.gpkg``, whose layer is called as the file at ``where``, or ``.parquet``.
        where: the file that it will be, for messages.

    Raises:
        OutputError: it cannot be written.
    """
    meant = Rows()
    meant.add(shapely.to_wkb(frame.geometry.to_numpy(), byte_order=1))
    with written(where):
        if path.suffix == ".parquet":
            with path.open("wb") as file:
                frame.to_parquet(file, compression="zstd")
        else:
            frame.to_file(path, driver="GPKG", layer=Path(where).stem)
        read_back(path, meant)


@contextmanager
def written(where: str) -> Iterator[None]:
    """Turn what any of several libraries raises into an error that says which file it is about."""
    try:
        yield
    except (LandcoverError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            said = with_remedy(error)
        else:  # libraries tell a full disk in words of their own, behind what they asked SQLite for
            said = f"{' '.join(str(error).split()).rpartition(' failed: ')[2]}: {_LOOK}"
        raise OutputError(where, f"cannot be written: {said}") from error


def _shapes(path: Path) -> Iterator[Iterable[bytes]]:
    if path.suffix.lower() == ".parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["geometry"]):
                yield batch.column(0).to_pylist()
        return
    with pyogrio.open_arrow(path, columns=[], use_pyarrow=True) as (meta, reader):
        if not meta["crs"]:  # GDAL does not say where it could not write that
            raise OSError("what is read back has lost its CRS")
        name = meta["geometry_name"] or "wkb_geometry"
        for batch in reader:
            yield batch.column(batch.schema.names.index(name)).to_pylist()
