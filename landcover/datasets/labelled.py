"""Labelled tiles, cut from imagery and a reference raster on the same grid."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from landcover.errors import SourceError
from landcover.tiles.opening import opened_raster


class LabelledTiles(NamedTuple):
    """Tiles with the class that covers most of each.

    Args:
        pixels: dims (tile, band, y, x), in the dtype of the imagery.
        codes: dims (tile,), the commonest code of the reference within each tile.
        shares: dims (tile,), what part of each tile has that code, above 0 and up to 1.
    """

    pixels: npt.NDArray[Any]
    codes: npt.NDArray[np.integer]
    shares: npt.NDArray[np.floating[Any]]


def labelled_tiles(
    imagery: str | os.PathLike[str], reference: str | os.PathLike[str], tile: int
) -> LabelledTiles:
    """Cut imagery into tiles and label each with the reference; all of them are held in memory.

    Tiles stand side by side from the upper-left corner. Those with nodata, in the imagery or the
    reference, are left out, as are incomplete ones at the right and lower edge.

    Args:
        imagery: a raster.
        reference: a raster of class codes on the grid of the imagery.
        tile: edge of a tile, in pixels.

    Raises:
        SourceError: the rasters do not lie on one grid, or no tile is complete.
    """
    pixels, codes, shares = [], [], []
    with opened_raster(str(imagery)) as scene, opened_raster(str(reference)) as truth:
        _check_grids(scene, truth)
        for row in range(scene.height // tile):
            window = Window(0, row * tile, scene.width // tile * tile, tile)
            complete = _columns(scene.dataset_mask(window=window), tile).all((1, 2))
            complete &= _columns(truth.dataset_mask(window=window), tile).all((1, 2))
            counts = _counts(_columns(truth.read(1, window=window), tile)[complete])
            pixels.append(_columns(scene.read(window=window), tile)[complete])
            codes.append(counts.argmax(1))
            shares.append(counts.max(1) / tile**2)
    if not sum(map(len, codes)):
        raise SourceError(str(imagery), f"no tile of {tile} x {tile} pixels is free of nodata")
    return LabelledTiles(np.concatenate(pixels), np.concatenate(codes), np.concatenate(shares))


def _check_grids(scene: Any, truth: Any) -> None:
    same = (
        scene.crs == truth.crs
        and scene.shape == truth.shape
        and scene.transform.almost_equals(truth.transform, 1e-3 * scene.res[0])
    )
    if not same:
        raise SourceError(
            truth.name,
            f"lies on another grid ({truth.crs}, {truth.width} x {truth.height} pixels of "
            f"{truth.res[0]:g}) than {scene.name} ({scene.crs}, {scene.width} x {scene.height} "
            f"pixels of {scene.res[0]:g}): warp it to the imagery's first",
        )


def _columns(strip: npt.NDArray[Any], tile: int) -> npt.NDArray[Any]:
    """Cut a strip of dims ([band,] y, x), one tile high, into (tile, [band,] y, x)."""
    parts = strip.reshape(*strip.shape[:-1], -1, tile)
    return np.moveaxis(parts, -2, 0)


def _counts(tiles: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """How many pixels of each tile have each code, dims (tile, code)."""
    counts = [np.bincount(tile.ravel(), minlength=256) for tile in tiles]
    size = max((len(count) for count in counts), default=256)
    padded = [np.pad(count, (0, size - len(count))) for count in counts]
    return np.array(padded).reshape(len(counts), size)
