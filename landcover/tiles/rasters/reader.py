"""An open scene: its file, or its files of one band each, read as they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from landcover.errors import ReadFailed
from landcover.stores.urls import is_remote
from landcover.tiles import buffers
from landcover.tiles.opening import reopen_raster
from landcover.tiles.rasters.metadata import has_mask, holdable
from landcover.tiles.rasters.palettes import coloured
from landcover.tiles.rasters.scene import Scene
from landcover.tiles.reach import readable


class MaskedPixels(NamedTuple):
    """Pixels of a scene, dims (band, y, x), and which are valid, dims (y, x); None: all of them."""

    pixels: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False)
class SceneReader:
    """A scene that is open, to be used by one thread.

    Args:
        scene: what it is.
        datasets: of rasterio, one a file.
    """

    scene: Scene
    datasets: tuple[Any, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns) of the files, in their own pixels."""
        return self.datasets[0].height, self.datasets[0].width

    @property
    def tells_validity(self) -> bool:
        """Whether the mask or the declared values are there by which pixels without data are told.

        GDAL takes what lies beside a file for absent where its store does not answer.
        """
        match self.scene.bands.validity:
            case "mask":
                return all(has_mask(dataset) for dataset in self.datasets)
            case "value":
                return all(None not in dataset.nodatavals for dataset in self.datasets)
        return True

    def read(self, ys: tuple[int, int], xs: tuple[int, int]) -> MaskedPixels:
        """Read a rectangle in the pixels of the files.

        In signed and float imagery pixels without data become 0: their fill values (-9999, NaN)
        are no brightness. Infinite pixels are none, as NaN is. Everything else comes as it is.

        Args:
            ys: (start, stop) of the rows, inside the files.
            xs: (start, stop) of the columns.

        Raises:
            OSError: (rasterio's, too) if the file cannot be read.
        """
        window = Window(xs[0], ys[0], xs[1] - xs[0], ys[1] - ys[0])
        bands = self.scene.bands
        pixels = self._bands(bands.read, window)
        valid = self._valid(pixels, window)
        return masked(pixels, valid)

    def close(self) -> None:
        """Close the files."""
        for dataset in self.datasets:
            dataset.close()

    def _bands(self, numbers: tuple[int, ...], window: Window) -> npt.NDArray[Any]:
        if len(self.datasets) == 1:
            [dataset] = self.datasets
            dtype = np.result_type(*(dataset.dtypes[band - 1] for band in numbers))
            room = buffers.empty((len(numbers), window.height, window.width), dtype)
            return dataset.read(numbers, window=window, out=room)  # type: ignore[no-any-return]
        return np.stack([self.datasets[band - 1].read(1, window=window) for band in numbers])

    def _valid(self, pixels: npt.NDArray[Any], window: Window) -> npt.NDArray[np.bool_] | None:
        """Which pixels hold data as far as the files say so; None where all do."""
        bands = self.scene.bands
        if bands.validity == "all":
            return None
        if bands.validity == "alpha":
            # Of a dtype of its own, perhaps; the block that holds it has been decoded just now.
            return self.datasets[0].read(bands.alpha, window=window) > 0  # type: ignore[no-any-return]
        if bands.validity == "mask":
            masks = [dataset.read_masks(1, window=window) for dataset in self.datasets]
            return np.logical_or.reduce(masks)  # type: ignore[no-any-return]
        # A pixel holds data if one of all bands differs from the value that is declared for it.
        valid = self._differs(pixels, bands.read)
        if bands.others and not valid.all():
            valid |= self._differs(self._bands(bands.others, window), bands.others)
        return valid

    def _differs(self, pixels: npt.NDArray[Any], numbers: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Where at least one of these bands is not its declared value; dims (y, x)."""
        declared = [value for dataset in self.datasets for value in dataset.nodatavals]
        return differs(pixels, [declared[number - 1] for number in numbers])


def differs(pixels: npt.NDArray[Any], declared: Sequence[float | None]) -> npt.NDArray[np.bool_]:
    """Where at least one band is not the value that is declared for it; dims (y, x).

    Args:
        pixels: dims (band, y, x).
        declared: a value a band; None, or one that no pixel can hold, marks nothing.
    """
    found = np.zeros(pixels.shape[1:], dtype=bool)
    for band, told in zip(pixels, declared, strict=True):
        value = holdable(told, str(band.dtype))
        if value is None:
            return np.ones_like(found)
        found |= ~np.isnan(band) if math.isnan(value) else band != band.dtype.type(value)
    return found


def masked(pixels: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None) -> MaskedPixels:
    """Pixels with those of them that are valid: what is NaN or infinite in any band is not.

    Args:
        pixels: dims (band, y, x); fill values of signed and float imagery become 0 in place.
        valid: dims (y, x), as far as a mask or declared values tell; None: all are.
    """
    if pixels.dtype.kind == "f":
        defined = np.isfinite(pixels).all(axis=0)
        valid = defined if valid is None else valid & defined
    if valid is None or valid.all():
        return MaskedPixels(pixels, None)
    if pixels.dtype.kind != "u":
        pixels[:, ~valid] = 0
    return MaskedPixels(pixels, valid)


def open_scene(scene: Scene) -> SceneReader:
    """Open a scene for reading in this thread, inside ``gdal_settings``.

    Raises:
        OSError: (rasterio's, too) if that fails.
        ReadFailed: what tells its pixels without data cannot be had.
    """
    for file in scene.files:
        if not is_remote(file):
            readable(file)
    pairs = zip(scene.files, scene.drivers, strict=True)
    opened: Iterable[Any] = (reopen_raster(file, driver) for file, driver in pairs)
    if scene.bands.colours:
        opened = map(coloured, opened, scene.files)
    reader = SceneReader(scene, tuple(opened))
    if not reader.tells_validity:
        reader.close()
        reason = "what told its pixels without data when the run was planned cannot be had now"
        raise ReadFailed(scene.files[0], reason, retryable=True)
    return reader
