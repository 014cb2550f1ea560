"""Promise 7: no seams, neither between tiles nor between files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from support.colours import blobs
from support.rasters import write

import landcover


def _map(rasters: object, model: Path, output: Path) -> dict[str, np.ndarray]:
    landcover.score(rasters=rasters, model=model, output=output)
    maps = sorted((output / "maps").glob("*.tif")) or [output / "map.tif"]
    found = {}
    for path in maps:
        with rasterio.open(path) as file:
            found[path.stem] = file.read(1)
    return found


def test_a_scene_cut_into_files_is_labelled_as_the_whole(pixel_model: Path, tmp_path: Path) -> None:
    pixels, row, col = blobs(1, 150, 200), 70, 113
    whole = write(tmp_path / "whole.tif", pixels)
    names = {"a": (0, 0), "b": (0, col), "c": (row, 0), "d": (row, col)}
    for name, (top, left) in names.items():
        part = pixels[:, top : row if top == 0 else None, left : col if left == 0 else None]
        where = from_origin(500000.0 + left, 4000000.0 - top, 1.0, 1.0)
        write(tmp_path / "parts" / f"{name}.tif", part, transform=where)
    [expected] = _map(str(whole), pixel_model, tmp_path / "one").values()
    found = _map(str(tmp_path / "parts"), pixel_model, tmp_path / "four")
    assert len(found) == 4
    for name, (top, left) in names.items():
        height, width = found[name].shape
        assert np.array_equal(found[name], expected[top : top + height, left : left + width])
