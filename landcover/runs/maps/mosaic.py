"""The index of the maps of several scenes: a virtual raster that shows them as one map."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import rasterio
import rasterio.shutil
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT

from landcover.classes import Scheme
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Size
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.map_format.vrt import source, virtual_map
from landcover.runs.maps.mosaic_grid import Place, aligned


@dataclass(frozen=True)
class Index:
    """Maps that are to be shown as one.

    Args:
        names: of their files, relative to the run directory.
        places: where each lies on the grid of the whole.
        whole: that grid.
    """

    names: Sequence[str]
    places: Sequence[Place]
    whole: MapGrid

    def write(self, run: RunDirectory, name: str, beside: str) -> None:
        """Write the index; it refers to the maps by relative paths.

        A map whose pixels are no pixels of the whole is seen through another virtual raster, which
        takes the nearest of its pixels. Where maps overlap, the first one that has a class wins.

        Args:
            run: the directory.
            name: of the index.
            beside: the folder for those other virtual rasters.

        Raises:
            OutputError: if it cannot be written.
        """
        sources = []
        for path, place in zip(self.names, self.places, strict=True):
            size = Size(*place.area.shape)
            if not aligned(place.grid, self.whole, place.area):
                warped = f"{beside}/{posixpath.splitext(posixpath.basename(path))[0]}.vrt"
                content = _warped(place, self.whole, run.scheme, posixpath.relpath(path, beside))
                run.storage.put(warped, content)
                path = warped
            relative = posixpath.relpath(path, posixpath.dirname(name))
            row, col = place.area.row0, place.area.col0
            sources.append(source(relative, size, run.scheme.nodata, row, col))
        content = virtual_map(self.whole, run.scheme, reversed(sources)).encode()
        run.storage.put(name, content)


def _warped(place: Place, whole: MapGrid, scheme: Scheme, path: str) -> bytes:
    """A map on the grid of the whole, as GDAL's warper sees it."""
    (height, width), area = place.area.shape, place.area
    part = whole.part(area.col0, area.row0, width, height)
    with (
        MemoryFile(ext=".vrt") as memory,
        rasterio.open(virtual_map(place.grid, scheme)) as file,
        WarpedVRT(
            file,
            crs=part.crs,
            transform=Affine(*part.transform),
            width=width,
            height=height,
            resampling=Resampling.nearest,
            tolerance=1e-6,  # pixels; GDAL's own is an eighth of one
        ) as warped,
    ):
        rasterio.shutil.copy(warped, memory.name, driver="VRT")
        tree = ElementTree.fromstring(bytes(memory.getbuffer()))
    for element in tree.iter("SourceDataset"):
        element.text = path
        element.set("relativeToVRT", "1")
    return ElementTree.tostring(tree)
