"""The map of a run as polygons in a file that GIS programs open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely

from landcover.analysis.map_blocks import MapView, Progress, map_views, no_progress
from landcover.analysis.polygons import Polygons, polygons
from landcover.contracts import Backend
from landcover.errors import ConfigError, OutputError
from landcover.local_files import TEMPORARY, scratch
from landcover.runs.directory import RunDirectory
from landcover.runs.geoparquet import geo_metadata
from landcover.runs.map_format.qgis import polygon_style, style_geopackage
from landcover.runs.storage import Storage
from landcover.runs.vector_files import Rows, publish, read_back, written
from landcover.tiles.reprojection import transformer_between

_HECTARE = 10_000.0  # square metres
_DRIVERS = {".gpkg": "GPKG", ".fgb": "FlatGeobuf", ".parquet": None}
_BATCH = 2**25  # bytes of polygons that are written at once
_CORNER, _POLYGON = 16, 500  # bytes of a corner, and of a polygon besides its corners
_SCHEMA = pa.schema(
    [
        ("class", pa.string()),
        ("code", pa.int32()),
        ("pixels", pa.int64()),
        ("hectares", pa.float64()),
        ("geometry", pa.binary()),
    ]
)


def vectorize(
    run: RunDirectory,
    output: str | os.PathLike[str],
    minimum: float = 0.0,
    progress: Progress = no_progress,
    pool: Backend | None = None,
) -> pd.DataFrame:
    """Write the map of a run as polygons, one for each connected area of a class.

    Pixels of a class that share a side belong to one polygon, wherever tasks, tiles, scenes or blocks
    of the file end; pixels that touch at a corner only do not. Outlines follow the sides of pixels, so
    that the polygons rasterized on the map's grid are the map again. Polygons are valid by OGC's
    Simple Features, with holes; together they cover what has a class, once. Areas in hectares are
    those on the ground, as :func:`landcover.analysis.areas.areas` has them.

    The map is read in strips and a polygon is written when its lowest row has been read: what is kept
    in memory are the outlines of those that go on. Where scenes lie too far apart for one map, the
    polygons are those of each scene's map, in the CRS of the first.

    Args:
        run: the directory of a run that is done, with a map.
        output: a local file, ``.gpkg`` (GeoPackage), ``.parquet`` (GeoParquet) or ``.fgb``
            (FlatGeobuf); one that is there is replaced. QGIS shows it in the colours of the classes:
            the GeoPackage holds a style, beside the others lies a ``.qml``. The columns are
            ``class``, ``code``, ``pixels`` (of the map), ``hectares`` and ``geometry``.
        minimum: square metres; smaller areas are left out.
        progress: called with how many rows of the map are done, and how many there are.
        pool: whose workers read the map and follow outlines, which this process puts together and
            writes; None: it does it all.

    Returns:
        a row a class, in the order of the scheme, indexed by ``class``, with ``code``, ``polygons``,
        ``pixels`` and ``hectares`` of what was written.

    Raises:
        ConfigError: if the file is of another kind, or the minimum negative.
        OutputError: if the run is not done or has no map, it cannot be read, the file cannot be
            written, or a polygon has more corners than a file of these kinds can hold.
    """
    path = Path(output)
    if path.suffix.lower() not in _DRIVERS:
        raise ConfigError([f"{path.name} is none of {', '.join(_DRIVERS)}"], "the file of polygons")
    if not minimum >= 0:
        raise ConfigError([f"{minimum} square metres are none"], "the smallest area")
    with map_views(run) as views:
        if not path.parent.is_dir():
            raise OutputError(str(path.parent), "is no folder: make it first")
        polygons_of = _Written(views, minimum, progress, pool)
        with scratch(path.parent, TEMPORARY) as folder, written(str(path)):
            beside = _write(run, views, polygons_of, folder / path.name)
            for name, content in beside.items():
                Storage(str(path.parent)).put(name, content)
            publish(folder / path.name, path)
    return polygons_of.table()


def _write(
    run: RunDirectory, views: list[MapView], polygons_of: _Written, path: Path
) -> dict[str, bytes]:
    """Write the polygons; return what belongs beside the file, by name."""
    driver, style = _DRIVERS[path.suffix.lower()], polygon_style(run.scheme)
    try:
        if driver is None:
            _write_parquet(views, polygons_of, path)
        else:
            _write_layer(views, polygons_of, path, driver)
    except Exception:
        if polygons_of.error is not None:  # else in the words of a library
            raise polygons_of.error from None
        raise
    read_back(path, polygons_of.rows)
    if driver == "GPKG":
        style_geopackage(path, path.stem, style)
        return {}
    return {f"{path.stem}.qml": style}


def _write_parquet(views: list[MapView], polygons_of: _Written, path: Path) -> None:
    crs = views[0].grid.crs
    bounds = np.array([view.grid.bounds for view in views if view.grid.crs == crs])
    schema = _SCHEMA.with_metadata({b"geo": geo_metadata(crs, bounds)})
    # Through a file of Python's, as Arrow's own say in a second line that closing them failed, too.
    with path.open("wb") as whole, pq.ParquetWriter(whole, schema, compression="zstd") as file:
        for batch in polygons_of.batches():
            file.write_batch(batch.replace_schema_metadata(schema.metadata))


def _write_layer(views: list[MapView], polygons_of: _Written, path: Path, driver: str) -> None:
    pyogrio.write_arrow(
        pa.RecordBatchReader.from_batches(_SCHEMA, polygons_of.caught()),
        path,
        layer=path.stem,
        driver=driver,
        geometry_name="geometry",
        geometry_type="Polygon",
        crs=views[0].grid.crs,
    )


@dataclass(eq=False)
class _Written:
    """The polygons of some maps on their way into a file, and how many there were."""

    views: list[MapView]
    minimum: float
    progress: Progress
    pool: Backend | None
    error: Exception | None = None
    rows: Rows = field(default_factory=Rows)
    sums: npt.NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.sums = np.zeros((3, len(self.views[0].run.scheme)))

    def table(self) -> pd.DataFrame:
        scheme = self.views[0].run.scheme
        polygons, pixels = self.sums[:2].astype(np.int64)
        columns = {"code": scheme.codes, "polygons": polygons, "pixels": pixels}
        columns["hectares"] = self.sums[2]
        return pd.DataFrame(columns, index=pd.Index(scheme.names, name="class"))

    def caught(self) -> Iterator[pa.RecordBatch]:
        """The batches, where a library would make a text of an error."""
        try:
            yield from self.batches()
        except Exception as error:
            self.error = error
            raise

    def batches(self) -> Iterator[pa.RecordBatch]:
        scheme = self.views[0].run.scheme
        names, codes = np.array(scheme.names, object), np.array(scheme.codes, np.int32)
        for batch in self._gathered():
            hectares = batch.metres / _HECTARE
            for total, values in zip(self.sums, (None, batch.pixels, hectares), strict=True):
                total += np.bincount(batch.classes, values, len(scheme))
            shapes = shapely.to_wkb(batch.shapes, byte_order=1)
            self.rows.add(shapes)
            columns = [
                pa.array(names[batch.classes], pa.string()),
                pa.array(codes[batch.classes]),
                pa.array(batch.pixels, pa.int64()),
                pa.array(hectares),
                pa.array(shapes, pa.binary()),
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)

    def _gathered(self) -> Iterator[Polygons]:
        """So many polygons at once that writing them is worth a call."""
        waiting: list[Polygons] = []
        size = 0
        for some in self._polygons():
            waiting.append(some)
            corners = int(shapely.get_num_coordinates(some.shapes).sum())
            size += _CORNER * corners + _POLYGON * len(some.shapes)
            if size >= _BATCH:
                yield _joined(waiting)
                waiting, size = [], 0
        if waiting:
            yield _joined(waiting)

    def _polygons(self) -> Iterator[Polygons]:
        total, before = sum(view.grid.height for view in self.views), 0
        crs = self.views[0].grid.crs
        for view in self.views:
            first = before

            def progress(done: int, _: int, first: int = first) -> None:
                self.progress(first + done, total)

            for some in polygons(view, progress, self.pool):
                yield _in_crs(some.where(some.metres >= self.minimum), view.grid.crs, crs)
            before += view.grid.height


def _joined(parts: list[Polygons]) -> Polygons:
    return Polygons(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _in_crs(some: Polygons, own: str, wanted: str) -> Polygons:
    if own == wanted:
        return some
    moved: Any = shapely.transform(
        some.shapes, transformer_between(own, wanted).transform, interleaved=False
    )
    return some._replace(shapes=moved)
