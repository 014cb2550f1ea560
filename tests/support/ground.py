"""Ground of known classes, and imagery of it, for tests of labelled tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import rasterio
import yaml
from rasterio.transform import from_origin

CODES = (21, 24, 41, 82, 71, 11)
"""Of NLCD: two of one group, three of others, and one without a group."""


def write_codes(
    path: Path,
    codes: npt.NDArray[Any],
    crs: str,
    corner: tuple[float, float],
    resolution: float,
    nodata: float | None = 0,
) -> str:
    """Write a raster of codes whose upper-left corner lies somewhere."""
    height, width = codes.shape
    shape = {"count": 1, "height": height, "width": width, "dtype": str(codes.dtype)}
    where = {"crs": crs, "transform": from_origin(*corner, resolution, resolution)}
    with rasterio.open(path, "w", driver="GTiff", nodata=nodata, **shape, **where) as file:
        file.write(codes, 1)
    return str(path)


def squares(count: int, edge: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Codes in ``count`` x ``count`` squares of ``edge`` pixels, drawn at random."""
    drawn = np.random.default_rng(seed).choice(CODES, (count, count))
    return drawn.astype(np.uint8).repeat(edge, 0).repeat(edge, 1)


def around(crs: str, x: float, y: float, of: str, metres: float) -> tuple[float, float]:
    """The corner of a square with its middle at a place of another CRS, in the units of ``crs``."""
    left, top = pyproj.Transformer.from_crs(of, crs, always_xy=True).transform(x, y)
    unit = 1 / 111_320 if pyproj.CRS.from_user_input(crs).is_geographic else 1.0
    return left - metres / 2 * unit, top + metres / 2 * unit


def codes_at(path: str, x: Any, y: Any, crs: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The codes of a raster at places of a CRS, point by point, and how near each is to a pixel's edge."""
    with rasterio.open(path) as file:
        codes, transform = file.read(1), file.transform
        to_file = pyproj.Transformer.from_crs(crs, file.crs.to_wkt(), always_xy=True)
    col, row = ~transform @ to_file.transform(x, y)
    col, row = np.asarray(col), np.asarray(row)
    edge = np.minimum(np.abs(col - np.round(col)), np.abs(row - np.round(row)))
    r, c = np.floor(row).astype(int), np.floor(col).astype(int)
    inside = (r >= 0) & (r < codes.shape[0]) & (c >= 0) & (c < codes.shape[1])
    found = np.zeros(col.shape, codes.dtype)
    found[inside] = codes[r[inside], c[inside]]
    return found, edge


def write_config(path: Path, **sections: Any) -> str:
    """Write a configuration: sections by name."""
    path.write_text(yaml.safe_dump(sections))
    return str(path)
