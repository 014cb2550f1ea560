"""An array handed to ``landcover.score``, written down so that any worker can read it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import rioxarray  # noqa: F401  (gives arrays their .rio accessor)
import xarray as xr

from landcover.errors import ConfigError, OutputError, SourceError


def write_source(array: xr.DataArray, output: str) -> str:
    """Write an array as a tiled GeoTIFF into the directory of its run, block by block.

    Args:
        array: dims (band, y, x) with a CRS; in memory, or backed by Dask.
        output: the run directory, a local folder.

    Returns:
        The path of the file. Its name tells the array's content, so that another array does not
        pass for this one when the run is gone on with.

    Raises:
        SourceError: it has other dims, or no CRS.
        ConfigError: the run directory is behind a URL.
        OutputError: it cannot be written.
    """
    name = str(array.name or "the array")
    if array.dims != ("band", "y", "x"):
        raise SourceError(name, f"has dims {array.dims}, not ('band', 'y', 'x')")
    if array.rio.crs is None:
        raise SourceError(name, "has no CRS: set one with array.rio.write_crs(...)")
    if "://" in output:
        reason = "an array can only be scored into a local folder: write it as a GeoTIFF first"
        raise ConfigError([reason], "rasters")
    path = Path(output) / f".source-{_digest(array)}.tif"
    if not path.exists():
        _write(array, path)
    return str(path)


def _write(array: xr.DataArray, path: Path) -> None:
    temporary = path.with_name(f".writing-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        array.rio.to_raster(
            temporary, driver="GTiff", tiled=True, windowed=True, BIGTIFF="IF_SAFER"
        )
        temporary.replace(path)
    except OSError as error:
        raise OutputError(str(path), f"cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _digest(array: xr.DataArray) -> str:
    """What tells this array from another: the name of its graph, or its pixels, and its place."""
    digest = hashlib.sha256(repr((array.shape, array.dtype, array.rio.transform())).encode())
    digest.update(array.rio.crs.to_wkt().encode())
    if array.chunks is None:
        digest.update(array.values.tobytes())
    else:
        digest.update(array.data.name.encode())
    return digest.hexdigest()[:16]
