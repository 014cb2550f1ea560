"""A model that is open: tiles in, class probabilities out."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from landcover.config import PRECISIONS
from landcover.devices import Gpu
from landcover.errors import ModelError
from landcover.models.cropping.crop import Arithmetic
from landcover.models.fetch import local_path, shown
from landcover.models.formats.detection import detect
from landcover.models.network import Graph, Network
from landcover.models.preprocessing.specification import Pixels, Probabilities
from landcover.models.recipe import Recipe
from landcover.models.runtimes.memory import ConcurrencyLimit, out_of_memory
from landcover.models.runtimes.placement import place
from landcover.models.runtimes.registry import start_runtime
from landcover.plugins import load_runtime

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger(__name__)

_DIMS = ("tile", "band", "y", "x")


class ScoringModel:
    """A trained network together with everything between pixels and probabilities.

    It keeps the promises of :class:`landcover.contracts.Model`; several threads may use it at once.
    A batch that does not fit into memory is tried again in halves, and later ones stay as small.

    Args:
        recipe: what it was opened by.
        network: runs pixels through the network, without any check.
        gpu: what the network runs on; None: the CPU.
    """

    def __init__(self, recipe: Recipe, network: Network, gpu: Gpu | None = None) -> None:
        self.recipe = recipe
        self.network = network
        self.gpu = gpu
        self._limit = ConcurrencyLimit()

    @property
    def arithmetic(self) -> Arithmetic | None:
        """How much less is computed of a window than the file says, once that has been; None: all."""
        found: Arithmetic | None = getattr(self.network, "arithmetic", None)
        return found

    @property
    def batch(self) -> int:
        """How many tiles it prefers to be given at once; it shrinks when memory is short."""
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
            ModelError: dims, bands or size are not those that the network reads, or not even a
                single tile fits into memory.
        """
        if tiles.dims != _DIMS:
            raise ModelError(self.shown, f"reads tiles with dims {_DIMS}, not {tiles.dims}")
        return self._labelled(self.probabilities(tiles.values), tiles)

    def probabilities(self, pixels: Pixels) -> Probabilities:
        """What :meth:`score` returns, from pixels with the same dims, both without their names.

        A run does without xarray: importing it takes longer than a small job, and it brings all of Dask's arrays.
        """
        self._check(pixels)
        results: list[Probabilities] = []
        start = 0
        while start < len(pixels):
            results.append(self._fitting(pixels[start : start + self.batch]))
            start += len(results[-1])
        if not results:
            return self._nothing()
        return results[0] if len(results) == 1 else np.concatenate(results)

    def _fitting(self, pixels: Pixels) -> Probabilities:
        """The probabilities of the first tiles, as many of them as fit into memory at once."""
        while True:
            with self._limit.run() as alone:
                try:
                    return self.network.run(pixels)
                except Exception as error:
                    if not out_of_memory(error):
                        raise
                    reason = error
            self._limit.one_at_a_time()
            if len(pixels) > 1:
                pixels = pixels[: len(pixels) // 2]
                self._shrink(len(pixels))
            elif alone:
                raise self.too_large(reason) from reason

    def _shrink(self, batch: int) -> None:
        if batch < self.batch:
            log.warning("%s: memory is short, going on with %d tiles at once", self.shown, batch)
            self.recipe = replace(self.recipe, batch=batch)

    def too_large(self, error: Exception) -> ModelError:
        """What to say when not even one tile fits into memory.

        Args:
            error: what the runtime said.
        """
        rows, cols = self.recipe.input_size
        said = next(iter(str(error).splitlines()), "") or type(error).__name__
        return ModelError(
            self.shown,
            f"not even one tile of {rows} x {cols} pixels fits into memory ({said[:200]}): set a "
            "smaller source.tile if the network reads any size, give the worker more memory, or "
            "set model.device to cpu if this was a GPU's",
        )

    @property
    def shown(self) -> str:
        """Its name in messages."""
        return shown(self.recipe.path)

    def _check(self, pixels: Pixels) -> None:
        where, recipe = self.shown, self.recipe
        _, bands, *size = pixels.shape
        if bands != len(recipe.bands):
            named = ", ".join(map(str, recipe.bands))
            raise ModelError(
                where,
                f"reads {len(recipe.bands)} bands ({named}), but the tiles have "
                f"{bands}: set source.bands or model.bands",
            )
        if tuple(size) != recipe.input_size:
            wanted, got = (" x ".join(map(str, s)) for s in (recipe.input_size, size))
            raise ModelError(where, f"reads tiles of {wanted} pixels, not {got}: set source.tile")
        if pixels.dtype.kind not in "biuf":
            raise ModelError(where, f"reads numbers, not pixels of dtype {pixels.dtype}")
        reads = np.dtype(recipe.reads)
        if reads.kind in "iu" and not np.can_cast(pixels.dtype, reads, "safe"):
            raise ModelError(
                where,
                f"reads {reads} and the imagery is {pixels.dtype}, which {reads} cannot hold: give it "
                f"imagery of {reads}, scaled as that which it was trained on",
            )

    def _nothing(self) -> Probabilities:
        height, width = (edge - 2 * self.recipe.halo for edge in self.recipe.input_size)
        pixel = (height, width) if self.recipe.output == "pixel" else ()
        return np.empty((0, len(self.recipe.classes), *pixel), np.float32)

    def _labelled(self, scores: Probabilities, tiles: xr.DataArray) -> xr.DataArray:
        import xarray as xr

        dims = ("tile", "class", "y", "x")[: scores.ndim]
        labelled = xr.DataArray(scores, self._classes, dims, name="probability")
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
        import xarray as xr

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
        ModelError: the file cannot be read here, or is not the one that the recipe was made of, or
            no GPU is left for this process.
        MissingExtra: the runtime's library is not installed here.
    """
    name = shown(recipe.path)
    if recipe.precision not in PRECISIONS:
        return ScoringModel(recipe, _quantized(recipe, threads, name).compile(recipe.steps()))
    file = detect(local_path(recipe.path), name)
    if file.digest != recipe.digest:
        raise ModelError(
            name,
            f"has changed since the run was planned (SHA-256 {file.digest[:12]}... here, "
            f"{recipe.digest[:12]}... then): every host must see the same file",
        )
    gpu = place(recipe.device, recipe.runtime, name)
    runtime = start_runtime(recipe.runtime, file, recipe.precision, threads, name, gpu)
    network = runtime.open(file, recipe.head).compile(recipe.steps())
    return ScoringModel(recipe, network, gpu)


def _quantized(recipe: Recipe, threads: int, name: str) -> Graph:
    """The network in 8-bit integers that a run was planned with: all that its workers need.

    Raises:
        ModelError: it cannot be read here, or is another one, or no run has made it.
    """
    if recipe.quantized is None:
        raise not_settled(recipe, name)
    runtime = load_runtime(recipe.runtime, threads=threads, precision=recipe.precision)
    path = local_path(recipe.quantized)
    if digest_of(path) != recipe.quantized_digest:
        reason = "is not the quantized network that the run was planned with: restore it from there"
        raise ModelError(shown(recipe.quantized), reason)
    graph: Graph = runtime.open_quantized(path, name)
    return graph


def not_settled(recipe: Recipe, name: str) -> ModelError:
    """What to say where a precision is asked for that only a run can settle."""
    return ModelError(
        name,
        f"precision {recipe.precision} is settled by a run, which has imagery to try it on "
        "(landcover score): set model.precision to f32, bf16 or f16 here",
    )


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits; "" where there is none.

    Args:
        path: of the file.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
