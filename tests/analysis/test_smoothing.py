"""Smoothed maps: as the whole map in memory is smoothed, whatever they are cut into."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin
from support.finished import pixel_run, probable_run, tile_run

import landcover
from landcover.analysis import mean_probability, patches, smoothing
from landcover.analysis.mean_probability import MeanProbability
from landcover.analysis.plurality import Plurality
from landcover.backends.local import LocalBackend
from landcover.classes import scheme
from landcover.contracts import Backend
from landcover.errors import ConfigError, OutputError
from landcover.runs.maps.maker import Overlap

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
    field=st.sampled_from([1, 5, 12]),
)
def test_votes_are_those_of_counting_by_hand(
    seed: int, height: int, width: int, window: int, centre: int, field: int
) -> None:
    fields = codes(seed, -(-height // field), -(-width // field))
    values = np.kron(fields, np.ones((field, field), np.uint8))[:height, :width]
    found = Plurality(window, centre).apply(values, NLCD6)
    np.testing.assert_array_equal(found, smoothed(values, window, centre))


def test_the_widest_window_and_a_middle_that_outvotes_all_others_are_taken() -> None:
    values = codes(3, 25, 31)
    np.testing.assert_array_equal(Plurality(99, 1).apply(values, NLCD6), smoothed(values, 99, 1))
    np.testing.assert_array_equal(Plurality(99, 99**2).apply(values, NLCD6), values)


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
    assert said["rule"] == {"name": "plurality", "window": 5, "centre": 3}
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
    with pytest.raises(OutputError, match="is the run that is to be smoothed"):
        run.smooth(f"{run.path}/")
    run.smooth(tmp_path / "smooth")
    with pytest.raises(OutputError, match="belongs to another run"):
        run.smooth(tmp_path / "smooth", 5)


Probable = npt.NDArray[np.float32]


def probabilities(seed: int, rows: int, cols: int, gaps: float = 0.1) -> Probable:
    """Of tiles: dims (row, col, class); NaN for those that were skipped."""
    rng = np.random.default_rng(seed)
    found = rng.dirichlet(np.ones(len(NLCD6)), (rows, cols)).astype(np.float32)
    found[rng.random((rows, cols)) < gaps] = np.nan
    return found


def averaged(values: Probable, window: int, centre: int) -> Codes:
    """Tile by tile, as one would by hand."""
    rows, cols, _ = values.shape
    found, reach = np.full((rows, cols), 255, np.uint8), window // 2
    for row, col in np.argwhere(~np.isnan(values[..., 0])):
        around = values[
            max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1
        ]
        mean = np.nansum(around.astype(float), axis=(0, 1)) + (centre - 1) * values[
            row, col
        ].astype(float)
        found[row, col] = NLCD6.codes[int(mean.argmax())]
    return found


@pytest.mark.parametrize(("window", "centre"), [(3, None), (5, 4)])
def test_tiles_take_the_class_of_the_mean_of_probabilities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int, centre: int | None
) -> None:
    monkeypatch.setattr(mean_probability, "_BYTES", 8 * 30 * len(NLCD6) * 3)  # three rows at once
    values = probabilities(1, 20, 30)
    placed = tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]
    run = landcover.open_run(
        probable_run(tmp_path / "run", NLCD6, [(values, UTM, placed)], 16).path
    )
    made = run.smooth(tmp_path / "made", window, centre, rule="probability")
    expected = averaged(values, window, centre or 1)
    np.testing.assert_array_equal(made.map().to_numpy(), expected)
    tiles = made.tiles()
    assert tiles["code"].tolist() == expected[expected != 255].tolist()
    index = [NLCD6.codes.index(code) for code in tiles["code"]]
    kept = np.stack(tiles["probabilities"].to_numpy())
    assert tiles["score"].to_numpy() == pytest.approx(kept[np.arange(len(index)), index])
    assert made.summary["smoothed"]["rule"] == {
        "name": "probability",
        "window": window,
        "centre": centre or 1,
    }


def test_probabilities_are_averaged_across_the_borders_of_scenes(tmp_path: Path) -> None:
    whole = probabilities(2, 24, 31)
    west, east = whole[:, :16], whole[:, 12:].copy()
    scenes = [
        (west, UTM, tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]),
        # A little aside, as scenes are: a tile lies on the pixel in which its middle is.
        (east, UTM, tuple(from_origin(5e5 + 12 * 16 + 5, 4.5e6 - 3, 1, 1))[:6]),
    ]
    run = landcover.open_run(probable_run(tmp_path / "run", NLCD6, scenes, 16).path)
    made = run.smooth(tmp_path / "made", rule="probability")
    np.testing.assert_array_equal(made.map().to_numpy()[:24, :31], averaged(whole, 3, 1))


def test_a_run_in_the_place_of_another_is_looked_into_anew(tmp_path: Path) -> None:
    for seed, left in ((1, 5e5), (2, 6e5)):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        values = probabilities(seed, 20, 30)
        placed = tuple(from_origin(left, 4.5e6, 1, 1))[:6]
        run = probable_run(tmp_path / "run", NLCD6, [(values, UTM, placed)], 16)
        made = landcover.open_run(run.path).smooth(tmp_path / f"{seed}", rule="probability")
        np.testing.assert_array_equal(made.map().to_numpy(), averaged(values, 3, 1))


@pytest.mark.parametrize(
    ("overlap", "dates", "shared"),
    [
        ("first", (), 16),
        ("newest", ("2015", "2016-05"), 12),
        ("newest", ("2016-05", "2015"), 16),
        ("centre", (), 15),
    ],
)
def test_where_scenes_overlap_the_tiles_that_the_map_shows_are_averaged(
    tmp_path: Path, overlap: Overlap, dates: tuple[str, ...], shared: int
) -> None:
    """Two scenes share columns 12 to 15, of which those before ``shared`` show the first."""
    west, east = probabilities(3, 24, 16, 0), probabilities(4, 24, 19, 0)
    scenes = [
        (values, UTM, tuple(from_origin(5e5 + 16 * col, 4.5e6, 1, 1))[:6])
        for values, col in ((west, 0), (east, 12))
    ]
    whole = np.concatenate([west[:, :shared], east[:, shared - 12 :]], axis=1)
    run = landcover.open_run(probable_run(tmp_path / "run", NLCD6, scenes, 16, overlap, dates).path)
    codes = np.array(NLCD6.codes)
    np.testing.assert_array_equal(run.map().to_numpy(), codes[whole.argmax(axis=-1)])
    made = run.smooth(tmp_path / "made", rule="probability")
    np.testing.assert_array_equal(made.map().to_numpy(), averaged(whole, 3, 1))


def test_probabilities_that_nobody_kept_are_asked_for(tmp_path: Path) -> None:
    placed = tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]
    tiles = tile_run(tmp_path / "tiles", NLCD6, codes(1, 5, 5, 0), UTM, placed, 32)
    with pytest.raises(ConfigError, match=r"output\.probabilities: true"):
        landcover.open_run(tiles.path).smooth(tmp_path / "made", rule="probability")
    pixels = pixel_run(tmp_path / "pixels", NLCD6, [(codes(1, 50, 50), UTM, placed)])
    with pytest.raises(ConfigError, match="labels pixels keeps no probabilities"):
        landcover.open_run(pixels.path).smooth(tmp_path / "made", rule="probability")
    assert not (tmp_path / "made").exists()


def test_no_area_is_left_that_is_too_small_and_scenes_know_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patches, "PIXELS", 210 * 20)
    whole = np.kron(codes(3, 13, 21), np.ones((10, 10), np.uint8))
    whole[(codes(4, 130, 210, 0) == 20) & (whole != 255)] = 70
    parts = {"whole": [(whole, 0)], "scenes": [(whole[:, :110], 0), (whole[:, 100:], 100)]}
    found = {}
    for name, pieces in parts.items():
        scenes = [(piece, UTM, tuple(from_origin(5e5 + x, 4.5e6, 1, 1))[:6]) for piece, x in pieces]
        run = landcover.open_run(pixel_run(tmp_path / name, NLCD6, scenes).path)
        made = run.smooth(tmp_path / f"{name}-made", rule="area", minimum_area=40)
        assert made.summary["smoothed"]["rule"] == {"name": "area", "square_metres": 40}
        found[name] = made
    np.testing.assert_array_equal(found["whole"].map().to_numpy(), found["scenes"].map().to_numpy())
    np.testing.assert_array_equal(found["whole"].map().to_numpy() == 255, whole == 255)
    found["scenes"].vectorize(tmp_path / "a.parquet")
    sizes = geopandas.read_parquet(tmp_path / "a.parquet")["pixels"]
    assert sizes.min() >= 40 and len(sizes) > 20


def test_steps_are_told_to_the_last(tmp_path: Path) -> None:
    scenes = [(codes(1, 600, 600), UTM, tuple(from_origin(5e5, 4.5e6, 1, 1))[:6])]
    run = landcover.open_run(pixel_run(tmp_path / "run", NLCD6, scenes).path)
    told: list[tuple[int, int]] = []
    run.smooth(tmp_path / "made", progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1))


def test_a_map_that_breaks_off_leaves_no_run(tmp_path: Path) -> None:
    scenes = [(codes(1, 1100, 600), UTM, tuple(from_origin(5e5, 4.5e6, 1, 1))[:6])]
    run = landcover.open_run(pixel_run(tmp_path / "run", NLCD6, scenes).path)
    content = (tmp_path / "run" / "map.tif").read_bytes()
    (tmp_path / "run" / "map.tif").write_bytes(content[:-200_000] + bytes(200_000))
    for rule, minimum in (("plurality", None), ("area", 10)):
        with pytest.raises(OutputError, match=r"map\.tif: "):
            run.smooth(tmp_path / "made", rule=rule, minimum_area=minimum)
        assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_map_with_a_code_of_no_class_is_not_smoothed(tmp_path: Path) -> None:
    values = codes(1, 90, 80)
    scenes = [(values, UTM, tuple(from_origin(5e5, 4.5e6, 1, 1))[:6])]
    run = landcover.open_run(pixel_run(tmp_path / "run", NLCD6, scenes).path)
    path = tmp_path / "run" / "map.tif"
    with rasterio.open(path) as file:
        profile, tags = file.profile, file.tags()
    values[70, 3] = 77
    with rasterio.open(path, "w", **profile) as file:
        file.write(values, 1)
        file.update_tags(**tags)
    for rule, minimum in (("plurality", None), ("area", 10)):
        with pytest.raises(OutputError, match="holds 77, which is no class"):
            run.smooth(tmp_path / "made", rule=rule, minimum_area=minimum)


def test_a_rule_and_its_numbers_are_those_that_there_are(tmp_path: Path) -> None:
    scenes = [(codes(1, 50, 50), UTM, tuple(from_origin(5e5, 4.5e6, 1, 1))[:6])]
    run = landcover.open_run(pixel_run(tmp_path / "run", NLCD6, scenes).path)
    with pytest.raises(ConfigError, match="plurality, probability, area"):
        run.smooth(tmp_path / "made", rule="median")
    with pytest.raises(ConfigError, match="takes a minimum area"):
        run.smooth(tmp_path / "made", rule="area")
    with pytest.raises(ConfigError, match="not -1"):
        run.smooth(tmp_path / "made", rule="area", minimum_area=-1)
    with pytest.raises(ConfigError, match="1 to 9 votes"):
        MeanProbability(3, 10)
