"""Zones: polygons of a vector file, burnt into blocks of a map at the centres of pixels."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from rasterio.features import rasterize

from landcover.analysis.map_blocks import Block
from landcover.analysis.sample_table import class_order
from landcover.classes import LONGEST_NAME
from landcover.errors import MissingExtra, SourceError
from landcover.runs.map_format.grid import MapGrid
from landcover.small_files import load_json
from landcover.tiles.opening import check_room, vector_file
from landcover.tiles.reprojection import in_crs

if TYPE_CHECKING:
    import geopandas as gpd

_NAME = "name"
_PARQUET = (".parquet", ".geoparquet")


@dataclass(frozen=True, eq=False)
class Zones:
    """Polygons with names.

    Args:
        names: one a zone, no two the same.
        shapes: a polygon, or several, a zone.
    """

    names: list[Any]
    shapes: gpd.GeoSeries
    _placed: dict[str, gpd.GeoSeries] = field(default_factory=dict)

    def within(self, block: Block) -> Iterator[tuple[int, tuple[slice, slice], Any]]:
        """The zones that have pixels in a block.

        Yields:
            which zone; the rows and columns of the block around it; and where in these the centre of
            a pixel is inside of it, dims (y, x).
        """
        shapes = self._in_crs(block.grid.crs)
        for number in shapes.sindex.query(shapely.box(*block.part.bounds)).tolist():
            shape = shapes.iloc[number]
            box = _pixels(shape.bounds, block.part)
            if box is None:
                continue
            rows, cols = box
            size = rows.stop - rows.start, cols.stop - cols.start
            placed = block.transform * block.transform.translation(cols.start, rows.start)
            inside = rasterize([shape], out_shape=size, transform=placed, dtype=np.uint8)
            if inside.any():
                yield number, (rows, cols), inside.astype(np.bool_)

    def _in_crs(self, crs: str) -> gpd.GeoSeries:
        if crs not in self._placed:
            self._placed[crs] = in_crs(self.shapes, crs)
        return self._placed[crs]


def read_zones(path: str | os.PathLike[str], field: str | None = None) -> Zones:
    """Read zones from a vector file.

    Args:
        path: what OGR reads (GeoPackage, GeoJSON, shapefile, FlatGeobuf), with polygons in any CRS.
        field: the column that names a zone; those of one name are one zone. None: "name", in
            whatever case, else zones are numbered from 1 in the order of the file.

    Raises:
        MissingExtra: if geopandas is not installed.
        SourceError: if the file cannot be read, has no CRS or no polygons, or no such column.
    """
    frame = read_vectors(path, "zones")
    kinds = set(frame.geometry.geom_type)
    if not kinds <= {"Polygon", "MultiPolygon"}:
        raise SourceError(
            str(path), f"has {', '.join(sorted(map(str, kinds)))}: zones are polygons"
        )
    invalid = int((~frame.geometry.is_valid).sum())
    if invalid:
        reason = f"has {invalid} polygons that cross themselves: mend them first (in QGIS: Fix geometries)"
        raise SourceError(str(path), reason)
    column = named_column(path, frame, field, (_NAME,), "a zone")
    names = frame[column] if column is not None else range(1, len(frame) + 1)
    merged = frame[["geometry"]].assign(zone=names).dissolve("zone", sort=False)
    order = class_order(merged.index) if column is None else list(merged.index)
    return Zones(order, merged.geometry.loc[order])


def read_vectors(path: str | os.PathLike[str], what: str) -> gpd.GeoDataFrame:
    """Read a vector file with a CRS and at least one geometry.

    Raises:
        MissingExtra: if geopandas is not installed.
        SourceError: if it cannot be read, has no CRS, or nothing in it.
    """
    try:
        import geopandas
    except ModuleNotFoundError as error:
        raise MissingExtra(what, "report", "geopandas") from error
    try:
        found = vector_file(str(path))
        source = BytesIO(found) if isinstance(found, bytes) else found
        # GDAL comes without its reader of GeoParquet.
        is_parquet = PurePosixPath(str(path)).suffix.lower() in _PARQUET
        if not is_parquet:
            check_room(found)
        frame = _from_parquet(source) if is_parquet else geopandas.read_file(source)
    except Exception as error:
        said = " ".join(str(error).split())
        raise SourceError(str(path), f"cannot be read as a vector file: {said}") from error
    if not isinstance(frame, geopandas.GeoDataFrame) or not len(frame):
        raise SourceError(str(path), f"has no geometries: expected {what}")
    if frame.crs is None:
        raise SourceError(str(path), "has no CRS: set it first, as in QGIS or with ogr2ogr -a_srs")
    if frame.geometry.isna().any() or frame.geometry.is_empty.any():
        raise SourceError(str(path), "has rows without a geometry: remove them first")
    return frame


def _from_parquet(source: str | BytesIO) -> gpd.GeoDataFrame:
    """GeoParquet as other formats are read: columns that are no lists, and outlines called "geometry"."""
    import geopandas

    schema = pq.read_schema(source)
    place = load_json((schema.metadata or {})[b"geo"])["primary_column"]
    flat = [f.name for f in schema if f.name == place or not pa.types.is_nested(f.type)]
    frame = geopandas.read_parquet(source, columns=flat)
    return frame if place == "geometry" else frame.rename_geometry("geometry")


def places_of(frame: gpd.GeoDataFrame) -> tuple[Any, Any, Any]:
    """x and y of points, dims (point,), and their CRS."""
    return frame.geometry.x.to_numpy(), frame.geometry.y.to_numpy(), frame.crs


def named_column(
    path: str | os.PathLike[str],
    frame: gpd.GeoDataFrame,
    field: str | None,
    usual: tuple[str, ...],
    what: str,
) -> str | None:
    """The column of a vector file that is meant.

    Args:
        path: of the file, for messages.
        frame: what it holds.
        field: the column's name as it was given; None: one of ``usual`` where there is one.
        usual: in the order of preference, in whatever case.
        what: what it names, for messages.

    Raises:
        SourceError: if there is no such column, or it has gaps, or names longer than
            :data:`~landcover.classes.LONGEST_NAME`.
    """
    columns = [str(name) for name in frame.columns if name != frame.geometry.name]
    if field is None:
        known = {name.casefold(): name for name in reversed(columns)}
        field = next((known[name] for name in usual if name in known), None)
    elif field not in columns:
        listed = ", ".join(map(repr, columns)) or "none"
        raise SourceError(str(path), f"has no column {field!r} to name {what}: there is {listed}")
    if field is not None and frame[field].isna().any():
        raise SourceError(str(path), f"has gaps in column {field!r}, which names {what}")
    longest = 0 if field is None else max(len(str(name)) for name in frame[field])
    if longest > LONGEST_NAME:
        reason = f"names {what} by {longest:,} characters in column {field!r}; the most is {LONGEST_NAME}"
        raise SourceError(str(path), f"{reason}: name another column")
    return field


def _pixels(bounds: tuple[float, ...], grid: MapGrid) -> tuple[slice, slice] | None:
    """The rows and columns of a grid that a box touches; None where there are none."""
    xmin, ymin, xmax, ymax = bounds
    cols, rows = zip(grid.pixel(xmin, ymin), grid.pixel(xmax, ymax), strict=True)
    row0, row1 = max(0, math.floor(min(rows))), min(grid.height, math.ceil(max(rows)))
    col0, col1 = max(0, math.floor(min(cols))), min(grid.width, math.ceil(max(cols)))
    return (slice(row0, row1), slice(col0, col1)) if row0 < row1 and col0 < col1 else None
