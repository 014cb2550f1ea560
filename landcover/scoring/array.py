"""``landcover.score_array``: xarray in, xarray out, lazy where the scene is backed by Dask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rioxarray  # noqa: F401  (gives arrays their .rio accessor)
import xarray as xr

from landcover.classes import Scheme, classes_of
from landcover.config import ModelSettings
from landcover.errors import ConfigError, SourceError
from landcover.models.recipe import Recipe, make_recipe
from landcover.scoring.labels import defined
from landcover.scoring.model import model_of
from landcover.tiles.grid import Block, Grid, Size, reflected

Pixels = npt.NDArray[Any]
# Edge of what is computed in one go of an array of Dask, in pixels of the scene, about.
_BLOCK = 2048


def score_array(
    scene: xr.DataArray, model: str | Path | Mapping[str, Any], *, tile: int | None = None
) -> xr.Dataset:
    """Score an array in memory, or lazily an array that is backed by Dask.

    The array is scored at its own resolution; edges are padded by reflection. Pixels that equal the
    array's declared nodata value in all bands get no class.

    Args:
        scene: dims (band, y, x), the bands in the order that the model's recipe names.
        model: path of the model file, or the section ``model`` of a configuration.
        tile: edge of what the network sees, in pixels; default: the model's.

    Returns:
        ``label`` (codes of classes; the attribute ``nodata`` stands for none) and ``score``
        (in [0, 1], NaN where there is no label), dims (y, x): a pixel of the scene each for a
        network that labels pixels, else one a tile.

    Raises:
        SourceError: the array has other dims or another number of bands.
    """
    section: dict[str, Any] = dict(model) if isinstance(model, Mapping) else {"path": str(model)}
    if tile is not None:
        section["input_size"] = tile
    recipe = make_recipe(ModelSettings.model_validate(section))
    scene = _checked(scene, recipe)
    scorer = _Scorer(recipe, classes_of(recipe.classes, recipe.scheme), scene.rio.nodata)
    window = Size(*recipe.input_size)
    core = window.less(recipe.halo)
    grid = Grid(scene.sizes["x"], scene.sizes["y"], window, recipe.halo, core)
    padded = _padded(scene, grid)
    found = scorer(padded) if scene.chunks is None else _lazily(scorer, padded, grid)
    return _dataset(scene, grid, scorer, found)


@dataclass(frozen=True)
class _Scorer:
    """Scores a rectangle of whole tiles that has its halo around it already."""

    recipe: Recipe
    scheme: Scheme
    nodata: float | None

    @property
    def core(self) -> int:
        """Edge of what a tile writes, in pixels of the scene."""
        return self.recipe.input_size[0] - 2 * self.recipe.halo

    @property
    def cell(self) -> int:
        """Edge of what a tile writes, in labels."""
        return self.core if self.recipe.output == "pixel" else 1

    def __call__(self, pixels: Pixels) -> Pixels:
        """Return code and score of each label, dims (2, y, x), of pixels (band, y, x)."""
        halo, cell = self.recipe.halo, self.cell
        rows, cols = ((edge - 2 * halo) // self.core for edge in pixels.shape[1:])
        result = np.empty((2, rows * cell, cols * cell), np.float32)
        for row in range(rows):
            for first in range(0, cols, self.recipe.batch):
                last = min(first + self.recipe.batch, cols)
                target = result[:, row * cell : (row + 1) * cell, first * cell : last * cell]
                target[:] = self._batch(pixels, row, range(first, last))
        return result

    def _batch(self, pixels: Pixels, row: int, cols: range) -> Pixels:
        """Code and score of neighbouring tiles of a row, dims (2, cell, cell * tile)."""
        core, edge = self.core, self.recipe.input_size[0]
        y = row * core
        tiles = [pixels[:, y : y + edge, col * core : col * core + edge] for col in cols]
        batch = np.ascontiguousarray(np.stack(tiles))
        held = self._holds_data(batch)
        if batch.dtype.kind != "u" and not held.all():
            batch[~np.broadcast_to(held[:, None], batch.shape)] = 0  # a fill value is no brightness
        scored = model_of(self.recipe).score(xr.DataArray(batch, dims=("tile", "band", "y", "x")))
        returned = scored.values.reshape(len(batch), len(self.scheme), self.cell, self.cell)
        found, undefined = defined(returned)
        codes = np.asarray(self.scheme.codes, np.float32)[found.argmax(axis=1)]
        scores = found.max(axis=1)
        empty = ~self._labelled(held)
        if undefined is not None:
            empty |= undefined
        codes[empty], scores[empty] = self.scheme.nodata, np.nan
        return np.stack([np.concatenate(list(part), axis=1) for part in (codes, scores)])

    def _holds_data(self, pixels: Pixels) -> Pixels:
        """Which pixels (tile, band, y, x) hold data, dims (tile, y, x), as in a file."""
        if self.nodata is None or np.isnan(self.nodata):
            held = np.ones((len(pixels), *pixels.shape[2:]), bool)
        else:
            held = np.asarray((pixels != self.nodata).any(axis=1))
        return held & ~np.isnan(pixels).any(axis=1) if pixels.dtype.kind == "f" else held

    def _labelled(self, held: Pixels) -> Pixels:
        """Which labels stand for any data, dims (tile, cell, cell)."""
        halo, edge = self.recipe.halo, self.recipe.input_size[0]
        core: Pixels = held[:, halo : edge - halo, halo : edge - halo]
        if self.recipe.output == "pixel":
            return core
        return np.asarray(core.any(axis=(1, 2), keepdims=True))


def _checked(scene: xr.DataArray, recipe: Recipe) -> xr.DataArray:
    name = str(scene.name or "the array")
    if scene.dims != ("band", "y", "x"):
        raise SourceError(name, f"has dims {scene.dims}, not ('band', 'y', 'x')")
    if scene.sizes["band"] != len(recipe.bands):
        raise SourceError(
            name, f"has {scene.sizes['band']} bands, the model reads {len(recipe.bands)}"
        )
    rows, cols = recipe.input_size
    if rows != cols:
        raise ConfigError([f"the model reads {rows} x {cols} pixels: a grid needs square tiles"])
    return scene


def _padded(scene: xr.DataArray, grid: Grid) -> Any:
    """The scene's pixels on all that its tiles read, mirrored beyond its edges."""
    read = grid.read(Block(0, grid.rows, 0, grid.cols))
    rows = reflected(read.row0, read.row1, grid.height)
    cols = reflected(read.col0, read.col1, grid.width)
    return scene.data[:, rows, :][:, :, cols]


def _lazily(scorer: _Scorer, padded: Any, grid: Grid) -> Any:
    """Score block by block, each some tiles wide and high, when it is computed."""
    import dask.array as da

    edge = grid.core.rows
    tiles = max(1, _BLOCK // edge)
    cores = [_chunks(count, tiles, edge) for count in (grid.rows, grid.cols)]
    halo = grid.halo
    # The outermost blocks keep the halo that the padding has given them.
    outer = [
        (edge[0] + halo, *edge[1:-1], edge[-1] + halo) if len(edge) > 1 else (edge[0] + 2 * halo,)
        for edge in cores
    ]
    blocks = padded.rechunk((padded.shape[0], *(tuple(edge) for edge in outer)))
    around = da.overlap.overlap(  # type: ignore[no-untyped-call]
        blocks, {0: 0, 1: halo, 2: halo}, "none"
    )
    scale = edge // scorer.cell
    chunks = ((2,), *(tuple(size // scale for size in edge) for edge in cores))
    return da.map_blocks(  # type: ignore[no-untyped-call]
        scorer, around, chunks=chunks, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
    )


def _chunks(count: int, most: int, core: int) -> list[int]:
    return [min(most, count - first) * core for first in range(0, count, most)]


def _dataset(scene: xr.DataArray, grid: Grid, scorer: _Scorer, found: Any) -> xr.Dataset:
    scheme = scorer.scheme
    if scorer.recipe.output == "pixel":
        found = found[:, : grid.height, : grid.width]
        coords = {name: scene.coords[name] for name in ("y", "x") if name in scene.coords}
    else:
        coords = {
            name: (name, _centres(scene[name].values, grid.core.rows, found.shape[1 + axis]))
            for axis, name in enumerate(("y", "x"))
            if name in scene.coords
        }
    label = xr.DataArray(found[0].astype(scheme.dtype), coords, ("y", "x"))
    label.attrs = {"nodata": scheme.nodata, "codes": scheme.codes, "names": scheme.names}
    result = xr.Dataset({"label": label, "score": xr.DataArray(found[1], coords, ("y", "x"))})
    return result.rio.write_crs(scene.rio.crs) if scene.rio.crs is not None else result


def _centres(pixels: npt.NDArray[np.floating[Any]], core: int, count: int) -> Pixels:
    """Coordinates of the centres of tiles, from those of the scene's pixels."""
    step = pixels[1] - pixels[0] if len(pixels) > 1 else 1.0
    return np.asarray(pixels[0] + step * ((np.arange(count) + 0.5) * core - 0.5))
