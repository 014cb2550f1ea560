"""A generated aerial scene with its reference raster: something to try landcover on, offline."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.windows import Window

from landcover.classes import scheme
from landcover.datasets.appearance import Ground, paint
from landcover.datasets.class_map import ClassMap
from landcover.datasets.later import Later
from landcover.datasets.noise import Floats, Noise, turned
from landcover.errors import OutputError
from landcover.machine import usable_cpus
from landcover.tiles.gdal import FAILURES

_BLOCK = 256
_TILT = np.float32(np.radians(2.2))  # of the flown quadrangle against the grid
_CORNER = (300_000.0, 4_710_000.0)  # easting and northing of the upper-left corner (Massachusetts)
# Without the last, the fourth band would be declared the opacity of the other three.
_COLORS: dict[str, Any] = {"count": 4, "photometric": "rgb", "alpha": "no"}
_BANDS = ("red", "green", "blue", "nir")


class Landscape(NamedTuple):
    """Where a generated scene lies.

    Args:
        imagery: GeoTIFF, 4 bands (red, green, blue, near infrared), uint8, 1 m, nodata 0.
        reference: GeoTIFF on the same grid, uint8 codes of the scheme ``nlcd6``, nodata 255.
    """

    imagery: Path
    reference: Path


def write_landscape(
    folder: str | os.PathLike[str], size: int = 3072, seed: int = 1, later: Later | None = None
) -> Landscape:
    """Generate a scene with forest, shrubs, meadows, fields, barren land and towns.

    The imagery has a tilted outline with nodata around it, as quarter quadrangles have. The same
    arguments give the same pixels. Blocks are generated one by one: memory does not grow with the
    scene's area, but for a coarse map of about ``size ** 2 / 3`` numbers.

    Args:
        folder: where ``imagery.tif`` and ``reference.tif`` are put, replacing older ones; it is
            made where it is absent.
        size: edge of the scene, in pixels of 1 m.
        seed: another seed gives another landscape.
        later: how the landscape of that seed looks on a later date; None: on the first one.

    Raises:
        OutputError: what is read back is not what was written, as on a disk that is full.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = Landscape(folder / "imagery.tif", folder / "reference.tif")
    profile, written = _profile(size), list[tuple[Window, int, int]]()
    with (
        rasterio.open(paths.imagery, "w", **profile, **_COLORS, nodata=0) as imagery,
        rasterio.open(paths.reference, "w", **profile, count=1, nodata=255) as reference,
    ):
        imagery.descriptions = _BANDS
        reference.write_colormap(1, {item.code: item.rgb for item in scheme("nlcd6")})
        for window, pixels, codes in _blocks(ClassMap(Noise(seed), size, later)):
            imagery.write(pixels, window=window)
            reference.write(codes, 1, window=window)
            written.append((window, _sum(pixels), _sum(codes)))
    _check_written(paths, written)
    return paths


def _sum(pixels: npt.NDArray[np.uint8]) -> int:
    return zlib.crc32(pixels.tobytes())


def _check_written(paths: Landscape, written: Sequence[tuple[Window, int, int]]) -> None:
    """Read everything back: of what fails when a file is closed, GDAL says nothing."""
    found = []
    with (
        suppress(*FAILURES),
        rasterio.open(paths.imagery) as imagery,
        rasterio.open(paths.reference) as reference,
    ):
        for window, _, _ in written:
            both = imagery.read(window=window), reference.read(1, window=window)
            found.append((window, *map(_sum, both)))
    if found != written:
        reason = "what was written there cannot be read back: the disk may be full or failing"
        raise OutputError(str(paths.imagery.parent), reason)


def _profile(size: int) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "width": size,
        "height": size,
        "dtype": "uint8",
        "crs": "EPSG:26919",
        "transform": rasterio.transform.from_origin(*_CORNER, 1, 1),
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "compress": "deflate",
        "predictor": 2,
    }


def _blocks(
    classes: ClassMap,
) -> Iterator[tuple[Window, npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
    size = classes.size
    starts = range(0, size, _BLOCK)
    windows = [
        Window(left, top, min(_BLOCK, size - left), min(_BLOCK, size - top))
        for top in starts
        for left in starts
    ]
    with ThreadPoolExecutor(usable_cpus()) as pool:
        for window, block in zip(windows, pool.map(partial(_block, classes), windows), strict=True):
            yield window, *block


def _block(
    classes: ClassMap, window: Window
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """The pixels (band, y, x) and codes (y, x) of a window, alike however the scene is divided."""
    # Two pixels more on every side, for slopes and the blur of the lens.
    columns = np.arange(window.col_off - 2, window.col_off + window.width + 2, dtype=np.float32)
    rows = np.arange(window.row_off - 2, window.row_off + window.height + 2, dtype=np.float32)
    x, y = np.meshgrid(columns + 0.5, rows + 0.5)
    layout = classes.layout(x, y)
    light = _blurred(paint(Ground(x, y, classes.noise, layout, classes.later)))[:, 1:-1, 1:-1]
    inner = np.s_[2:-2, 2:-2]
    light += _sensor_noise(classes, window, light.shape)
    codes = np.array(scheme("nlcd6").codes, np.uint8)[layout.label[inner]]
    flown = _flown(x[inner], y[inner], classes.size)
    pixels = np.where(flown, np.clip(np.round(light), 1, 255), 0).astype(np.uint8)
    return pixels, np.where(flown, codes, 255).astype(np.uint8)


def _blurred(light: Floats) -> Floats:
    """The picture through a lens: 3 x 3, weights 1 to 3 to 1; one pixel less on every side."""
    wide = (light[:, :, :-2] + 3 * light[:, :, 1:-1] + light[:, :, 2:]) / 5
    return (wide[:, :-2] + 3 * wide[:, 1:-1] + wide[:, 2:]) / 5


def _sensor_noise(classes: ClassMap, window: Window, shape: tuple[int, ...]) -> Floats:
    date = [] if classes.later is None else [1]
    generator = np.random.default_rng([classes.noise.seed, window.col_off, window.row_off, *date])
    return generator.normal(0, 2.0, shape).astype(np.float32)


def _flown(x: Floats, y: Floats, size: int) -> npt.NDArray[np.bool_]:
    """Whether a place lies within the tilted square that was photographed."""
    u, v = turned(x - size / 2, y - size / 2, _TILT)
    return np.maximum(np.abs(u), np.abs(v)) < 0.494 * size
