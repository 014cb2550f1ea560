"""Change between runs of all kinds: tiles with probabilities, many dates, other CRSs, and none that fit."""

from __future__ import annotations

import io
import json
import logging
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_bounds, from_origin
from support.finished import pixel_run, probable_run, tile_run
from support.rasters import write

import landcover
from landcover.analysis.change.alignment import Dated
from landcover.analysis.change.blocks import Comparison
from landcover.analysis.change.compare import Wanted
from landcover.analysis.change.confusion import measured_rates
from landcover.analysis.change.decision import Rule, judge
from landcover.analysis.change.evidence import Rates, TileScores
from landcover.analysis.change.inputs import evidence_of, inputs
from landcover.analysis.change.legend import Legend
from landcover.analysis.map_blocks import map_names
from landcover.backends.local import LocalBackend
from landcover.classes import LandClass, Scheme, classes_of, scheme
from landcover.cli.main import main
from landcover.contracts import Backend
from landcover.errors import OutputError, SourceError
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Area
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.maps.maker import Overlap

NLCD6 = scheme("nlcd6")
CODES = np.array(NLCD6.codes, np.uint8)
DEVELOPED = NLCD6.names.index("Developed")
UTM = "EPSG:26914"
Floats = npt.NDArray[np.float64]


def placed(x: float = 0, y: float = 0, side: float = 1.0) -> tuple[float, ...]:
    return tuple(from_origin(5e5 + x, 4.5e6 + y, side, side))[:6]


def network(rng: np.random.Generator, truth: npt.NDArray[Any], shift: float = 0) -> Floats:
    """What a network with errors says of tiles: calibrated probabilities, unless colours have shifted.

    Args:
        rng: of the noise.
        truth: dims (row, col), indices of classes.
        shift: by how much logits of Developed are too high.
    """
    sure = 3.0
    seen = rng.normal(0, 1, (*truth.shape, 6)) + sure * np.eye(6)[truth]
    logits = sure * seen
    logits[..., DEVELOPED] += shift
    logits -= logits.max(axis=-1, keepdims=True)
    found: Floats = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return found


def development(rng: np.random.Generator) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Classes of tiles at two dates, between which some places were developed: dims (row, col)."""
    coarse = rng.choice(6, (15, 15), p=[0.05, 0.4, 0.1, 0.2, 0.15, 0.1])
    before = np.kron(coarse, np.ones((8, 8), int))
    after = before.copy()
    for _ in range(30):
        row, col = rng.integers(0, 114, 2)
        height, width = rng.integers(1, 6, 2)
        after[row : row + height, col : col + width] = DEVELOPED
    return before, after


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Tiles of 16 m at two dates: development is planted, and the second year is drier."""
    folder, rng = tmp_path_factory.mktemp("county"), np.random.default_rng(1)
    before, after = development(rng)
    found: dict[str, Any] = {"planted": (after == DEVELOPED) & (before != DEVELOPED)}
    for name, truth, shift in (("2010", before, 0.0), ("2016", after, 1.0)):
        told = network(rng, truth, shift)
        codes = CODES[told.argmax(axis=-1)]
        given: dict[str, dict[str, Any]] = {f"{name}-all": {"probabilities": told}, name: {}}
        for path, more in given.items():
            scores = told.max(axis=-1).astype(np.float32)
            made = tile_run(folder / path, NLCD6, codes, UTM, placed(), 16, scores=scores, **more)
            found[path] = made.path
        found[f"{name} codes"], found[f"{name} told"] = codes, told
    return found


def test_at_the_same_recall_less_than_half_of_the_false_alarms_are_left() -> None:
    """Summed over ten pairs of dates; differencing finds about nine in ten of what was planted."""
    differing, kept, most = 0, 0, 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        before, after = development(rng)
        told = [network(rng, before), network(rng, after, 1.0)]
        labels = [one.argmax(axis=-1).astype(np.uint16) for one in told]
        even = [(0.988 * one + 0.002).astype(np.float32).reshape(-1, 6) for one in told]
        evidence = [lambda places, one=one: one[places] for one in even]
        score = judge(labels, evidence, 6, Rule()).score
        differs = (labels[1] == DEVELOPED) & (labels[0] != DEVELOPED)
        planted = (after == DEVELOPED) & (before != DEVELOPED)
        ranked = np.sort(score[differs & planted])
        differing += int((differs & ~planted).sum())
        kept += int((differs & ~planted & (score >= ranked[0])).sum())
        most += int((differs & ~planted & (score >= ranked[len(ranked) // 20])).sum())
    assert kept <= differing / 2  # at the recall of differencing
    assert most <= differing / 20  # at 95 % of it


@pytest.mark.parametrize("kept", ["-all", ""])
def test_tiles_that_changed_by_their_probabilities_are_mapped(
    county: dict[str, Any], kept: str, tmp_path: Path
) -> None:
    paths = [county[f"2010{kept}"], county[f"2016{kept}"]]
    code, planted = NLCD6.by_name["Developed"].code, county["planted"]
    differs = (county["2016 codes"] == code) & (county["2010 codes"] != code)
    found = inputs([RunDirectory.open(path) for path in paths])
    evidence, words = evidence_of(found, Rule(), [])
    assert words == ["probabilities of tiles"] * 2
    comparison = Comparison(found.dates, evidence, found.grid, Rule(), Legend(NLCD6))
    score = comparison.judged(Area(0, 120, 0, 120))[1].score
    made = landcover.change(*paths, output=tmp_path / "change", after_classes=["Developed"])
    with rasterio.open(tmp_path / "change/change.tif") as file:
        named = [item.code for item in Legend(NLCD6).scheme if item.name.endswith("to Developed")]
        decided = np.isin(file.read(1), named)
    np.testing.assert_array_equal(decided, differs & (score >= 0.5))
    assert made.candidates()["tiles"].sum() == decided.sum()
    assert (decided & planted).sum() > 0.9 * (differs & planted).sum()
    assert (decided & ~planted).sum() < 0.1 * (differs & ~planted).sum()


def test_a_run_in_the_place_of_another_is_looked_into_anew(
    county: dict[str, Any], tmp_path: Path
) -> None:
    grid = MapGrid(UTM, placed(0, 0, 16), 60, 50)
    found = {}
    for first, then in (("2010-all", "2016-all"), ("2016-all", "2016-all")):
        for name in (first, then):
            shutil.rmtree(tmp_path / "run", ignore_errors=True)
            shutil.copytree(county[name], tmp_path / "run")
            own = RunDirectory.open(str(tmp_path / "run"))
            labels = Dated(own, ("map.tif",)).labels(grid)
            told = TileScores(own, NLCD6, 0.99, Rates.assumed(6, 0.85)).on(grid, labels)
        found[first] = told(np.flatnonzero(labels < 6))
    np.testing.assert_array_equal(found["2010-all"], found["2016-all"])


def test_probabilities_are_those_of_the_tile_in_which_a_centre_lies(
    county: dict[str, Any], tmp_path: Path
) -> None:
    own = RunDirectory.open(county["2016-all"])
    other = Scheme(NLCD6.name, NLCD6.classes[::-1])
    grid = MapGrid(UTM, placed(-20, 37, 11), 60, 50)
    labels = Dated(RunDirectory(own.path, other), ("map.tif",)).labels(grid)
    usual = Rates.assumed(6, 0.85)
    held = TileScores(own, other, 0.99, usual).on(grid, labels)
    places = np.flatnonzero(labels < 6)
    rows, cols = np.divmod(places, 60)
    x, y = -20 + 11 * (cols + 0.5), 37 - 11 * (rows + 0.5)
    row, col = np.floor(-y / 16).astype(int), np.floor(x / 16).astype(int)
    told = county["2016 told"][row, col][:, ::-1]
    assert len(places) > 2000
    np.testing.assert_allclose(held(places), 0.988 * told + 0.002, atol=1e-5)
    wrong = np.where(labels < 6, (labels + 1) % 6, labels).astype(np.uint16)
    np.testing.assert_allclose(
        TileScores(own, other, 0.99, usual).on(grid, wrong)(places), usual.on(grid, wrong)(places)
    )


@pytest.mark.parametrize(("overlap", "shared"), [("first", 16), ("centre", 15)])
def test_where_scenes_overlap_probabilities_are_those_of_the_scene_that_the_map_shows(
    tmp_path: Path, overlap: Overlap, shared: int
) -> None:
    """Both scenes say the same of columns 12 to 15, the second one less surely."""
    rng = np.random.default_rng(2)
    west = rng.dirichlet(np.full(6, 0.3), (24, 16)).astype(np.float32)
    east = rng.dirichlet(np.full(6, 0.3), (24, 19)).astype(np.float32)
    east[:, :4] = (west[:, 12:] + 0.05) / 1.3
    scenes = [(west, UTM, placed()), (east, UTM, placed(12 * 16))]
    run = probable_run(tmp_path / "run", NLCD6, scenes, 16, overlap)
    whole = np.concatenate([west[:, :shared], east[:, shared - 12 :]], axis=1)
    grid = MapGrid(UTM, placed(side=16), 31, 24)
    labels = Dated(run, tuple(map_names(run))).labels(grid)
    np.testing.assert_array_equal(labels, whole.argmax(axis=-1))
    told = TileScores(run, NLCD6, 0.99, Rates.assumed(6, 0.85)).on(grid, labels)
    found = told(np.arange(24 * 31)).reshape(24, 31, 6)
    np.testing.assert_allclose(found, 0.988 * whole + 0.002, atol=1e-5)


def test_where_a_run_kept_the_scores_of_labels_alone_the_rest_is_any_other_class(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(3)
    index = rng.integers(0, 6, (7, 9))
    scores = rng.uniform(0.2, 1, (7, 9)).astype(np.float32)
    run = tile_run(tmp_path / "run", NLCD6, CODES[index], UTM, placed(), 16, scores=scores)
    grid = MapGrid(UTM, placed(side=16), 9, 7)
    labels = Dated(run, ("map.tif",)).labels(grid)
    told = TileScores(run, NLCD6, 0.99, Rates.assumed(6, 0.85)).on(grid, labels)
    expected = np.repeat((1 - scores.reshape(63, 1)) / 5, 6, axis=1)
    expected[np.arange(63), index.ravel()] = scores.ravel()
    np.testing.assert_allclose(told(np.arange(63)), 0.988 * expected + 0.002, atol=1e-5)


def test_of_several_dates_what_stays_and_what_comes_back_are_told_apart(tmp_path: Path) -> None:
    first = np.full((40, 50), CODES[1], np.uint8)
    years = [first.copy() for _ in range(4)]
    for year in years[2:]:
        year[5:15, 5:15] = CODES[DEVELOPED]  # stays
    years[1][20:30, 5:15] = CODES[0]  # comes back
    years[1][20:30, 30:40], years[2][20:30, 30:40] = CODES[0], CODES[2]
    years[3][20:30, 30:40] = CODES[DEVELOPED]  # on the way
    years[0][:2], years[2][:, 48:] = 255, 255
    runs = [
        pixel_run(tmp_path / str(2010 + place), NLCD6, [(one, UTM, placed())]).path
        for place, one in enumerate(years)
    ]
    made = landcover.change(*runs, output=tmp_path / "change")
    moved = made.transitions["decided_pixels"]
    assert moved[moved > 0].to_dict() == {("Forest", "Developed"): 200}
    assert made.summary["flicker"] == {
        "pixels": 100,
        "hectares": pytest.approx(0.01),
        "kinds": [
            {
                "class": "Forest",
                "between": "Barren",
                "pixels": 100,
                "hectares": pytest.approx(0.01),
            }
        ],
    }
    assert made.areas["pixels"]["2013"].to_dict()["Developed"] == 200
    assert made.areas["pixels"]["2010"].sum() == 38 * 48
    with rasterio.open(tmp_path / "change/change.tif") as file:
        codes = file.read(1)
    assert (codes[20:30, 5:15] == 1).all() and (codes[:2] == 255).all()
    names = [name for name in made.summary["files"] if name.startswith("dates/")]
    for name, year in zip(names, years, strict=True):
        with rasterio.open(tmp_path / "change" / name) as file:
            np.testing.assert_array_equal(file.read(1), year)
    for year in (years[1], years[2]):
        year[5:15, 5:15] = CODES[DEVELOPED]
    years[2][5:15, 5:15] = CODES[1]
    again = pixel_run(tmp_path / "again", NLCD6, [(years[2], UTM, placed())]).path
    other = pixel_run(tmp_path / "other", NLCD6, [(years[1], UTM, placed())]).path
    back = landcover.change(runs[0], other, again, runs[3], output=tmp_path / "back")
    assert not back.transitions["decided_pixels"].get(("Forest", "Developed"), 0) > 100


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:26915", "EPSG:5070"])
def test_a_map_in_another_crs_is_seen_at_centres(crs: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    one = rng.choice(CODES, (60, 70))
    to_other = pyproj.Transformer.from_crs(UTM, crs, always_xy=True)
    x, y = np.meshgrid(5e5 + 10 * (np.arange(70) + 0.5), 4.5e6 - 10 * (np.arange(60) + 0.5))
    east, north = to_other.transform(x, y)
    box = east.min(), north.min(), east.max(), north.max()
    transform = tuple(from_bounds(*box, 90, 80))[:6]
    other = rng.choice(CODES, (80, 90))
    before = pixel_run(tmp_path / "a", NLCD6, [(one, UTM, placed(side=10))])
    after = pixel_run(tmp_path / "b", NLCD6, [(other, crs, transform)])
    found = inputs([before, after])
    col = np.floor((east - transform[2]) / transform[0] + 1e-6).astype(int)
    row = np.floor((north - transform[5]) / transform[4] + 1e-6).astype(int)
    inside = (row >= 0) & (row < 80) & (col >= 0) & (col < 90)
    seen = np.full(one.shape, 255, np.uint8)
    seen[inside] = other[row[inside], col[inside]]
    labels = found.dates[1].labels(found.grid)
    table = np.array([*NLCD6.codes, 255])
    np.testing.assert_array_equal(table[labels], seen)
    made = landcover.change(before.path, after.path, output=tmp_path / "change")
    assert made.summary["overlap"]["pixels"] == inside.sum()
    assert made.transitions["pixels"].sum() == inside.sum()


def test_a_change_is_a_run_for_every_other_command(tmp_path: Path) -> None:
    first = np.full((60, 80), CODES[1], np.uint8)
    second = first.copy()
    second[10:30, 10:40] = CODES[DEVELOPED]
    paths = [
        pixel_run(tmp_path / name, NLCD6, [(codes, UTM, placed(side=10))]).path
        for name, codes in (("a", first), ("b", second))
    ]
    landcover.change(*paths, output=tmp_path / "change")
    run = landcover.open_run(tmp_path / "change")
    areas = run.areas()["hectares"]
    assert areas["Forest to Developed"] == pytest.approx(6.0) and areas["unchanged"] > 40
    sample = run.sample(size=120, fewest=30)
    x, y = (
        ((sample.geometry.x - 5e5) / 10).astype(int),
        (-(sample.geometry.y - 4.5e6) / 10).astype(int),
    )
    truth = np.zeros((60, 80), bool)
    truth[12:30, 10:44] = True
    sample["reference"] = np.where(truth[y, x], "Forest to Developed", "unchanged")
    sample.to_file(tmp_path / "points.gpkg")
    found = run.estimates(tmp_path / "points.gpkg").areas.loc["Forest to Developed"]
    assert found["low"] < 6.12 < found["high"]


def test_candidates_have_pictures_of_both_dates_with_what_borders_on_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    codes = np.full((24, 30), CODES[1], np.uint8)
    later = codes.copy()
    later[5:9, 5:9], later[15:17, 20:26] = CODES[DEVELOPED], CODES[DEVELOPED]
    for year, colour in ((2010, 60), (2016, 200)):
        pixels = np.full((3, 24 * 8, 30 * 8), colour, np.uint8)
        write(tmp_path / f"{year}.tif", pixels, transform=from_origin(5e5, 4.5e6, 1, 1), crs=UTM)
    paths = [
        tile_run(
            *(tmp_path / f"run-{year}", NLCD6, labels, UTM, placed(), 8),
            source=str(tmp_path / f"{year}.tif"),
        ).path
        for year, labels in ((2010, codes), (2016, later))
    ]
    made = landcover.change(*paths, output=tmp_path / "change", chips=1)
    found = made.candidates()
    assert len(found) == 2 and list(found["tiles"]) == [16, 12]
    assert list(found.columns) == [
        *("id", "before", "after", "score", "tiles", "hectares", "neighbours"),
        *("lon", "lat", "chip_before", "chip_after", "geometry"),
    ]
    assert found["chip_before"].dropna().to_dict() == {0: "chips/1-before.png"}
    packed = geopandas.read_file(tmp_path / "change/candidates.gpkg")
    assert packed.geometry.geom_equals(found.geometry).all()
    for name, colour in (("chip_before", 60), ("chip_after", 200)):
        picture = np.array(Image.open(tmp_path / "change" / found[name][0]))
        marked = (picture == (255, 255, 0)).all(axis=-1)
        assert (picture[~marked] == colour).all()
        rows = np.flatnonzero(marked.any(axis=1))
        # Three times the candidate is shown, so that as much of what borders on it lies beside it.
        assert abs(rows[0] - 128) <= 2 and abs(rows[-1] - 256) <= 2
    (tmp_path / "2010.tif").unlink()
    with caplog.at_level(logging.WARNING):
        gone = landcover.change(*paths, output=tmp_path / "gone")
    assert [one.message for one in caplog.records if "get no picture" in one.message][1:] == []
    assert "2010: cannot be read" in caplog.text and gone.summary["chips"] == 2
    assert gone.candidates()["chip_before"].isna().all()


def test_names_of_classes_are_text_in_the_style(tmp_path: Path) -> None:
    names = ['<img src=x onerror="alert(1)">', "a & b", "c", "d", "e"]
    classes = Scheme("model", tuple(LandClass(i, name, "#336699") for i, name in enumerate(names)))
    first = np.zeros((20, 20), np.uint8)
    second = first.copy()
    second[5:15, 5:15] = 1
    paths = [
        pixel_run(tmp_path / name, classes, [(codes, UTM, placed())]).path
        for name, codes in (("a", first), ("b", second))
    ]
    landcover.change(*paths, output=tmp_path / "change")
    style = ElementTree.parse(tmp_path / "change/change.qml")
    entries = {one.get("value"): one.get("label") for one in style.iter("paletteEntry")}
    assert entries == {"0": "unchanged", "2": f"{names[0]} to {names[1]}"}
    with rasterio.open(tmp_path / "change/change.tif") as file:
        assert file.colormap(1)[0][:3] == (0xEC, 0xEC, 0xEC)


def test_rates_come_from_what_accuracy_has_said(tmp_path: Path) -> None:
    names = [*NLCD6.names, "Water"]
    matrix = np.arange(49).reshape(7, 7)
    path = tmp_path / "said.json"
    path.write_text(
        json.dumps({"levels": {"nlcd6": {"classes": names, "matrix": matrix.tolist()}}})
    )
    found = np.array(measured_rates(path, NLCD6, 0.85).rates)
    usual = np.full((6, 6), 0.03) + 0.82 * np.eye(6)
    expected = matrix[:6, :6] + usual
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True))
    for text, sentence in (
        ("{", "cannot be read as JSON"),
        ("[]", "has no confusion matrix of the classes Barren"),
        (json.dumps({"classes": names, "matrix": [[1]]}), "has no square matrix"),
    ):
        path.write_text(text)
        with pytest.raises(SourceError, match=sentence):
            measured_rates(path, NLCD6, 0.85)


def test_rates_are_shares_of_each_class_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    classes = classes_of(["a", "b"])
    said = tmp_path / "said.json"
    said.write_text(json.dumps({"classes": ["b", "a"], "matrix": [[899, 100], [0, 99]]}))
    found = np.array(measured_rates(said, classes, 0.9).rates)
    assert found == pytest.approx(np.array([[99.9, 0.1], [100.1, 899.9]]) / [[100], [1000]])


def test_a_label_speaks_for_each_class_by_how_often_that_class_gets_it() -> None:
    rates = Rates(((0.9, 0.1, 0.0), (0.3, 0.6, 0.1), (0.2, 0.25, 0.55)))
    labels = np.array([[0, 1], [2, 1]], np.uint16)
    found = rates.on(MapGrid(UTM, placed(), 2, 2), labels)(np.array([2, 0, 3]))
    assert found == pytest.approx(np.array([[0.0, 0.1, 0.55], [0.9, 0.3, 0.2], [0.1, 0.6, 0.25]]))


def test_measured_rates_decide_in_place_of_assumed_ones(tmp_path: Path) -> None:
    first = np.full((20, 20), CODES[1], np.uint8)
    second = first.copy()
    second[5:15, 5:15] = CODES[2]
    paths = [
        pixel_run(tmp_path / name, NLCD6, [(codes, UTM, placed())]).path
        for name, codes in (("a", first), ("b", second))
    ]
    mixed = np.diag([100] * 6)
    mixed[1, 2] = mixed[2, 1] = 90  # nobody can tell Forest from Shrub
    said = tmp_path / "said.json"
    said.write_text(json.dumps({"classes": NLCD6.names, "matrix": mixed.tolist()}))
    sure = landcover.change(*paths, output=tmp_path / "sure")
    unsure = landcover.change(*paths, output=tmp_path / "unsure", confusions=[said])
    counts = [one.transitions["decided_pixels"].sum() for one in (sure, unsure)]
    assert counts[0] > 90 and counts[1] == 0
    assert "confusion matrix" in unsure.summary["runs"][1]["evidence"]


def test_a_cluster_finds_what_threads_find(
    tmp_path: Path, county: dict[str, Any], dask_scheduler: str
) -> None:
    from landcover.backends.dask import DaskBackend
    from landcover.backends.local import LocalBackend

    pools: dict[str, Backend] = {"a": LocalBackend(), "b": DaskBackend(address=dask_scheduler)}
    for name, pool in pools.items():
        landcover.change(county["2010-all"], county["2016"], output=tmp_path / name, backend=pool)
    files = ["change.tif", "change.json", "candidates.parquet", "transitions.csv"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one place, and others that cannot be compared with them."""
    folder = tmp_path_factory.mktemp("runs")
    codes = np.full((30, 40), CODES[1], np.uint8)
    hole = np.full((30, 40), 255, np.uint8)
    hole[:, 20:] = CODES[1]
    other = hole[:, ::-1]
    for name, labels, left in (
        *(("a", codes, 0), ("b", codes, 3), ("far", codes, 900)),
        *(("east", hole, 0), ("west", other, 0)),
    ):
        pixel_run(folder / name, NLCD6, [(labels, UTM, placed(left))])
    unlike = Scheme("model", (LandClass(0, "ice", "#ffffff"), LandClass(1, "rock", "#777777")))
    pixel_run(folder / "unlike", unlike, [(codes * 0, UTM, placed())])
    for name in ("unfinished", "damaged", "nomap"):
        pixel_run(folder / name, NLCD6, [(codes, UTM, placed())])
    said = json.loads((folder / "unfinished/run.json").read_text())
    (folder / "unfinished/run.json").write_text(json.dumps({**said, "status": "running"}))
    (folder / "nomap/run.json").write_text(json.dumps({**said, "files": []}))
    damaged = folder / "damaged/map.tif"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-300] + b"\xff" * 300)
    (folder / "foreign").mkdir()
    (folder / "foreign/notes.txt").write_text("mine")
    (folder / "empty").mkdir()
    return folder


@pytest.mark.parametrize(
    ("names", "code", "sentence"),
    [
        (["a", "absent"], 1, "holds no run.json"),
        (["a", "foreign"], 1, "holds no run.json"),
        (["empty", "a"], 1, "holds no run.json"),
        (["a", "unfinished"], 1, "is not done"),
        (["a", "damaged"], 1, "cannot be read"),
        (["a", "nomap"], 1, "has no map"),
        (["a", "unlike"], 2, "classes differ"),
        (["a", "far"], 2, "shows no ground that"),
        (["east", "west"], 2, "shows no ground that"),
        (["a"], 2, "two dates or more"),
        (["a", "b", "--to", "Town"], 2, "there is no class 'Town'"),
        (["a", "b", "--threshold", "7"], 2, "threshold is a share"),
        (["a", "b", "--confusion", "absent.json"], 2, "cannot be read as JSON"),
        (["a", "b", "--confusion", "x", "--confusion", "x", "--confusion", "x"], 2, "3 confusion"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence_and_leaves_nothing(
    names: list[str],
    code: int,
    sentence: str,
    runs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(runs)
    with pytest.raises(SystemExit) as ended:
        main(["change", *names, "-o", str(tmp_path / "out")])
    said = capsys.readouterr()
    assert ended.value.code == code, said.err
    assert sentence in said.err and len(said.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_other_directories_are_not_written_into(runs: Path, tmp_path: Path) -> None:
    one, other = str(runs / "a"), str(runs / "b")
    with pytest.raises(OutputError, match="is one of the runs"):
        landcover.change(one, other, output=other)
    with pytest.raises(OutputError, match="belongs to another run"):
        landcover.change(one, other, output=runs / "east")
    with pytest.raises(OutputError, match=r"holds 'notes.txt'"):
        landcover.change(one, other, output=runs / "foreign")
    assert (runs / "foreign/notes.txt").read_text() == "mine"
    landcover.change(one, other, output=tmp_path / "out")
    with pytest.raises(OutputError, match="belongs to another run"):
        landcover.change(one, other, output=tmp_path / "out", threshold=0.7)
    said = tmp_path / "said.json"
    matrix = np.diag([100] * 6).tolist()
    said.write_text(json.dumps({"classes": NLCD6.names, "matrix": matrix}))
    with pytest.raises(OutputError, match="belongs to another run"):
        landcover.change(one, other, output=tmp_path / "out", confusions=[said])
    landcover.change(one, other, output=tmp_path / "out")
    with pytest.raises(OutputError, match=r"holds no change\.json"):
        landcover.open_change(one)


def test_figures_of_an_earlier_comparison_do_not_outlive_one_that_fails(
    runs: Path, tmp_path: Path
) -> None:
    class Failing(LocalBackend):
        def map(self, function: Any, items: Any) -> Any:
            raise OutputError("a worker", "is gone")

    told = str(runs / "a"), str(runs / "b")
    landcover.change(*told, output=tmp_path / "out")
    with Failing() as backend, pytest.raises(OutputError, match="is gone"):
        landcover.change(*told, output=tmp_path / "out", backend=backend)
    with pytest.raises(OutputError, match=r"holds no change\.json"):
        landcover.open_change(tmp_path / "out")
    landcover.change(*told, output=tmp_path / "out")
    assert landcover.open_change(tmp_path / "out").summary["status"] == "done"


@pytest.mark.parametrize("before", [(), ("Forest", "Developed")])
@pytest.mark.parametrize("after", [(), ("Forest",), ("Shrub", "Barren")])
def test_candidates_are_the_transitions_between_the_classes_that_are_wanted(
    before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    legend = Legend(NLCD6)
    found = Wanted(before, after).codes(legend)
    assert {legend.scheme.by_code[code].name for code in found} == {
        f"{one} to {other}"
        for one in before or NLCD6.names
        for other in after or NLCD6.names
        if one != other
    }


def test_the_command_says_as_json_what_stands_in_the_file(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(runs / "a"), str(runs / "b"), "-o", str(tmp_path / "out"), "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["change", *arguments])
    assert not ended.value.code
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((tmp_path / "out/change.json").read_text())
    assert said["status"] == "done" and said["candidates"] == 0
    table = pd.read_csv(io.StringIO((tmp_path / "out/transitions.csv").read_text()))
    assert table.to_dict("records") == said["transitions"]
    assert set(said["files"]) <= {path.name for path in (tmp_path / "out").iterdir()}
    with pytest.raises(SystemExit):
        main(["change", *arguments[:-1]])
    assert "hectares in common" in capsys.readouterr().out
