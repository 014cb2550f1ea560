"""Rasters whose stored numbers are not what GDAL hands out, or not what they seem: told, not read."""

from __future__ import annotations

from typing import Any

from rasterio.enums import ColorInterp, MaskFlags

# What GDAL turns into red, green and blue by libtiff's plain formula; of these only YCbCr has one way.
_ONE_WAY = ("", "YCbCr")
# Declared values of 64 bits come from rasterio in double precision, or not at all; this is exact.
_EXACT, _LEAST = 2**53, -(2**63)


def objection(dataset: Any) -> str:
    """Why the numbers of an open raster cannot be taken as they come; "" where they can.

    Tags of an image structure: https://gdal.org/en/stable/drivers/raster/gtiff.html#metadata

    Args:
        dataset: of rasterio.
    """
    structure = dataset.tags(ns="IMAGE_STRUCTURE")
    space = structure.get("SOURCE_COLOR_SPACE", "")
    if space not in _ONE_WAY:
        return (
            f"is a {space} image, which has no one way into red, green and blue; convert it to RGB"
        )
    if structure.get("MINISWHITE") == "YES":
        return (
            "says that its lowest number is white (MINISWHITE): turn it round, or, if that is not so, "
            "copy it without the tag: gdal_translate -co PHOTOMETRIC=MINISBLACK FILE COPY.tif"
        )
    if ColorInterp.palette in dataset.colorinterp[1:]:
        band = 2 + dataset.colorinterp[1:].index(ColorInterp.palette)
        return (
            f"holds indices into a palette in band {band}, beside others; give it without that band"
        )
    return _of_validity(dataset)


def _of_validity(dataset: Any) -> str:
    """Why it cannot be told where there is no data; "" where it can."""
    told = zip(dataset.mask_flag_enums, dataset.nodatavals, dataset.dtypes, strict=True)
    for band, (flags, nodata, dtype) in enumerate(told, 1):
        if not flags:
            return (
                f"has a mask for band {band} alone; give it one for all bands: "
                "gdal_translate -mask 1 FILE COPY.tif (band 1 tells), or leave the masks out (-mask none)"
            )
        if flags == [MaskFlags.nodata] and not _exact(nodata, dtype):
            return (
                f"declares a value for no data in band {band} that cannot be told exactly ({dtype}); "
                "declare another, or convert it to a smaller dtype: gdal_translate -ot Float32"
            )
    return ""


def _exact(nodata: float | None, dtype: str) -> bool:
    if nodata is None:
        return False
    return dtype not in ("int64", "uint64") or nodata == _LEAST or abs(nodata) < _EXACT
