"""A model that is open: tiles in, class probabilities out."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import xarray as xr

from landcover.errors import ModelError
from landcover.models.fetch import local_path, shown
from landcover.models.formats import detect
from landcover.models.network import Network, Probabilities
from landcover.models.recipe import Recipe
from landcover.models.runtimes import start_runtime

_DIMS = ("tile", "band", "y", "x")


class ScoringModel:
    """A trained network together with everything between pixels and probabilities.

    It keeps the promises of :class:`landcover.contracts.Model`; several threads may use it at once.

    Args:
        recipe: what it was opened by.
        network: runs pixels through the network, without any check.
    """

    def __init__(self, recipe: Recipe, network: Network) -> None:
        self.recipe = recipe
        self.network = network

    @property
    def batch(self) -> int:
        """How many tiles it prefers to be given at once."""
        return self.recipe.batch

    def score(self, tiles: xr.DataArray) -> xr.DataArray:
        """Return class probabilities in [0, 1].

        Args:
            tiles: pixels with dims ``(tile, band, y, x)``, the bands in the order of
                ``recipe.bands``, ``y`` and ``x`` as large as ``recipe.input_size``; of any dtype.

        Returns:
            float32 with dims ``(tile, class)``, or ``(tile, class, y, x)`` for a network that
            labels pixels, less ``recipe.halo`` pixels on each side. ``class`` has the names of the
            classes as its coordinate; coordinates of ``tile``, ``y`` and ``x`` are kept.

        Raises:
            ModelError: dims, bands or size are not those that the network reads.
        """
        self._check(tiles)
        pixels = tiles.values
        starts = range(0, len(pixels), self.batch)
        results = [self.network.run(pixels[at : at + self.batch]) for at in starts]
        return self._labelled(np.concatenate(results) if results else self._nothing(), tiles)

    def _check(self, tiles: xr.DataArray) -> None:
        where, recipe = shown(self.recipe.path), self.recipe
        if tiles.dims != _DIMS:
            raise ModelError(where, f"reads tiles with dims {_DIMS}, not {tiles.dims}")
        if tiles.sizes["band"] != len(recipe.bands):
            named = ", ".join(map(str, recipe.bands))
            raise ModelError(
                where,
                f"reads {len(recipe.bands)} bands ({named}), but the tiles have "
                f"{tiles.sizes['band']}: set source.bands or model.bands",
            )
        size = (tiles.sizes["y"], tiles.sizes["x"])
        if size != recipe.input_size:
            wanted, got = (" x ".join(map(str, s)) for s in (recipe.input_size, size))
            raise ModelError(where, f"reads tiles of {wanted} pixels, not {got}: set source.tile")
        if tiles.dtype.kind not in "biuf":
            raise ModelError(where, f"reads numbers, not pixels of dtype {tiles.dtype}")

    def _nothing(self) -> Probabilities:
        height, width = (edge - 2 * self.recipe.halo for edge in self.recipe.input_size)
        pixel = (height, width) if self.recipe.output == "pixel" else ()
        return np.empty((0, len(self.recipe.classes), *pixel), np.float32)

    def _labelled(self, scores: Probabilities, tiles: xr.DataArray) -> xr.DataArray:
        dims = ("tile", "class", "y", "x")[: scores.ndim]
        labelled = xr.DataArray(scores, self._classes, dims, name="probability")
        if not tiles.coords:  # as on workers, where each batch comes this way
            return labelled
        kept = tiles.isel(y=self._core, x=self._core)
        return labelled.assign_coords(
            {
                name: coord
                for name, coord in kept.coords.items()
                if set(coord.dims) <= set(dims) - {"class"}
            }
        )

    @cached_property
    def _classes(self) -> xr.Coordinates:
        """The names of the classes; made once, since an index costs more than a batch's labels."""
        return xr.Coordinates({"class": list(self.recipe.classes)})

    @property
    def _core(self) -> slice:
        """The part of each side that is returned."""
        return slice(self.recipe.halo, -self.recipe.halo or None)


def open_model(recipe: Recipe, threads: int = 0) -> ScoringModel:
    """Open a model by its recipe; a worker does this once.

    Args:
        recipe: made by :func:`landcover.models.recipe.make_recipe`.
        threads: CPU threads that the network may use; 0: as many as the runtime thinks fit.

    Raises:
        ModelError: the file cannot be read here, or is not the one that the recipe was made of.
        MissingExtra: the runtime's library is not installed here.
    """
    name = shown(recipe.path)
    file = detect(local_path(recipe.path), name)
    if file.digest != recipe.digest:
        raise ModelError(
            name,
            f"has changed since the run was planned (SHA-256 {file.digest[:12]}... here, "
            f"{recipe.digest[:12]}... then): every host must see the same file",
        )
    runtime = start_runtime(recipe.runtime, file, recipe.precision, threads, name)
    return ScoringModel(recipe, runtime.open(file, recipe.head).compile(recipe.wrapping()))
