"""``landcover.score_array``: xarray in, xarray out, lazy where the scene is backed by Dask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rioxarray  # noqa: F401  (gives arrays their .rio accessor)
import xarray as xr
from rasterio.transform import Affine

from landcover.classes import Scheme, classes_of
from landcover.config import ModelSettings, checked
from landcover.errors import SourceError
from landcover.models.recipe import Recipe, make_recipe
from landcover.scoring.array_blocks import BlockScorer, score_eagerly, score_lazily
from landcover.scoring.array_input import ArrayInput, array_input
from landcover.tiles.grid import Grid, Size, spacing


def score_array(
    scene: Any, model: str | Path | Mapping[str, Any], *, tile: int | None = None
) -> xr.Dataset:
    """Score an array in memory, or lazily an array that is backed by Dask.

    The array is scored as a file of the same pixels is, at its own resolution: pixels that equal
    its declared nodata value in all bands, or are NaN or infinite in any, get no class; beyond its
    edges it is mirrored; tiles begin in its north-west, whichever way its coordinates run.

    Args:
        scene: an xarray DataArray with dims (band, y, x): bands that are numbered from 1, as from a
            file, or that have names, are found by the model's; others are in the order that its
            recipe names; with coordinates or a transform of rioxarray where it has a place on
            earth; dims (y, x) for one band; a Dataset with one such variable, or with a variable
            (y, x) a band; a NumPy or Dask array.
        model: path of the model file, or the section ``model`` of a configuration.
        tile: edge of what the network sees, in pixels; default: the model's.

    Returns:
        ``label`` (codes of classes; the attribute ``nodata`` stands for none) and ``score``
        (in [0, 1], NaN where there is no label), dims (y, x), rows and columns in the order of the
        scene's: a pixel of the scene each for a network that labels pixels, else one a tile.

    Raises:
        ConfigError: ``model`` has keys or values that are none.
        SourceError: the array has other dims, lacks a band, has another number of them or an order
            that can mean two things, or cannot be placed.
    """
    section: dict[str, Any] = dict(model) if isinstance(model, Mapping) else {"path": str(model)}
    if tile is not None:
        section["input_size"] = tile
    given = array_input(scene)
    recipe = make_recipe(checked(ModelSettings, section))
    given = replace(given, array=_bands(given.array, recipe, given.name))
    scheme = classes_of(recipe.classes, recipe.scheme)
    scorer = BlockScorer(recipe, scheme, _grid(given, recipe), given.array.rio.nodata)
    score = score_eagerly if given.array.chunks is None else score_lazily
    return given.as_given(_dataset(given, scorer, score(scorer, given.array.data)))


def _bands(array: xr.DataArray, recipe: Recipe, name: str) -> xr.DataArray:
    """The bands that the model reads.

    By name where both name them; by number where they are numbered from 1, as they are when a file
    is opened; else all, as they come.
    """
    wanted = [str(band).casefold() for band in recipe.bands]
    held = [str(band).casefold() for band in array.band.values] if "band" in array.coords else []
    in_file_order = bool(held) and held == [str(place) for place in range(1, len(held) + 1)]
    named = held and not any(word.isdecimal() for word in [*wanted, *held])
    if named or (in_file_order and all(word.isdecimal() for word in wanted)):
        places = {band: place for place, band in enumerate(held)}
        if missing := [band for band in wanted if band not in places]:
            there = ", ".join(str(band) for band in array.band.values)
            raise SourceError(name, f"has no band {missing[0]!r}; there are {there}")
        return array.isel(band=[places[band] for band in wanted])
    if array.sizes["band"] != len(wanted):
        raise SourceError(name, f"has {array.sizes['band']} bands, the model reads {len(wanted)}")
    if held != wanted != sorted(wanted) == sorted(held):
        reason = (
            f"has bands {', '.join(held)} in this order, and the model reads {', '.join(wanted)}: "
            "give them as their file has them, or in the model's order and without numbers"
        )
        raise SourceError(name, reason)
    return array


def _grid(given: ArrayInput, recipe: Recipe) -> Grid:
    pixel = recipe.output == "pixel"
    window = Size(*recipe.input_size)
    tiling = spacing(window, stride=None, halo=recipe.halo if pixel else None, exact=pixel)
    return Grid(given.array.sizes["x"], given.array.sizes["y"], *tiling)


def _dataset(given: ArrayInput, scorer: BlockScorer, found: Any) -> xr.Dataset:
    """Labels and scores with their coordinates, north-up."""
    scheme, grid = scorer.scheme, scorer.grid
    coords = {name: given.array[name] for name in ("y", "x") if name in given.array.coords}
    transform = given.transform
    if scorer.recipe.output == "tile" and transform is not None:
        transform = _of_tiles(transform, grid)
        coords = _centres(transform, grid.rows, grid.cols)
    elif scorer.recipe.output == "tile":
        coords = {}
    label = xr.DataArray(found[0].astype(scheme.dtype), coords, ("y", "x"))
    label.attrs = _told(scheme)
    result = xr.Dataset({"label": label, "score": xr.DataArray(found[1], coords, ("y", "x"))})
    crs = given.array.rio.crs
    return result if crs is None else result.rio.write_crs(crs)


def _told(scheme: Scheme) -> dict[str, Any]:
    return {"nodata": scheme.nodata, "codes": scheme.codes, "names": scheme.names}


def _of_tiles(pixels: Affine, grid: Grid) -> Affine:
    """The transform of an array with one pixel a tile."""
    row, col = grid.corner(0, 0)
    wide, high, stride = pixels.a, pixels.e, grid.stride
    left, top = pixels.c + wide * col, pixels.f + high * row
    return Affine(wide * stride.cols, 0, left, 0, high * stride.rows, top)


def _centres(transform: Affine, rows: int, cols: int) -> dict[str, Any]:
    """Coordinates of the centres of pixels."""
    return {
        "y": ("y", transform.f + transform.e * (np.arange(rows) + 0.5)),
        "x": ("x", transform.c + transform.a * (np.arange(cols) + 0.5)),
    }
