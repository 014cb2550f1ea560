"""Opening a raster file with the drivers that are allowed, and the files beside it that they read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import rasterio
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader

from landcover.stores.urls import file_of, is_remote
from landcover.tiles.gdal import address, gdal_settings, is_bare, local_path, unplaced_allowed
from landcover.tiles.opening.allowed import MRSID, USUAL, Allowed, Refused, is_virtual
from landcover.tiles.opening.content import heads_of, is_tiff, is_waitless
from landcover.tiles.opening.erdas import check_erdas
from landcover.tiles.opening.hdf5 import check_hdf5
from landcover.tiles.opening.virtual import check_virtual

_UNKNOWN = "not recognized as being in a supported file format"
# Masks and overviews, which GDAL opens with whatever driver takes them, by names of its own making.
_BESIDE = (".msk", ".ovr", ".MSK", ".OVR", ".msk.ovr", ".ovr.msk", ".msk.msk", ".ovr.ovr")
# What says of a raster where it lies, and which values stand for no data.
NOTES = ".aux.xml"
# What else lies beside a raster, for one driver or another.
_TEXTS = (
    *(".aux.xml", ".aux", ".xml", ".tfw", ".tifw", ".wld", ".hdr", ".prj", ".tab", ".TAB", ".rsc"),
    *(".imd", ".IMD", ".rpb", ".RPB", ".pvl", ".PVL", "_rpc.txt", "_RPC.TXT", "_RPC.txt", ".msk"),
    *(".ovr", ".rrd", ".ige", ".pgw", ".jgw", ".j2w", ".stx", ".clr", ".sta", ".til", ".TIL"),
)

# Drivers whose files may name others inside.
_HDF5 = ("netCDF", "HDF5", "HDF5Image")


@contextmanager
def opened_raster(file: str, allowed: Allowed = USUAL) -> Iterator[DatasetReader]:
    """A raster file that is open within a ``with`` block, with GDAL's settings for it.

    Args:
        file: a local path, the name of a subdataset, or an fsspec URL.
        allowed: what it may be, and where files that it names may lie.

    Raises:
        OSError: (one of FAILURES) it cannot be opened, or may not be.
    """
    where = address(file)
    with gdal_settings(where, is_bare(where)), open_raster(file, allowed) as dataset:
        yield dataset


def open_raster(file: str, allowed: Allowed = USUAL) -> DatasetReader:
    """Open a raster file, inside ``gdal_settings``, as one of the formats that are allowed.

    A virtual raster (VRT) is one by its name alone; the files that it names, and those that these name
    if they are virtual as well, lie in the folders that are allowed and are rasters themselves.

    Args:
        file: a local path, the name of a subdataset, or an fsspec URL.
        allowed: what it may be, and where files that it names may lie.

    Raises:
        OSError: (one of FAILURES) it cannot be opened, or may not be.
    """
    allowed = allowed.beside(file)
    if not is_remote(file) and not is_waitless(file_of(file)):
        raise Refused("is no regular file")
    if is_virtual(file):
        check_virtual(file, allowed, lambda name: _opens(name, allowed))
    _check_beside(file)
    dataset = _first(file, allowed.drivers(file))
    elsewhere = dataset.tags(ns="OVERVIEWS")
    if elsewhere:
        dataset.close()
        raise Refused(f"names a file of overviews ({next(iter(elsewhere.values()))[:200]})")
    return dataset


def reopen_raster(file: str, driver: str) -> DatasetReader:
    """Open a raster file that has been opened and checked before, by the same driver.

    Raises:
        OSError: (one of FAILURES) it cannot be opened.
    """
    where = address(file)
    if local_path(where.path) != where.path:  # rasterio cannot tell what GDAL says of such a name
        Path(file_of(file)).open("rb").close()
    return rasterio.open(where.path, driver=driver, **where.opener())


def _first(file: str, drivers: list[str]) -> DatasetReader:
    """Open a file with the first of some drivers that takes it."""
    for driver in drivers:
        if driver in _HDF5:
            check_hdf5(file_of(file))
        if driver == "HFA":
            check_erdas(file_of(file))
        try:
            with unplaced_allowed():
                return reopen_raster(file, driver)
        except RasterioIOError as error:
            if _UNKNOWN not in str(error):
                raise
    if PurePosixPath(file_of(file)).suffix.lower() == ".sid":
        raise Refused(f"is {MRSID}")
    formats = ", ".join(drivers) or "none"
    raise Refused(
        f"is not recognized as one of the formats that are allowed ({formats}; others: source.formats)"
    )


def _opens(file: str, allowed: Allowed) -> bool:
    try:
        _first(file, allowed.drivers(file)).close()
    except Refused:
        return False
    return True


def _check_beside(file: str) -> None:
    """Check that masks and overviews beside a file are TIFFs, and no pipes lie there.

    GDAL takes for absent what cannot be read.
    """
    file, *archive = file_of(file).split("::", 1)  # zip://INSIDE.tif::ARCHIVE.zip
    names = ["::".join((file + suffix, *archive)) for suffix in (*_BESIDE, NOTES)]
    there = names if is_remote(file) else list(filter(os.path.exists, names))
    if not is_remote(file):
        stem = os.path.splitext(file)[0]  # noqa: PTH122  (as text)
        for name in [base + suffix for base in (file, stem) for suffix in _TEXTS]:
            if not is_waitless(name):
                raise Refused(f"is read with {name}, which is no regular file")
    for name, head in heads_of(there):
        if head is not None and not is_tiff(head) and NOTES not in name:
            raise Refused(f"is read with {name}, which is no TIFF")
