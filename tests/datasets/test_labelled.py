from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from landcover.datasets.labelled import labelled_tiles
from landcover.errors import SourceError


def _write(path: Path, pixels: np.ndarray, nodata: int, left: float = 0) -> Path:
    count, height, width = pixels.shape
    grid = {"crs": "EPSG:26919", "transform": from_origin(left, 100, 1, 1)}
    shape = {"count": count, "height": height, "width": width, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", nodata=nodata, **shape, **grid) as file:
        file.write(pixels)
    return path


@pytest.fixture
def imagery(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(1, 255, (3, 9, 13), dtype=np.uint8)
    pixels[:, 0, 0] = 0
    return _write(tmp_path / "imagery.tif", pixels, 0)


def test_tiles_are_labelled_by_what_covers_most_of_them(imagery: Path, tmp_path: Path) -> None:
    codes = np.full((1, 9, 13), 40, np.uint8)
    codes[0, :3, 4:8] = 80
    reference = _write(tmp_path / "reference.tif", codes, 255)
    tiles = labelled_tiles(imagery, reference, 4)
    assert tiles.codes.tolist() == [80, 40, 40, 40, 40]  # the first tile holds nodata
    assert tiles.shares.tolist() == [0.75, 1, 1, 1, 1]
    with rasterio.open(imagery) as scene:
        assert np.array_equal(tiles.pixels[0], scene.read()[:, :4, 4:8])
        assert np.array_equal(tiles.pixels[4], scene.read()[:, 4:8, 8:12])


def test_a_reference_on_another_grid_is_refused(imagery: Path, tmp_path: Path) -> None:
    reference = _write(tmp_path / "reference.tif", np.ones((1, 9, 13), np.uint8), 255, left=1)
    with pytest.raises(SourceError, match="another grid"):
        labelled_tiles(imagery, reference, 4)


def test_a_scene_without_a_complete_tile_is_refused(imagery: Path, tmp_path: Path) -> None:
    reference = _write(tmp_path / "reference.tif", np.full((1, 9, 13), 255, np.uint8), 255)
    with pytest.raises(SourceError, match="free of nodata"):
        labelled_tiles(imagery, reference, 4)
