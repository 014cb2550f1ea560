"""Rasters of indices into a palette, seen as the colours that these stand for."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import rasterio
from rasterio.enums import ColorInterp

from landcover.errors import SourceError
from landcover.tiles.gdal import address, unplaced_allowed

_COLOURS = ("Red", "Green", "Blue", "Alpha")


def has_palette(dataset: Any) -> bool:
    """Whether the first band of an open raster holds indices into a palette."""
    return bool(dataset.colorinterp[0] == ColorInterp.palette)


def coloured(dataset: Any, file: str) -> Any:
    """An open raster, seen as colours where it holds indices into a palette; else itself.

    Args:
        dataset: of rasterio; closed where another stands for it.
        file: its path or URL.

    Returns:
        a dataset with bands of uint8: red, green, blue, and alpha, where an entry of the palette is
        transparent or stands for no data.

    Raises:
        SourceError: if it is reached by Python alone.
    """
    if not has_palette(dataset):
        return dataset
    where = address(file)
    with dataset:
        if where.url is not None:
            reason = "holds indices into a palette, which are expanded of local files and of stores that GDAL reads; copy it"
            raise SourceError(where.url, reason)
        content = _as_colours(dataset)
    with unplaced_allowed():
        return rasterio.open(content, driver="VRT")


def _as_colours(dataset: Any) -> str:
    """A virtual raster: https://gdal.org/en/stable/drivers/raster/vrt.html (LUT)."""
    entries = {index: list(colour) for index, colour in dataset.colormap(1).items()}
    if dataset.nodata in entries:
        entries[int(dataset.nodata)][3] = 0
    transparent = any(colour[3] == 0 for colour in entries.values())
    width, height = str(dataset.width), str(dataset.height)
    whole = Element("VRTDataset", rasterXSize=width, rasterYSize=height)
    if dataset.crs:
        SubElement(whole, "SRS").text = dataset.crs.to_wkt()
    a, b, c, d, e, f = tuple(dataset.transform)[:6]
    SubElement(whole, "GeoTransform").text = ", ".join(map(repr, (c, a, b, f, d, e)))
    for place, name in enumerate(_COLOURS if transparent else _COLOURS[:3]):
        band = SubElement(whole, "VRTRasterBand", dataType="Byte", band=str(place + 1))
        SubElement(band, "ColorInterp").text = name
        source = SubElement(band, "ComplexSource")
        SubElement(source, "SourceFilename", relativeToVRT="0").text = dataset.name
        SubElement(source, "SourceBand").text = "1"
        table = (f"{index}:{colour[place]}" for index, colour in sorted(entries.items()))
        SubElement(source, "LUT").text = ",".join(table)
    return tostring(whole, encoding="unicode")
