"""What files may be, and where those that they name may lie."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Self

from landcover.config import subdataset
from landcover.stores.urls import file_of, is_remote
from landcover.tiles.gdal import STORES

# Drivers of GDAL that decode what a file holds, and nothing else: they start no program, ask no
# server, and open no file that the content names. https://gdal.org/en/stable/drivers/raster/
DRIVERS = (
    *("GTiff", "JP2OpenJPEG", "JP2KAK", "HFA", "NITF", "PNG", "JPEG", "ENVI", "AAIGrid"),
    *("netCDF", "HDF5Image", "HDF5"),
)
# Which of them is tried first, by the suffix.
_USUAL = {
    **dict.fromkeys((".tif", ".tiff"), "GTiff"),
    **dict.fromkeys((".jp2", ".j2k"), "JP2OpenJPEG"),
    **dict.fromkeys((".jpg", ".jpeg"), "JPEG"),
    ".img": "HFA",
    ".ntf": "NITF",
    ".png": "PNG",
    ".asc": "AAIGrid",
    ".nc": "netCDF",
    ".h5": "HDF5",
}
# The driver of virtual rasters, which are opened under their own name alone.
VIRTUAL, _VIRTUAL_SUFFIX = "VRT", ".vrt"

_SCHEMES = {prefix: scheme for scheme, prefix in reversed(STORES.items())}


MRSID = (
    "MrSID, which GDAL as pip brings it cannot read: convert it once, with 'mrsidgeodecode -i FILE.sid -o "
    "FILE.tif' of Extensis's free MrSID tools or a GDAL with its MrSID driver, and name the .tif"
)
"""What to do with imagery as the Geospatial Data Gateway hands it out."""


class Refused(OSError):
    """A file is not opened, since it may not be what it is, or names what it may not; a sentence."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What raster files may be.

    Args:
        formats: drivers of GDAL beyond the usual ones.
        roots: folders and URLs below which the files lie that others name; empty: the folder of
            the file that names them.
        outside: files may name others anywhere.
    """

    formats: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    outside: bool = False

    def drivers(self, file: str) -> list[str]:
        """The drivers that may open a file, the likeliest first."""
        if is_virtual(file):
            return [VIRTUAL]
        suffix = PurePosixPath(file_of(file)).suffix.lower()
        every = dict.fromkeys([*self.formats, *DRIVERS])
        every.pop(VIRTUAL, None)
        if found := subdataset(file):
            return _of_subdatasets(found.driver.upper(), every)
        return sorted(every, key=lambda driver: driver != _USUAL.get(suffix))

    def beside(self, file: str) -> Self:
        """The same, with the folder of a file for its roots where none are told."""
        if self.roots:
            return self
        folder = posixpath.dirname(file_of(file))
        return type(self)(self.formats, (folder,), self.outside)

    def holds(self, file: str) -> bool:
        """Whether a file lies where those may that others name; links have been followed."""
        return self.outside or any(_below(file, root) for root in self.roots)


USUAL = Allowed()
"""The usual formats, and nothing outside the folder of a file that names others."""


def is_virtual(file: str) -> bool:
    """Whether a file is asked for as a virtual raster: by its name."""
    return PurePosixPath(file_of(file)).suffix.lower() == _VIRTUAL_SUFFIX


def _of_subdatasets(prefix: str, drivers: Iterable[str]) -> list[str]:
    """The drivers that open names which begin so: HDF5Image and HDF5 for ``HDF5:``."""
    names = {driver: driver.upper() for driver in drivers}
    able = [d for d, name in names.items() if prefix.startswith(name) or name.startswith(prefix)]
    return sorted(able, key=len, reverse=True)


def url_of(name: str) -> str:
    """A path of one of GDAL's virtual file systems as a URL; others as they are."""
    if name.startswith("/vsicurl/http"):
        return name.removeprefix("/vsicurl/")
    for prefix, scheme in _SCHEMES.items():
        if name.startswith(prefix):
            return f"{scheme}://{name.removeprefix(prefix)}"
    return name


def _below(file: str, root: str) -> bool:
    return _plain(file).startswith(_plain(root).rstrip("/") + "/")


def _plain(place: str) -> str:
    """A place in a form that two names of it share."""
    if not is_remote(place):
        return posixpath.realpath(place)
    scheme, rest = place.split("://", 1)
    container, _, key = rest.partition("/")
    if scheme in STORES:
        scheme, container = STORES[scheme], container.partition("@")[0]
    return f"{scheme}://{container}{posixpath.normpath('/' + key)}"


def below(entries: Iterable[str]) -> tuple[str, ...]:
    """Folders and URLs, each once, without those that lie below others of them."""
    every = list(dict.fromkeys(entries))
    return tuple(
        one for one in every if not any(one != root and _below(one, root) for root in every)
    )
