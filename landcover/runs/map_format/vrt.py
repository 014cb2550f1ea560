"""Maps as GDAL's virtual rasters: XML that says what a map is and where its pixels come from.

See https://gdal.org/en/stable/drivers/raster/vrt.html.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from rasterio.crs import CRS

from landcover.classes import Scheme
from landcover.runs.map_format.area import Size
from landcover.runs.map_format.grid import MapGrid

_TYPES = {"uint8": "Byte", "uint16": "UInt16"}


def virtual_map(
    grid: MapGrid,
    scheme: Scheme,
    sources: Iterable[Element] = (),
    overviews: Sequence[Size] = (),
) -> str:
    """The XML of a map with the scheme's colours and names; nodata where no source has a class.

    Args:
        grid: its pixels.
        scheme: its classes.
        sources: where its pixels come from; later ones lie above earlier ones.
        overviews: sizes of overviews without any class.
    """
    whole, band = _raster(Size(grid.height, grid.width), scheme)
    a, b, c, d, e, f = grid.transform
    SubElement(whole, "SRS").text = CRS.from_user_input(grid.crs).to_wkt()
    SubElement(whole, "GeoTransform").text = ", ".join(map(repr, (c, a, b, f, d, e)))
    metadata = SubElement(whole, "Metadata")
    names = {str(item.code): item.name for item in scheme}
    for key, value in {"SCHEME": scheme.name, "CLASSES": json.dumps(names)}.items():
        SubElement(metadata, "MDI", key=key).text = value
    SubElement(band, "Description").text = "class"
    SubElement(band, "ColorInterp").text = "Palette"
    band.append(category_names(scheme))
    colors = SubElement(band, "ColorTable")
    for code in range(max(scheme.codes) + 1):
        item = scheme.by_code.get(code)
        red, green, blue = item.rgb if item else (0, 0, 0)
        SubElement(
            colors, "Entry", c1=f"{red}", c2=f"{green}", c3=f"{blue}", c4="255" if item else "0"
        )
    for size in overviews:
        overview = SubElement(band, "Overview")
        SubElement(overview, "SourceFilename", relativeToVRT="0").text = _text(
            _raster(size, scheme)[0]
        )
        SubElement(overview, "SourceBand").text = "1"
    band.extend(sources)
    return _text(whole)


def category_names(scheme: Scheme) -> Element:
    """The names of classes, one a code from 0; empty where a code has none."""
    names = Element("CategoryNames")
    for code in range(max(scheme.codes) + 1):
        item = scheme.by_code.get(code)
        SubElement(names, "Category").text = item.name if item else ""
    return names


def source(path: str, size: Size, nodata: int, row: int, col: int) -> Element:
    """A map that is part of another one.

    Args:
        path: relative to the VRT.
        size: of the part.
        nodata: what is transparent in it.
        row: of its first pixel in the other one.
        col: likewise.
    """
    found = Element("ComplexSource")
    SubElement(found, "SourceFilename", relativeToVRT="1").text = path
    SubElement(found, "SourceBand").text = "1"
    extent: dict[str, Any] = {"xSize": str(size.width), "ySize": str(size.height)}
    SubElement(found, "SrcRect", xOff="0", yOff="0", **extent)
    SubElement(found, "DstRect", xOff=str(col), yOff=str(row), **extent)
    SubElement(found, "NODATA").text = str(nodata)
    return found


def _raster(size: Size, scheme: Scheme) -> tuple[Element, Element]:
    whole = Element("VRTDataset", rasterXSize=str(size.width), rasterYSize=str(size.height))
    band = SubElement(whole, "VRTRasterBand", dataType=_TYPES[scheme.dtype], band="1")
    SubElement(band, "NoDataValue").text = str(scheme.nodata)
    return whole, band


def _text(element: Element) -> str:
    return ElementTree.tostring(element, encoding="unicode")
