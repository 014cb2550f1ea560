"""Smoothed maps: as the whole map in memory is smoothed, whatever they are cut into."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin
from support.finished import pixel_run, tile_run

import landcover
from landcover.analysis import smoothing
from landcover.analysis.smoothing import Plurality
from landcover.backends.local import LocalBackend
from landcover.classes import scheme
from landcover.contracts import Backend
from landcover.errors import ConfigError, OutputError

NLCD6 = scheme("nlcd6")
UTM = "EPSG:26914"
Codes = npt.NDArray[np.uint8]


def codes(seed: int, height: int, width: int, gaps: float = 0.15) -> Codes:
    rng = np.random.default_rng(seed)
    found = rng.choice(np.array(NLCD6.codes, np.uint8), (height, width))
    found[rng.random((height, width)) < gaps] = 255
    return found


def smoothed(values: Codes, window: int, centre: int) -> Codes:
    """Pixel by pixel, as one would count by hand."""
    found, reach = values.copy(), window // 2
    for row, col in np.argwhere(values != 255):
        around = values[
            max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1
        ]
        votes = Counter(around[around != 255].tolist())
        own = int(values[row, col])
        votes[own] += centre - 1
        most = max(votes.values())
        best = [code for code in NLCD6.codes if votes[code] == most]
        found[row, col] = own if own in best else best[0]
    return found


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    window=st.sampled_from([3, 5, 7]),
    centre=st.integers(1, 9),
)
def test_votes_are_those_of_counting_by_hand(
    seed: int, height: int, width: int, window: int, centre: int
) -> None:
    values = codes(seed, height, width)
    found = Plurality(window, centre).apply(values, NLCD6)
    np.testing.assert_array_equal(found, smoothed(values, window, centre))


def test_scenes_side_by_side_know_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoothing, "_ROWS", 64)
    whole = codes(1, 130, 210)
    scenes = [
        (whole[:, :110], UTM, tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]),
        (whole[:, 100:], UTM, tuple(from_origin(5e5 + 100, 4.5e6, 1, 1))[:6]),
    ]
    run = landcover.open_run(pixel_run(tmp_path / "run", NLCD6, scenes).path)
    made = run.smooth(tmp_path / "smooth", 5, 3)
    np.testing.assert_array_equal(made.map().to_numpy(), smoothed(whole, 5, 3))
    assert made.summary["status"] == "done"
    assert made.summary["files"] == ["map.tif", "map.png"]
    said = made.summary["smoothed"]
    assert said["from"] == run.path
    assert said["run"] == run.summary["fingerprint"]["digest"]
    assert said["rule"] == {"window": 5, "centre": 3}
    counts = {item.name: int((smoothed(whole, 5, 3) == item.code).sum()) for item in NLCD6}
    assert made.areas()["pixels"].to_dict() == counts
    assert made.map().rio.bounds() == run.map().rio.bounds()


def test_tiles_get_the_class_of_the_smoothed_map(tmp_path: Path) -> None:
    values = codes(2, 20, 30, gaps=0)
    placed = tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]
    run = landcover.open_run(tile_run(tmp_path / "run", NLCD6, values, UTM, placed, 32).path)
    made = run.smooth(tmp_path / "smooth")
    expected = smoothed(values, 3, 2)
    tiles = made.tiles()
    assert tiles["code"].to_numpy().reshape(20, 30).tolist() == expected.tolist()
    assert tiles["label"].tolist() == [NLCD6.by_code[code].name for code in tiles["code"]]
    assert tiles.crs == run.tiles().crs and tiles.geometry.equals(run.tiles().geometry)
    again = made.smooth(tmp_path / "again")
    np.testing.assert_array_equal(again.map().to_numpy(), smoothed(expected, 3, 2))


def test_scenes_far_apart_are_smoothed_one_by_one(tmp_path: Path) -> None:
    scenes = [
        (codes(seed, 90, 80), UTM, tuple(from_origin(x, 4.5e6, 1, 1))[:6])
        for seed, x in ((1, 2e5), (2, 8e5))
    ]
    run = landcover.open_run(pixel_run(tmp_path / "run", NLCD6, scenes).path)
    made = run.smooth(tmp_path / "smooth")
    assert "far apart" in made.summary["note"]
    for name, (values, _, _) in zip(made.summary["files"], scenes, strict=True):
        np.testing.assert_array_equal(made.map(name).to_numpy(), smoothed(values, 3, 2))
    assert made.areas()["pixels"].sum() == sum(int((one != 255).sum()) for one, _, _ in scenes)


def test_a_cluster_smooths_as_threads_do(
    tmp_path: Path, require_backend: Any, dask_scheduler: str
) -> None:
    from landcover.backends.dask import DaskBackend

    scenes = [(codes(1, 600, 600), UTM, tuple(from_origin(5e5, 4.5e6, 1, 1))[:6])]
    run = landcover.open_run(pixel_run(tmp_path / "run", NLCD6, scenes).path)
    pools: dict[str, Backend] = {"a": LocalBackend(), "b": DaskBackend(address=dask_scheduler)}
    for name, pool in pools.items():
        run.smooth(tmp_path / name, backend=pool)
    one, other = ((tmp_path / name / "map.tif").read_bytes() for name in pools)
    assert one == other


@pytest.mark.parametrize(
    ("window", "centre", "sentence"),
    [
        (4, 1, "3, 5, 7 or more"),
        (1, 1, "3, 5, 7 or more"),
        (3, 0, "1 to 9 votes"),
        (3, 10, "1 to 9"),
    ],
)
def test_windows_that_make_no_sense_are_refused(window: int, centre: int, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Plurality(window, centre)


def test_a_run_is_not_smoothed_into_itself_or_into_another_one(tmp_path: Path) -> None:
    scenes = [(codes(1, 60, 70), UTM, tuple(from_origin(5e5, 4.5e6, 1, 1))[:6])]
    run = landcover.open_run(pixel_run(tmp_path / "run", NLCD6, scenes).path)
    with pytest.raises(OutputError, match="is the run that is to be smoothed"):
        run.smooth(run.path)
    run.smooth(tmp_path / "smooth")
    with pytest.raises(OutputError, match="belongs to another run"):
        run.smooth(tmp_path / "smooth", 5)
