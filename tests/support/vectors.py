"""Vector files that tests write for themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely


def write_vectors(
    path: Path, *shapes: shapely.Geometry, crs: str | None = "EPSG:26914", **columns: Any
) -> str:
    """Write shapes, with a value of each column for each, in the format that the suffix tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = gpd.GeoDataFrame(columns, geometry=list(shapes), crs=crs)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    return str(path)
