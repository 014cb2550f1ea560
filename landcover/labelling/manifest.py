"""The manifest of labelled tiles: the parts of all tasks as one GeoParquet file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from landcover.classes import Scheme
from landcover.errors import OutputError
from landcover.labelling.checking import SIZE, lines_in
from landcover.labelling.folder import TABLE, Prepared
from landcover.local_files import scratch_file
from landcover.plain_parquet import UNREADABLE, told
from landcover.runs.geoparquet import check_polygons, geo_metadata

_CHUNK = 2**22
# Lines of a row group, and about how many are held in memory.
_LINES = 2**16


def write_table(folder: Prepared, indices: Iterable[int], crs: str, scheme: Scheme) -> None:
    """Write the manifest, in the order of the plan.

    Args:
        folder: where the parts are, and the manifest goes.
        indices: of all tasks, in their order.
        crs: of the outlines.
        scheme: the classes.

    Raises:
        OutputError: if a part cannot be read, or the manifest cannot be written.
    """
    with scratch_file() as file:
        parts = (folder.part("tiles", index, scheme) for index in indices)
        _collect(parts, crs, file)
        file.seek(0)
        folder.storage.put_chunks(TABLE, iter(lambda: file.read(_CHUNK), b""))


def read_table(folder: Prepared) -> Iterator[pa.Table]:
    """The manifest, some lines at a time.

    Raises:
        OutputError: if it cannot be read.
    """
    try:
        with folder.storage.open(TABLE) as opened:
            for table in lines_in(opened).pieces():
                check_polygons(table["geometry"].to_pylist())
                yield table
    except UNREADABLE as error:
        raise OutputError(folder.storage.where(TABLE), f"cannot be read: {told(error)}") from error


def _collect(parts: Iterable[pa.Table], crs: str, file: IO[bytes]) -> None:
    """Put parts together; the bounds of all are known last, and stand at the end of the file."""
    writer: pq.ParquetWriter | None = None
    bounds: list[object] = []
    for table in _gathered(parts):
        if writer is None:
            writer = pq.ParquetWriter(file, table.schema, compression="zstd")
        if table.num_rows:
            writer.write_table(table, row_group_size=_LINES)
            outlines = shapely.from_wkb(table.column("geometry").to_numpy())
            bounds.append(shapely.total_bounds(outlines))
    if writer is not None:
        every = np.array(bounds, np.float64).reshape(-1, 4)
        writer.add_key_value_metadata({"geo": geo_metadata(crs, every).decode()})
        writer.close()


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables of few lines as some of many."""
    held: list[pa.Table] = []
    lines = 0
    for table in tables:
        held.append(table.drop_columns([SIZE]).replace_schema_metadata(None))
        lines += table.num_rows
        if lines >= _LINES:
            yield pa.concat_tables(held)
            held, lines = [], 0
    if held:
        yield pa.concat_tables(held)
