"""Small areas join their neighbours as they do in the whole map, area by area."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin
from rasterio.windows import Window
from scipy.ndimage import label
from support.finished import pixel_run

import landcover
from landcover.analysis import patches
from landcover.analysis.map_blocks import map_views, no_progress
from landcover.analysis.minimum_area import MinimumArea
from landcover.classes import scheme
from landcover.errors import ConfigError, OutputError

NLCD6 = scheme("nlcd6")
UTM = "EPSG:26914"
PLACED = tuple(from_origin(5e5, 4.5e6, 2, 2))[:6]
Codes = npt.NDArray[np.uint8]


def noise(seed: int, height: int, width: int, classes: int, grain: int = 1) -> Codes:
    drawn = np.array([*NLCD6.codes[:classes], 255], np.uint8)
    coarse = np.random.default_rng(seed).choice(drawn, (height // grain + 1, width // grain + 1))
    return np.kron(coarse, np.ones((grain, grain), np.uint8))[:height, :width]


def by_hand(values: Codes, pixels: int) -> Codes:
    """The smallest area of the map takes the class of most of its border; once more, until none is
    too small."""
    values = values.copy()
    while True:
        small = []
        for code in NLCD6.codes:
            numbered, _ = label(values == code)
            for number, size in Counter(numbered[numbered > 0].tolist()).items():
                mask = numbered == number
                border = _border(values, mask)
                if size < pixels and border:
                    small.append((size, int(np.flatnonzero(mask)[0]), mask, border))
        if not small:
            return values
        _, _, mask, border = min(small, key=lambda one: one[:2])
        values[mask] = max(NLCD6.codes, key=lambda code: border[code])


def _border(values: Codes, mask: npt.NDArray[np.bool_]) -> Counter[int]:
    border: Counter[int] = Counter()
    padded = np.pad(values, 1, constant_values=255)
    inside = np.pad(mask, 1)
    for row, col in np.argwhere(inside):
        for place in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            if not inside[place] and padded[place] != 255:
                border[int(padded[place])] += 1
    return border


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(1, 14),
    width=st.integers(1, 14),
    classes=st.integers(1, 4),
    grain=st.integers(1, 2),
    minimum=st.integers(1, 9),
    rows=st.integers(1, 6),
)
def test_small_areas_join_others_as_in_the_whole_map_whatever_the_strips(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    height: int,
    width: int,
    classes: int,
    grain: int,
    minimum: int,
    rows: int,
) -> None:
    values = noise(seed, height, width, classes, grain)
    run = pixel_run(tmp_path_factory.mktemp("run") / "run", NLCD6, [(values, UTM, PLACED)])
    with map_views(run) as views, pytest.MonkeyPatch.context() as patch:
        patch.setattr(patches, "PIXELS", rows * width)
        found = np.concatenate(list(MinimumArea(4.0 * minimum).rows(views[0], no_progress)))
    np.testing.assert_array_equal(found, by_hand(values, minimum))


def test_areas_without_neighbours_stay_and_those_that_are_not_decided_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.full((6, 6), 255, np.uint8)
    values[1:3, 1:3], values[4, 4] = 40, 80
    run = landcover.open_run(pixel_run(tmp_path / "run", NLCD6, [(values, UTM, PLACED)]).path)
    made = run.smooth(tmp_path / "made", rule="area", minimum_area=1e4)
    np.testing.assert_array_equal(made.map().to_numpy(), values)
    monkeypatch.setattr("landcover.analysis.minimum_area.MOST", 20)
    monkeypatch.setattr(patches, "PIXELS", 40)
    many = landcover.open_run(
        pixel_run(tmp_path / "many", NLCD6, [(noise(1, 40, 40, 3), UTM, PLACED)]).path
    )
    with pytest.raises(OutputError, match="--rule plurality first"):
        many.smooth(tmp_path / "other", rule="area", minimum_area=400)
    assert not (tmp_path / "other").exists()


def test_areas_that_are_decided_wait_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.full((60, 20), 40, np.uint8)
    values[2::4, ::5] = 80  # 60 of them, four at a time
    run = landcover.open_run(pixel_run(tmp_path / "run", NLCD6, [(values, UTM, PLACED)]).path)
    monkeypatch.setattr("landcover.analysis.minimum_area.MOST", 8)
    monkeypatch.setattr(patches, "PIXELS", 20 * 4)
    made = run.smooth(tmp_path / "made", rule="area", minimum_area=40)
    assert (made.map().to_numpy() == 40).all()


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_a_minimum_is_a_number_of_square_metres(wrong: float) -> None:
    with pytest.raises(ConfigError, match="square metres"):
        MinimumArea(wrong)


def test_a_map_of_which_the_disk_has_lost_something_ends_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GDAL says nothing of what it cannot write when a file is closed."""
    opened = rasterio.open

    def loses(path: Path, mode: str = "r", **profile: Any) -> Any:
        if mode == "r" and Path(path).name == "smoothed.tif":
            with opened(path, "r+") as file:
                file.write(np.zeros((1, 1), np.uint8), 1, window=Window(0, 0, 1, 1))
        return opened(path, mode, **profile)

    values = noise(1, 20, 30, 3)
    run = landcover.open_run(pixel_run(tmp_path / "run", NLCD6, [(values, UTM, PLACED)]).path)
    monkeypatch.setattr("landcover.analysis.smoothing.rasterio.open", loses)
    with pytest.raises(OutputError, match=r"work in progress: .*what is read back is not what was"):
        run.smooth(tmp_path / "made", rule="area", minimum_area=9)
    assert not (tmp_path / "made").exists()
