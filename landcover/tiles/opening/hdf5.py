"""Rasters in HDF5, which netCDF 4 is as well: such files may name others, which no driver of GDAL looks at."""

from __future__ import annotations

from typing import IO, Any

from landcover.hdf5 import datasets
from landcover.tiles.opening.content import opened


def check_hdf5(file: str) -> None:
    """Refuse a file in HDF5 that keeps something in another one; any other file passes.

    Args:
        file: a local path or an fsspec URL.

    Raises:
        OSError: it does, or it cannot be read.
    """
    with opened(file) as stream:
        if not _is_hdf5(stream):
            return
        import h5py

        with h5py.File(stream, "r") as content:
            for _ in datasets(content):
                pass


def _is_hdf5(stream: IO[Any]) -> bool:
    """Whether a file is HDF5, which may begin behind 0, 512, 1024, ... bytes of something else."""
    at, size = 0, stream.seek(0, 2)
    while at < size:
        stream.seek(at)
        if stream.read(8) == b"\x89HDF\r\n\x1a\n":
            return True
        at = max(512, 2 * at)
    return False
