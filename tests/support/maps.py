"""Maps made of parts that lie where they say, and as GDAL makes them of a whole array in memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio.transform import Affine

from landcover.backends.local import LocalBackend
from landcover.classes import Scheme
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Area
from landcover.runs.map_format.grid import MapGrid, Output, SceneGrid
from landcover.runs.maps.maker import Form, MapMaker, Maps, Overlap
from landcover.runs.maps.origins import PartPlace
from landcover.runs.parts import read_part
from landcover.runs.pixels import read_pixels


def gdal_map(
    path: Path, codes: npt.NDArray[np.unsignedinteger], grid: MapGrid, scheme: Scheme
) -> Path:
    """Write a cloud-optimized GeoTIFF with overviews by GDAL's own driver."""
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
        "bigtiff": "if_safer",
        "sparse_ok": True,
    }
    canvas = path.with_name(f"canvas-{path.name}")
    with rasterio.open(canvas, "w", **profile) as file:
        file.write_colormap(1, {item.code: (*item.rgb, 255) for item in scheme})
        names = {str(item.code): item.name for item in scheme}
        file.update_tags(SCHEME=scheme.name, CLASSES=json.dumps(names))
        file.set_band_description(1, "class")
        file.write(codes.astype(scheme.dtype), 1)
    options = {"compress": "deflate", "bigtiff": "if_safer", "overview_resampling": "mode"}
    with rasterio.Env(GDAL_PAM_ENABLED=False):
        rasterio.shutil.copy(canvas, path, driver="COG", **options)
    canvas.unlink()
    return path


def levels(path: Path | str) -> list[npt.NDArray[np.unsignedinteger]]:
    """The pixels of a map and of its overviews."""
    with rasterio.open(path) as file:
        found = [file.read(1)]
        count = len(file.overviews(1))
    for level in range(count):
        with rasterio.open(path, overview_level=level) as file:
            found.append(file.read(1))
    return found


def write_maps(
    run: RunDirectory,
    scenes: list[SceneGrid],
    output: Output,
    mosaic: Form = "cog",
    overlap: Overlap = "first",
) -> Maps:
    """Make the maps of parts that lie where they say."""
    places = [_place_of(run, index, output, scenes) for index in run.parts("tiles")]
    order = [scene.name for scene in scenes]
    places.sort(key=lambda place: order.index(place.source))
    with LocalBackend() as pool:
        return MapMaker(run, pool, output, overlap=overlap).write(scenes, places, mosaic)


def _place_of(run: RunDirectory, index: int, output: Output, scenes: list[SceneGrid]) -> PartPlace:
    if output == "pixel":
        part = read_pixels(run, index)
        assert part is not None
        return PartPlace(part.source, index, part.area)
    table = read_part(run, index).to_pandas()
    if not len(table):
        grid = scenes[0].grid
        return PartPlace(scenes[0].name, index, Area(0, grid.rows, 0, grid.cols))
    row, col = table["row"], table["col"]
    area = Area(row.min(), row.max() + 1, col.min(), col.max() + 1)
    return PartPlace(table["source"][0], index, area)
