"""Small pictures of the imagery around points, for people to look at."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image, ImageDraw
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from landcover.analysis.map_blocks import labels_pixels, map_names, opened_map
from landcover.errors import SourceError
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import read_parts
from landcover.tiles.gdal import FAILURES, address, cause, gdal_settings
from landcover.tiles.rasters.crs import unit_of

if TYPE_CHECKING:
    import geopandas as gpd

_PIXELS = 384  # along the sides of a picture
_OPEN = 16  # scenes that are held open at a time
_MARK = (255, 255, 0)


def chips(
    run: RunDirectory, points: gpd.GeoSeries, edge: float, mark: float
) -> Iterator[bytes | None]:
    """Pictures of the imagery that a run has scored, around points.

    Args:
        run: the directory.
        points: in the CRS of the map.
        edge: how far across a picture is, in units of that CRS.
        mark: how large the square is that is drawn around the point, likewise: what is to be labelled.

    Yields:
        a PNG file of 384 x 384 pixels a point; None where no scene shows it.

    Raises:
        SourceError: if a scene cannot be read.
        OutputError: if a part of the run cannot be read.
    """
    scenes = list(dict.fromkeys(_scenes(run)))
    with ExitStack() as stack:
        opened: dict[str, DatasetReader] = {}
        bounds: dict[str, tuple[float, ...]] = {}
        for point in points:
            box = (point.x - edge / 2, point.y - edge / 2, point.x + edge / 2, point.y + edge / 2)
            picture = None
            for name in scenes:
                if name in bounds and not _meets(bounds[name], box):
                    continue
                if name not in opened:
                    if len(opened) >= _OPEN:
                        stack.close()
                        opened.clear()
                    opened[name] = _open(name, stack)
                    bounds[name] = _bounds(opened[name], points.crs)
                if _meets(bounds[name], box):
                    picture = _picture(name, opened[name], points.crs.to_wkt(), box)
                if picture is not None:
                    break
            yield None if picture is None else _marked(picture, mark / edge)


def usual_sizes(run: RunDirectory) -> tuple[float, float]:
    """How large the square is that is to be labelled, and a picture of it, in units of the map's CRS.

    Returns:
        the side of a pixel of the map (a tile, where the network labels tiles), and three times that
        for tiles, sixty times for pixels.

    Raises:
        OutputError: if the run is not done, has no map, or it cannot be read.
    """
    with opened_map(run, map_names(run)[0]) as file:
        side = abs(float(file.transform.a))
    return side, side * (60 if labels_pixels(run) else 3)


def edge_of(crs: Any, metres: float) -> float:
    """A length in metres in units of a CRS; in degrees as on the equator."""
    factor = unit_of(rasterio.crs.CRS.from_user_input(crs))[1]
    return metres / (factor or 111_320.0)


def _scenes(run: RunDirectory) -> Iterator[str]:
    smoothed = run.manifest().get("smoothed")
    if smoothed:  # a run that was made of another one has no imagery of its own
        run = RunDirectory.open(smoothed["from"])
    for table in read_parts(run, columns=["source"]):
        yield from table.column("source").unique().to_pylist()


def _open(name: str, stack: ExitStack) -> DatasetReader:
    found = address(name)
    stack.enter_context(gdal_settings(found))
    try:
        file: DatasetReader = stack.enter_context(rasterio.open(found.path, **found.opener()))
    except FAILURES as error:
        reason = f"cannot be read for pictures (--no-chips draws points only): {cause(error)}"
        raise SourceError(name, reason) from error
    return file


def _bounds(file: DatasetReader, crs: Any) -> tuple[float, ...]:
    box: tuple[float, ...] = transform_bounds(file.crs, crs.to_wkt(), *file.bounds)
    return box


def _meets(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _picture(
    name: str, file: DatasetReader, crs: str, box: tuple[float, ...]
) -> npt.NDArray[np.uint8] | None:
    """Natural colours: dims (y, x, rgb); None where the middle has no data."""
    step = (box[2] - box[0]) / _PIXELS
    size = {"width": _PIXELS, "height": _PIXELS}
    where = {"crs": crs, "transform": from_origin(box[0], box[3], step, step), **size}
    bands = (1, 2, 3) if file.count >= 3 else (1, 1, 1)
    try:
        with WarpedVRT(file, resampling=Resampling.bilinear, add_alpha=True, **where) as warped:
            pixels = warped.read(bands).astype(np.float32)
            known = warped.dataset_mask() > 0
    except FAILURES as error:
        raise SourceError(name, f"cannot be read for pictures: {cause(error)}") from error
    if not known[_PIXELS // 2, _PIXELS // 2]:
        return None
    if file.dtypes[0] != "uint8":
        low, high = np.percentile(pixels[:, known], (2, 98))
        pixels = (pixels - low) * (255 / max(high - low, 1e-9))
    pixels[:, ~known] = 255
    natural: npt.NDArray[np.uint8] = np.moveaxis(np.clip(pixels, 0, 255), 0, -1).astype(np.uint8)
    return natural


def _marked(pixels: npt.NDArray[np.uint8], share: float) -> bytes:
    """A PNG with a square around the middle, which covers a share of the width, but is seen."""
    image = Image.fromarray(pixels)
    half = min(max(share * _PIXELS / 2, 5), _PIXELS / 2 - 2)
    middle = _PIXELS / 2
    ImageDraw.Draw(image).rectangle(
        (middle - half, middle - half, middle + half, middle + half), outline=_MARK, width=1
    )
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()
