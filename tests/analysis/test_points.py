"""The map of a run at points, against the pixels that they lie in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
from rasterio.transform import from_origin
from support.finished import pixel_run

from landcover.analysis.points import classes_at
from landcover.classes import scheme

NLCD6 = scheme("nlcd6")
CODES = np.array(NLCD6.codes, np.uint8)
UTM = "EPSG:26914"
NONE = len(NLCD6)


@pytest.mark.parametrize("crs", [UTM, "EPSG:4326"])
def test_points_have_the_class_of_their_pixel_whatever_block_it_is_stored_in(
    tmp_path: Path, crs: str
) -> None:
    rng = np.random.default_rng(4)
    index = rng.integers(0, NONE, (1100, 700))
    codes = CODES[index]
    gap = rng.random(index.shape) < 0.1
    codes[gap], index[gap] = NLCD6.nodata, NONE
    left, top, side = 512_345.2, 4_498_765.4, 0.6
    placed = tuple(from_origin(left, top, side, side))[:6]
    run = pixel_run(tmp_path / "run", NLCD6, [(codes, UTM, placed)])
    rows, cols = rng.integers(-3, 1103, 4000), rng.integers(-3, 703, 4000)
    across, down = rng.uniform(0.01, 0.99, (2, 4000))
    x, y = left + side * (cols + across), top - side * (rows + down)
    if crs != UTM:
        x, y = pyproj.Transformer.from_crs(UTM, crs, always_xy=True).transform(x, y)
    inside = (rows >= 0) & (rows < 1100) & (cols >= 0) & (cols < 700)
    expected = np.where(inside, index[rows.clip(0, 1099), cols.clip(0, 699)], NONE)
    assert 0 < (~inside).sum() < 100
    np.testing.assert_array_equal(classes_at(run, x, y, crs), expected)


def test_of_several_maps_the_first_that_has_a_class_there_counts(tmp_path: Path) -> None:
    far = tuple(from_origin(8e5, 4.5e6, 1, 1))[:6]  # so that there is no map of both
    near = tuple(from_origin(2e5, 4.5e6, 1, 1))[:6]
    one, other = np.full((40, 50), CODES[1]), np.full((40, 50), CODES[2])
    one[:20] = NLCD6.nodata
    run = pixel_run(tmp_path / "run", NLCD6, [(one, UTM, near), (other, UTM, far)])
    x, y = np.array([2e5 + 5.5, 2e5 + 5.5, 8e5 + 5.5, 5e5]), 4.5e6 - np.array([5.5, 25.5, 5.5, 5.5])
    assert classes_at(run, x, y, UTM).tolist() == [NONE, 1, 2, NONE]
    over = pixel_run(
        tmp_path / "over", NLCD6, [(one, UTM, near), (other, UTM, near), (other, UTM, far)]
    )
    assert classes_at(over, x, y, UTM).tolist() == [2, 1, 2, NONE]
