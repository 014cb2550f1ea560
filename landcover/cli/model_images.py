"""Tiles to compare runtimes with, cut from image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from landcover.errors import SourceError
from landcover.models.comparison.comparison import Images
from landcover.models.preprocessing.specification import Pixels
from landcover.models.recipe import Recipe
from landcover.tiles.gdal import FAILURES, cause
from landcover.tiles.opening import opened_raster

_MOST = 64


def images_of(patterns: Sequence[str]) -> Images:
    """Cuts tiles from images: from each the windows of a grid, 64 in all, spread evenly.

    Pixels are given as they are, without resampling.

    Args:
        patterns: paths, folders or globs of anything that GDAL reads.

    Raises:
        SourceError: nothing matches (at once); an image is smaller than a tile, has too few bands
            or cannot be read (when tiles are cut).
    """
    paths = sorted({path for pattern in patterns for path in _matching(pattern)})

    def cut(recipe: Recipe) -> Pixels:
        windows = [(path, window) for path in paths for window in _windows(path, recipe)]
        chosen = np.unique(np.linspace(0, len(windows) - 1, _MOST).astype(int))
        return np.stack(
            [_read(path, window, recipe) for path, window in map(windows.__getitem__, chosen)]
        )

    return cut


def _matching(pattern: str) -> list[str]:
    whole = Path(pattern).expanduser().absolute()
    found = list(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))))
    if found == [whole] and whole.is_dir():
        found = [path for path in whole.iterdir() if path.is_file()]
    if not found:
        raise SourceError(pattern, "no image matches")
    return list(map(str, found))


def _windows(path: str, recipe: Recipe) -> Iterator[Window]:
    rows, columns = recipe.input_size
    try:
        with opened_raster(path) as image:
            height, width, count = image.height, image.width, image.count
    except FAILURES as error:
        raise SourceError(path, f"cannot be read: {cause(error)}") from error
    most = max(band for band in _bands(recipe))
    if count < most:
        raise SourceError(path, f"has {count} bands, and the model reads band {most}")
    if height < rows or width < columns:
        raise SourceError(path, f"has {height} x {width} pixels, and a tile has {rows} x {columns}")
    for row in range(0, height - rows + 1, rows):
        for column in range(0, width - columns + 1, columns):
            yield Window(column, row, columns, rows)


def _read(path: str, window: Window, recipe: Recipe) -> Pixels:
    with opened_raster(path) as image:
        pixels: Pixels = image.read(_bands(recipe), window=window)
    return pixels


def _bands(recipe: Recipe) -> list[int]:
    """Bands by number; those that are told by name are taken to be the first ones, in order."""
    return [band if isinstance(band, int) else at for at, band in enumerate(recipe.bands, 1)]
