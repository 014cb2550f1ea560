"""Rasters of indices into a palette: refused, or read as the colours that these stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from support.rasters import imagery, write

from landcover.errors import SourceError
from landcover.tiles.rasters import RasterSource

RNG = np.random.default_rng(5)
PALETTE = {n: (*map(int, RNG.integers(0, 256, 3)), 255) for n in range(200)}
TABLE = np.array(list(PALETTE.values()), np.uint8)[:, :3]


def coloured(path: Path, *, nodata: int | None = None, clear: int | None = None) -> Any:
    """A palette whose neighbouring indices have nothing in common; the indices, dims (y, x).

    The palettes of TIFFs know no transparent entries: those of virtual rasters do.
    """
    indices, stored = imagery(1, 70, 90), path.with_suffix(".tif")
    write(stored, indices, nodata=nodata, compress="deflate", blockysize=16)
    with rasterio.open(stored, "r+") as file:
        file.write_colormap(1, PALETTE)
    if path.suffix == ".vrt":
        rasterio.shutil.copy(stored, path, driver="VRT")
        tree = ElementTree.parse(path)
        for place, entry in enumerate(tree.findall(".//Entry")):
            entry.set("c4", "0" if place == clear else "255")
        tree.write(path)
    return indices[0]


def read(path: Path, **options: Any) -> tuple[Any, Any]:
    """The pixels of a scene that is one tile, and which are valid."""
    source = RasterSource([str(path)], palette="expand", mask=True, band_count=3, **options)
    [task] = source.tasks()
    [strip] = [read() for read in task.reads()]
    assert not strip.failures
    return strip.pixels[0], strip.valid


@pytest.mark.parametrize("hole", [{}, {"nodata": 7}, {"clear": 9}, {"nodata": 7, "clear": 9}])
def test_colours_come_in_place_of_indices(tmp_path: Path, hole: dict[str, int]) -> None:
    path = tmp_path / ("a.vrt" if "clear" in hole else "a.tif")
    indices = coloured(path, **hole)
    pixels, valid = read(path, tile=(70, 90))
    expected = np.moveaxis(TABLE[indices], 2, 0)
    held = ~np.isin(indices, list(hole.values()))
    assert np.array_equal(pixels[:, held], expected[:, held])
    assert held.all() if valid is None else np.array_equal(valid[0], held)
    assert (valid is None) == (not hole)


def test_colours_are_resampled_and_not_their_indices(tmp_path: Path) -> None:
    indices = coloured(tmp_path / "a.tif")
    pixels, _ = read(tmp_path / "a.tif", tile=(35, 45), resolution=2.0)
    plain = np.moveaxis(TABLE[indices], 2, 0)
    write(tmp_path / "plain.tif", plain)
    expected, _ = read(tmp_path / "plain.tif", tile=(35, 45), resolution=2.0)
    assert np.array_equal(pixels, expected)


def test_indices_are_refused_where_nothing_says_that_their_colours_are_imagery(
    tmp_path: Path,
) -> None:
    coloured(tmp_path / "a.tif")
    with pytest.raises(SourceError, match=r"indices into a palette.* set source\.palette: expand"):
        RasterSource([str(tmp_path / "a.tif")], tile=16, band_count=1).count()


def test_imagery_without_a_palette_is_read_as_ever(tmp_path: Path) -> None:
    pixels = imagery(3, 20, 20)
    write(tmp_path / "a.tif", pixels)
    assert np.array_equal(read(tmp_path / "a.tif", tile=20)[0], pixels)
