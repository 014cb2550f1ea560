"""Maps of class codes as files: filled piece by piece, then turned into cloud-optimized GeoTIFFs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio.io import DatasetWriter
from rasterio.transform import Affine
from rasterio.windows import Window

from landcover.classes import Scheme
from landcover.runs.scene_grid import MapGrid

Codes = npt.NDArray[np.unsignedinteger[Any]]
# Megabytes of blocks that GDAL keeps: a row of 512 x 512 blocks of a map of 100,000 pixels a row
# takes 51, so that neighbouring parts find theirs still in memory.
CACHE = 256


def create_canvas(path: Path, grid: MapGrid, scheme: Scheme) -> None:
    """Make a map with no class anywhere; it takes no space before something is painted."""
    profile = {
        "driver": "GTiff",
        "dtype": scheme.dtype,
        "count": 1,
        "width": grid.width,
        "height": grid.height,
        "crs": grid.crs,
        "transform": Affine(*grid.transform),
        "nodata": scheme.nodata,
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "deflate",
        "zlevel": 1,
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write_colormap(1, {item.code: (*item.rgb, 255) for item in scheme})
        names = {str(item.code): item.name for item in scheme}
        file.update_tags(SCHEME=scheme.name, CLASSES=json.dumps(names))
        file.set_band_description(1, "class")


@contextmanager
def open_canvas(path: Path) -> Iterator[DatasetWriter]:
    """Open a map to paint on it."""
    with rasterio.Env(GDAL_CACHEMAX=CACHE), rasterio.open(path, "r+") as file:
        yield file


def paint(file: DatasetWriter, codes: Codes, row: int, col: int, over: bool = True) -> None:
    """Put codes on a map; nodata among them is transparent, and what lies outside is cut off.

    Args:
        file: the map.
        codes: dims (y, x).
        row: where on the map the first row goes; may be negative.
        col: where the first column goes.
        over: whether codes replace what is there, or fill gaps only.
    """
    top, left = max(0, -row), max(0, -col)
    codes = codes[top : file.height - row, left : file.width - col]
    if not codes.size or (codes == file.nodata).all():
        return
    window = Window(col + left, row + top, codes.shape[1], codes.shape[0])
    there = file.read(1, window=window)
    takes = codes != file.nodata
    if not over:
        takes &= there == file.nodata
    file.write(np.where(takes, codes, there).astype(there.dtype), 1, window=window)


def write_cog(canvas: Path, target: Path, scheme: Scheme) -> None:
    """Turn a map into a cloud-optimized GeoTIFF with overviews, and name its categories beside it.

    GeoTIFF has no place for category names of its own: GDAL, QGIS and ArcGIS look for them in a
    file ``.aux.xml`` beside the map. The tag CLASSES inside the map says the same as JSON.
    """
    options = {"compress": "deflate", "bigtiff": "if_safer", "num_threads": "all_cpus"}
    with rasterio.Env(GDAL_CACHEMAX=CACHE, GDAL_PAM_ENABLED=False):
        rasterio.shutil.copy(canvas, target, driver="COG", overview_resampling="mode", **options)
    auxiliary_of(target).write_text(_auxiliary(scheme), encoding="utf-8")


def auxiliary_of(path: Path) -> Path:
    """The file beside a map that names its categories."""
    return path.with_name(path.name + ".aux.xml")


def _auxiliary(scheme: Scheme) -> str:
    names = [""] * (max(scheme.codes) + 1)
    for item in scheme:
        names[item.code] = escape(item.name)
    listed = "\n".join(f"      <Category>{name}</Category>" for name in names)
    return (
        '<PAMDataset>\n  <PAMRasterBand band="1">\n    <CategoryNames>\n'
        f"{listed}\n    </CategoryNames>\n  </PAMRasterBand>\n</PAMDataset>\n"
    )
