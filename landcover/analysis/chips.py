"""Small pictures of the imagery around points, for people to look at."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from PIL import Image, ImageDraw
from rasterio.enums import Resampling
from rasterio.io import DatasetReader

from landcover.analysis.imagery import (
    Picture,
    distances,
    natural,
    opened_scene,
    read_natural,
    scenes_of,
)
from landcover.analysis.map_blocks import labels_pixels, map_names, opened_map
from landcover.errors import SourceError
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import MapGrid
from landcover.tiles.rasters.crs import unit_of
from landcover.tiles.reprojection import bounds_in

if TYPE_CHECKING:
    import geopandas as gpd

_PIXELS = 384  # along the sides of a picture
_OPEN = 16  # scenes that are held open at a time
_MARK = (255, 255, 0)
_ADVICE = " (--no-chips draws points only)"
_SMALL = 5  # half the side of the smallest outline in pixels of a picture


def chips(
    run: RunDirectory,
    points: gpd.GeoSeries,
    edges: float | Sequence[float] | npt.NDArray[np.float64],
    outlines: gpd.GeoSeries,
    missing: Callable[[SourceError], None] | None = None,
) -> Iterator[bytes | None]:
    """Pictures of the imagery that a run has scored, around points.

    Args:
        run: the directory.
        points: in the CRS of the map.
        edges: how far across a picture is, in units of that CRS; one for all points, or one each.
        outlines: what is drawn around each point, in the same CRS: what is to be looked at.
        missing: told once of each scene that cannot be read, which is left out then; None: an error.

    Yields:
        a PNG file of 384 x 384 pixels a point; None where no scene shows it.

    Raises:
        SourceError: if a scene cannot be read, and nobody is told of it.
        OutputError: if a part of the run cannot be read.
    """
    sizes = np.broadcast_to(np.asarray(edges, np.float64), len(points)).tolist()
    with _Scenes(run, points.crs, missing) as scenes:
        for point, edge, outline in zip(points, sizes, outlines, strict=True):
            half = edge / 2
            box = (point.x - half, point.y - half, point.x + half, point.y + half)
            picture = scenes.picture(box)
            yield None if picture is None else _marked(picture, outline, box)


class _Scenes:
    """The imagery of a run, of which some files are held open.

    Args:
        run: the directory.
        crs: of the pictures that are asked for.
        missing: as for :func:`chips`.
    """

    def __init__(
        self, run: RunDirectory, crs: Any, missing: Callable[[SourceError], None] | None
    ) -> None:
        found = scenes_of(run)
        self._files, self._nearest = found.files, found.nearest
        self._crs, self._missing = crs, missing
        self._stack = ExitStack()
        self._opened: dict[str, DatasetReader] = {}
        self._bounds: dict[str, tuple[float, ...]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def picture(self, box: tuple[float, ...]) -> Picture | None:
        """Natural colours: dims (y, x, rgb), of the scene that the map shows in the middle of a box."""
        best: Picture | None = None
        least = math.inf
        for name in list(self._files):
            try:
                found = self._picture_of(name, box, least)
            except SourceError as error:
                if self._missing is None:
                    raise
                del self._files[name]
                self._missing(error)
            else:
                best, least = found or (best, least)
                if best is not None and not self._nearest:
                    break
        return best

    def _picture_of(
        self, name: str, box: tuple[float, ...], within: float
    ) -> tuple[Picture, float] | None:
        """The picture of a scene, and how far its middle is, where the map may show it."""
        if name in self._bounds and not _meets(self._bounds[name], box):
            return None
        if name not in self._opened:
            if len(self._opened) >= _OPEN:
                self._stack.close()
                self._opened.clear()
            file = opened_scene(name, self._files[name], self._stack, _ADVICE)
            self._opened[name] = file
            self._bounds[name] = bounds_in(file.crs, self._crs.to_wkt(), file.bounds)
        if not _meets(self._bounds[name], box):
            return None
        far = self._far(self._opened[name], box) if self._nearest else 0.0
        if far >= within:
            return None
        picture = _picture(name, self._opened[name], self._crs.to_wkt(), box)
        return None if picture is None else (picture, far)

    def _far(self, file: DatasetReader, box: tuple[float, ...]) -> float:
        """The square of how far the middle of a box is from that of a scene, in m²."""
        x0, y0, x1, y1 = box
        whole = MapGrid(self._crs.to_wkt(), (x1 - x0, 0.0, x0, 0.0, y0 - y1, y1), 1, 1)
        return float(distances(file, whole)[0, 0])


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


def _meets(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _picture(name: str, file: DatasetReader, crs: str, box: tuple[float, ...]) -> Picture | None:
    """Natural colours: dims (y, x, rgb); None where the middle has no data."""
    step = (box[2] - box[0]) / _PIXELS
    grid = MapGrid(crs, (step, 0.0, box[0], 0.0, -step, box[3]), _PIXELS, _PIXELS)
    pixels, known = read_natural(name, file, grid, Resampling.bilinear)
    if not known[_PIXELS // 2, _PIXELS // 2]:
        return None
    return natural(pixels, known, file.dtypes[0] != "uint8")


def _marked(pixels: Picture, outline: Any, box: tuple[float, ...]) -> bytes:
    """A PNG with an outline, which is seen however small it is, and cut where the picture ends."""
    image = Image.fromarray(pixels)
    scale = _PIXELS / (box[2] - box[0])
    left, low, right, high = outline.bounds
    if max(right - left, high - low) * scale < 2 * _SMALL:
        middle, half = outline.centroid, _SMALL / scale
        outline = shapely.box(middle.x - half, middle.y - half, middle.x + half, middle.y + half)
    drawn = ImageDraw.Draw(image)
    for part in shapely.get_parts(outline):
        for ring in (part.exterior, *part.interiors):
            places = [((x - box[0]) * scale, (box[3] - y) * scale) for x, y in ring.coords]
            drawn.line(places, fill=_MARK, width=1)
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()
