"""An array handed to ``landcover.score``, written down so that any worker can read it."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rioxarray  # noqa: F401  (gives arrays their .rio accessor)
import xarray as xr

from landcover.errors import ConfigError, OutputError, SourceError
from landcover.scoring.array_input import array_input
from landcover.tiles.gdal import FAILURES, cause


def write_source(array: Any, output: str) -> str:
    """Write an array as a tiled GeoTIFF into the directory of its run, block by block.

    Args:
        array: what :func:`array_input` takes for a scene, with a CRS; in memory, or backed by Dask.
        output: the run directory, a local folder.

    Returns:
        The path of the file. Its name tells the array's content, so that another array does not
        pass for this one when the run is gone on with.

    Raises:
        SourceError: it has other dims, no CRS or no place on earth.
        ConfigError: the run directory is behind a URL.
        OutputError: it cannot be written.
    """
    given = array_input(array)
    if given.array.rio.crs is None:
        raise SourceError(given.name, "has no CRS: set one with array.rio.write_crs(...)")
    if given.transform is None:
        reason = "has neither coordinates nor a transform: array.rio.write_transform(...)"
        raise SourceError(given.name, reason)
    if "://" in output:
        reason = "an array can only be scored into a local folder: write it as a GeoTIFF first"
        raise ConfigError([reason], "rasters")
    path = Path(output) / f".source-{_digest(given.array)}.tif"
    if not path.exists():
        _write(given.array, path)
    return str(path)


def _write(array: xr.DataArray, path: Path) -> None:
    temporary = path.with_name(f".writing-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        array.rio.to_raster(
            temporary, driver="GTiff", tiled=True, windowed=True, BIGTIFF="IF_SAFER"
        )
        _check(array, temporary)
        temporary.replace(path)
    except FAILURES as error:
        raise OutputError(str(path), f"cannot be written: {cause(error)}") from error
    finally:
        with suppress(OSError):  # a run that is gone on with sweeps it away
            temporary.unlink(missing_ok=True)


def _check(array: xr.DataArray, path: Path) -> None:
    """Read back what was written, block by block: GDAL may write on closing, and then tells nobody.

    Raises:
        OSError: it is not what was meant.
    """
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    with rasterio.open(path) as file:
        for _, window in file.block_windows(1):
            rows, columns = (slice(*side) for side in window.toranges())
            meant = array.isel(y=rows, x=columns).values
            if not np.array_equal(
                file.read(window=window), meant, equal_nan=meant.dtype.kind in "fc"
            ):
                raise OSError(errno.EIO, "what is read back is not what was written")


def _digest(array: xr.DataArray) -> str:
    """What tells this array from another: the name of its graph, or its pixels, and what they mean.

    That is their place, the value that stands for no data, and the names of the bands.
    """
    told = (array.shape, array.dtype, array.rio.transform(), array.rio.nodata, _band_names(array))
    digest = hashlib.sha256(repr(told).encode())
    digest.update(array.rio.crs.to_wkt().encode())
    if array.chunks is None:
        digest.update(array.values.tobytes())
    else:
        digest.update(array.data.name.encode())
    return digest.hexdigest()[:16]


def _band_names(array: xr.DataArray) -> list[str]:
    """What the array calls its bands, and what the file will."""
    names = array.band.values.tolist() if "band" in array.coords else []
    long_name = array.attrs.get("long_name", ())
    named = [long_name] if isinstance(long_name, str) else list(long_name)
    return [str(name) for name in [*names, *named]]
