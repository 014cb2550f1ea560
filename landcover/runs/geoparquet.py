"""GeoParquet 1.1: outlines of tiles as WKB, and the metadata that says what they are.

See https://geoparquet.org/releases/v1.1.0/.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
import shapely

from landcover.contracts import Tile
from landcover.errors import OutputError
from landcover.small_files import load_json

Bounds = npt.NDArray[np.float64]


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


def crs_of(schema: pa.Schema) -> pyproj.CRS | None:
    """The CRS of a file's outlines; None for a file without them.

    Raises:
        OutputError: what the file says of them is not what landcover writes.
    """
    text = (schema.metadata or {}).get(b"geo")
    if text is None:
        return None
    try:
        return pyproj.CRS.from_json_dict(load_json(text)["columns"]["geometry"]["crs"])
    except (ValueError, KeyError, TypeError, AttributeError, pyproj.exceptions.CRSError) as error:
        reason = f"are not described as landcover does: {error!r}"
        raise OutputError("the outlines of a part", reason) from error


@lru_cache(16)
def _projjson(crs: str) -> dict[str, Any]:
    values: dict[str, Any] = pyproj.CRS.from_user_input(crs).to_json_dict()
    return values
