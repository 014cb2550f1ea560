"""Scenes of random cases, as GeoTIFFs of any layout."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import Affine


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene before it is written.

    Args:
        name: of its file.
        pixels: dims (band, y, x); with an alpha band at the end where ``alpha``.
        transform: (width of a pixel, x of the corner, height of a pixel, y of the corner).
        crs: what rasterio takes for one.
        nodata: the declared value; None: none is.
        mask: written beside the pixels, dims (y, x).
        alpha: the last band says where there is data.
        layout: options of the GeoTIFF.
        apart: each band has a file of its own.
    """

    name: str
    pixels: npt.NDArray[Any]
    transform: tuple[float, float, float, float]
    crs: str
    nodata: float | None = None
    mask: npt.NDArray[np.bool_] | None = None
    alpha: bool = False
    layout: dict[str, Any] = field(default_factory=dict)
    apart: bool = False

    @property
    def called(self) -> str:
        """What tables call it: the name of its first file."""
        return f"{self.name}_1" if self.apart else self.name

    def write(self, folder: Path) -> list[Path]:
        """Write its file, or a file for each band."""
        if not self.apart:
            return [self._write(folder / f"{self.name}.tif", self.pixels)]
        return [
            self._write(folder / f"{self.name}_{number}.tif", band[None])
            for number, band in enumerate(self.pixels, 1)
        ]

    def _write(self, path: Path, pixels: npt.NDArray[Any]) -> Path:
        count, height, width = pixels.shape
        wide, left, high, top = self.transform
        profile = {
            "driver": "GTiff",
            "dtype": pixels.dtype,
            "count": count,
            "height": height,
            "width": width,
            "crs": self.crs,
            "transform": Affine(wide, 0, left, 0, -high, top),
            "nodata": self.nodata,
            **self.layout,
        }
        inside = bool(self.layout.get("tiled"))
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside),
            rasterio.open(path, "w", **profile) as file,
        ):
            file.colorinterp = self._colours(count)
            file.write(pixels)
            if self.mask is not None:
                file.write_mask(self.mask)
        return path

    def _colours(self, count: int) -> tuple[ColorInterp, ...]:
        last = ColorInterp.alpha if self.alpha else ColorInterp.undefined
        return (*[ColorInterp.gray] * (count > 1), *[ColorInterp.undefined] * (count - 2), last)


def layout(rng: np.random.Generator) -> dict[str, Any]:
    """Strips or blocks, bands together or apart, compressed or not."""
    if rng.random() < 0.5:
        rows, cols = (int(16 * rng.integers(1, 4)) for _ in range(2))
        blocks: dict[str, Any] = {"tiled": True, "blockysize": rows, "blockxsize": cols}
    else:
        blocks = {"tiled": False, "blockysize": int(rng.integers(1, 40))}
    chosen = str(rng.choice(["none", "deflate", "lzw", "zstd"]))
    return {
        **blocks,
        "interleave": str(rng.choice(["pixel", "band"])),
        **({} if chosen == "none" else {"compress": chosen}),
    }


def holes(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Where there is data: all but some rectangles, which begin and end anywhere."""
    valid = np.ones((height, width), bool)
    how = rng.random()
    if how < 0.04:
        valid[:] = False
    elif how < 0.12:  # all but a corner, or less
        valid[:] = False
        valid[: rng.integers(1, height + 1) // 2, : rng.integers(1, width + 1) // 2] = True
    for _ in range(int(rng.integers(0, 5))):
        high, wide = rng.integers(1, height + 1), rng.integers(1, max(2, width // 2))
        top, left = rng.integers(-high // 2, height), rng.integers(-wide // 2, width)
        valid[max(0, top) : top + high, max(0, left) : left + wide] = False
    for _ in range(int(rng.integers(0, 4))):  # single pixels
        valid[rng.integers(height), rng.integers(width)] = False
    return valid
