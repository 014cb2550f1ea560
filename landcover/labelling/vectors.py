"""Points and polygons with a class each, as a reference: labels that people have made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from landcover.analysis.reference import classes_named
from landcover.analysis.zones import named_column, read_vectors
from landcover.classes import Scheme
from landcover.errors import OutputError, SourceError
from landcover.labelling.reference import Coordinates, Opened, places_of
from landcover.labelling.rules import REASONS, Asked, Labels, Legend, Places, label
from landcover.runs.storage import Storage
from landcover.runs.tables import encoded
from landcover.tiles.grid import Block, Size
from landcover.tiles.rasters.scene import Scene
from landcover.tiles.reprojection import transformer_between
from landcover.tiles.states import digest_of

_SUFFIXES = {
    ".gpkg",
    ".geojson",
    ".json",
    ".shp",
    ".zip",
    ".fgb",
    ".gdb",
    ".parquet",
    ".geoparquet",
}
_USUAL = ("reference", "label", "class")
_POINTS, _POLYGONS = {"Point"}, {"Polygon", "MultiPolygon"}
# Places along the side of a tile at which polygons are looked at for a majority.
_STEPS = 16
_NO_REFERENCE = -1 - REASONS.index("no reference")


@dataclass(frozen=True, eq=False)
class Shapes:
    """Points or polygons.

    Args:
        geometry: dims (shape,).
        classes: of each, an index into the scheme of the reference.
        crs: that they are in.
    """

    geometry: Any
    classes: Any
    crs: str

    @property
    def points(self) -> bool:
        """Whether they are points, and not polygons."""
        return bool(shapely.get_type_id(self.geometry[0]) == shapely.GeometryType.POINT)


def read_shapes(path: str, field: str | None, references: Scheme) -> Shapes:
    """Read a vector file with a column of classes.

    Args:
        path: what OGR reads, or GeoParquet.
        field: the column, None: "reference", "label" or "class".
        references: the scheme of the classes, by name or code.

    Raises:
        MissingExtra: if geopandas is not installed.
        SourceError: if it cannot be read, or has neither points nor polygons, or no such column, or a
            class that is none.
    """
    frame = read_vectors(path, "points or polygons with a class each")
    kinds = {str(kind) for kind in frame.geometry.geom_type}
    if not (kinds <= _POINTS or kinds <= _POLYGONS):
        reason = f"has {', '.join(sorted(kinds))}: a reference is made of points, or of polygons"
        raise SourceError(path, reason)
    if not np.isfinite(shapely.get_coordinates(frame.geometry)).all():
        raise SourceError(path, "has coordinates that are no numbers: remove their rows first")
    if not frame.geometry.is_valid.all():
        raise SourceError(
            path, "has polygons that cross themselves: mend them (in QGIS: Fix geometries)"
        )
    column = named_column(path, frame, field, _USUAL, "the class")
    if column is None:
        listed = ", ".join(map(repr, _USUAL))
        raise SourceError(
            path, f"has no column {listed}: name the one that has the classes (reference.field)"
        )
    names = classes_named(path, frame[column].tolist(), references)
    index = np.array([references.names.index(name) for name in names], np.int16)
    return Shapes(frame.geometry.to_numpy(), index, frame.crs.to_wkt())


def is_vector(path: str) -> bool:
    """Whether a file is one of points or polygons, by its name."""
    return PurePosixPath(path.rstrip("/")).suffix.lower() in _SUFFIXES


def put_shapes(storage: Storage, name: str, shapes: Shapes) -> str:
    """Write shapes where workers find them.

    Returns:
        a digest of what was written.

    Raises:
        OutputError: if they cannot be written.
    """
    wkb = pa.array(list(shapely.to_wkb(shapes.geometry)), pa.binary())
    table = pa.table({"geometry": wkb, "class": pa.array(shapes.classes)})
    content = encoded(table.replace_schema_metadata({"crs": shapes.crs}))
    storage.put(name, content)
    return digest_of(content)


@dataclass(frozen=True)
class VectorReference:
    """Points or polygons with a class each, in any CRS.

    A tile has the class of the points in it, if all are of one. Polygons are looked at at places in
    the tile, as a raster is; a place in polygons of several classes is of none.

    Args:
        storage: of the folder that holds them.
        name: of their file there.
        digest: of its content.
        legend: which classes of tiles theirs stand for.
        asked: at which places polygons are looked at.
    """

    storage: Storage
    name: str
    digest: str
    legend: Legend
    asked: Asked

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """The shapes, which a process reads once."""
        yield _OpenShapes(self, *_read(self.storage, self.name, self.digest))


@dataclass(frozen=True)
class _OpenShapes:
    reference: VectorReference
    shapes: Shapes
    tree: shapely.STRtree

    def labels(self, scene: Scene, block: Block) -> Labels:
        shape = block.row1 - block.row0, block.col1 - block.col0
        if self.shapes.points:
            return self._by_points(scene, block).reshape(shape)
        steps = self.reference.asked.steps or _STEPS
        classes = self._classes(scene, *places_of(scene, block, Size(steps, steps)))
        legend = self.reference.legend
        return label(classes, len(legend.scheme), self.reference.asked).reshape(shape)

    def codes(self, scene: Scene, row: int, col: int) -> Places:
        block, tile = Block(row, row + 1, col, col + 1), scene.grid.tile
        return self._classes(scene, *places_of(scene, block, tile)).reshape(tile)

    def _classes(self, scene: Scene, x: Coordinates, y: Coordinates) -> Places:
        """The classes of polygons at places."""
        to_shapes = transformer_between(scene.crs, self.shapes.crs)
        points = shapely.points(*to_shapes.transform(x.ravel(), y.ravel()))
        legend = self.reference.legend
        found = np.full(points.shape, len(legend.scheme) + 1, np.intp)
        place, polygon = self.tree.query(points, predicate="intersects")
        known = legend.of(self.shapes.classes[polygon].astype(np.intp))
        found[place] = known
        found[place[found[place] != known]] = len(legend.scheme)
        return found.reshape(x.shape)

    def _by_points(self, scene: Scene, block: Block) -> Labels:
        """The labels of tiles by the points that lie in them."""
        grid, (a, _, c, _, e, f) = scene.grid, scene.transform
        to_scene = transformer_between(self.shapes.crs, scene.crs)
        x, y = to_scene.transform(*shapely.get_coordinates(self.shapes.geometry).T)
        col, row = (x - c) / a, (y - f) / e
        known = self.reference.legend.of(self.shapes.classes.astype(np.intp))
        row0, row1, col0, col1 = grid.read(block)
        near = (row >= row0) & (row < row1) & (col >= col0) & (col < col1)
        row, col, known = row[near], col[near], known[near]
        found: Labels = np.full(block.tiles, _NO_REFERENCE, np.int16)
        for number, one in enumerate(block.singles()):
            row0, row1, col0, col1 = grid.read(one)
            inside = known[(row >= row0) & (row < row1) & (col >= col0) & (col < col1)]
            if len(inside):
                found[number] = label(inside[None], len(self.reference.legend.scheme), _ALL)[0]
        return found


_ALL = Asked(None, 1.0)


@lru_cache(maxsize=4)
def _read(storage: Storage, name: str, digest: str) -> tuple[Shapes, shapely.STRtree]:
    try:
        table = pq.read_table(BytesIO(storage.read(name)))
    except (OSError, pa.ArrowException) as error:
        raise OutputError(storage.where(name), f"cannot be read: {error}") from error
    geometry = shapely.from_wkb(table.column("geometry").to_numpy())
    crs = table.schema.metadata[b"crs"].decode()
    return Shapes(geometry, table.column("class").to_numpy(), crs), shapely.STRtree(geometry)
