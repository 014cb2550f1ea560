"""GeoParquet 1.1: outlines of tiles as WKB, and the metadata that says what they are.

See https://geoparquet.org/releases/v1.1.0/.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
import shapely

from landcover.contracts import Tile
from landcover.small_files import load_json

Bounds = npt.NDArray[np.float64]

# A polygon of one ring with five places, in little-endian WKB.
_HEAD = np.array([1, 3, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0], np.uint8)
_RING = len(_HEAD)
_POLYGON, _POLYGONS = 3, 6
_COUNTED = struct.Struct("<BII")
_BOX = np.dtype([("head", np.uint8, len(_HEAD)), ("corners", "<f8", (5, 2))])


def bounds_of(tiles: Sequence[Tile]) -> Bounds:
    """The bounds of tiles: dims (tile, 4), xmin, ymin, xmax, ymax; NaN where a tile has none."""
    missing = (np.nan,) * 4
    return np.array([tile.bounds or missing for tile in tiles], np.float64).reshape(-1, 4)


def outlines(bounds: Bounds) -> pa.Array:
    """The rectangles as little-endian WKB polygons."""
    boxes = shapely.box(*bounds.T)
    return pa.array(list(shapely.to_wkb(boxes, byte_order=1)), pa.binary())


def geo_metadata(crs: str, bounds: Bounds) -> bytes:
    """The value of the key ``geo`` of a file with a column ``geometry``.

    Args:
        crs: what pyproj understands: "EPSG:26914", WKT, PROJ.
        bounds: of the file's tiles, in that CRS.
    """
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": ["Polygon"],
        "crs": _projjson(crs),
        "edges": "planar",
        "orientation": "counterclockwise",
    }
    if len(bounds):
        low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
        column["bbox"] = [*low.tolist(), *high.tolist()]
    columns = {"geometry": column}
    return json.dumps(
        {"version": "1.1.0", "primary_column": "geometry", "columns": columns}
    ).encode()


def crs_of(metadata: Mapping[bytes, bytes] | None) -> pyproj.CRS | None:
    """The CRS of a file's outlines; None for a file without them.

    Args:
        metadata: of the file.

    Raises:
        ValueError: what it says of them is not what landcover writes.
    """
    text = (metadata or {}).get(b"geo")
    if text is None:
        return None
    try:
        return _known_crs(json.dumps(load_json(text)["columns"]["geometry"]["crs"]))
    except (LookupError, TypeError, AttributeError, pyproj.exceptions.CRSError) as error:
        said = " ".join(str(error).split())
        raise ValueError(f"its outlines are not described as landcover does: {said}") from None


def corners_of(shapes: Sequence[bytes]) -> npt.NDArray[np.float64]:
    """The corners of rectangles, as :func:`outlines` writes them: dims (tile, 5, 2), the first of them again at the end.

    Raises:
        ValueError: they are no such rectangles.
    """
    if any(len(one) != _BOX.itemsize for one in shapes):
        raise ValueError("its outlines are no rectangles")
    boxes = np.frombuffer(b"".join(shapes), _BOX)
    corners: npt.NDArray[np.float64] = boxes["corners"]
    low, high = corners.min(axis=1, keepdims=True), corners.max(axis=1, keepdims=True)
    if (boxes["head"] != _HEAD).any() or not ((corners == low) | (corners == high)).all():
        raise ValueError("its outlines are no rectangles")
    return corners


def check_polygons(shapes: Sequence[bytes]) -> None:
    """Look whether shapes are polygons of one ring, in little-endian WKB, before a library reads them.

    Raises:
        ValueError: they are not.
    """
    for one in shapes:
        sizes = struct.unpack_from("<BIII", one) if len(one) >= _RING else ()
        if sizes[:3] != (1, 3, 1) or len(one) != _RING + 16 * sizes[3]:
            raise ValueError("its outlines are no plain polygons")
        if not np.isfinite(np.frombuffer(one, "<f8", offset=_RING)).all():
            raise ValueError("its outlines have places that are none")


def check_shallow(shape: bytes) -> None:
    """Look whether a shape in WKB is a polygon or several: GEOS follows collections in collections without end.

    Raises:
        ValueError: it is another shape, or damaged.
    """
    try:
        _, kind, count = _head(shape, 0)
        at, inner = _COUNTED.size, _POLYGON
        for _ in range(count if kind == _POLYGONS else 0):
            order, inner, rings = _head(shape, at)
            at += _COUNTED.size
            for _ in range(rings if inner == _POLYGON else 0):
                at += 4 + 16 * struct.unpack_from(f"{order}I", shape, at)[0]
            if inner != _POLYGON:
                break
    except struct.error:
        raise ValueError("its outlines are damaged") from None
    if kind not in (_POLYGON, _POLYGONS) or inner != _POLYGON:
        raise ValueError("its outlines are no polygons")


def _head(shape: bytes, at: int) -> tuple[str, int, int]:
    """The byte order of a shape, its kind, and how many parts it has."""
    order = ">" if shape[at : at + 1] == b"\0" else "<"
    kind, count = struct.unpack_from(f"{order}II", shape, at + 1)
    return order, kind, count


@lru_cache(16)
def _known_crs(text: str) -> pyproj.CRS:
    return pyproj.CRS.from_json(text)


@lru_cache(16)
def _projjson(crs: str) -> dict[str, Any]:
    values: dict[str, Any] = pyproj.CRS.from_user_input(crs).to_json_dict()
    return values
