"""Files of points and polygons, which libraries write: read back before they are given their names."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pyogrio
import shapely

from landcover.errors import LandcoverError, OutputError
from landcover.local_files import flush_folder


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
        raise OSError(errno.EIO, "what is read back is not what was written")


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
            frame.to_parquet(path, compression="zstd")
        else:
            frame.to_file(path, driver="GPKG", layer=Path(where).stem)
        read_back(path, meant)


@contextmanager
def written(where: str) -> Iterator[None]:
    """Turn what any of several libraries raises into an error that says which file it is about."""
    try:
        yield
    except LandcoverError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise OutputError(where, f"cannot be written: {said}") from error


def _shapes(path: Path) -> Iterator[Iterable[bytes]]:
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["geometry"]):
                yield batch.column(0).to_pylist()
        return
    with pyogrio.open_arrow(path, columns=[], use_pyarrow=True) as (meta, reader):
        if not meta["crs"]:  # GDAL does not say where it could not write that
            raise OSError(errno.EIO, "what is read back has lost its CRS")
        name = meta["geometry_name"] or "wkb_geometry"
        for batch in reader:
            yield batch.column(batch.schema.names.index(name)).to_pylist()
