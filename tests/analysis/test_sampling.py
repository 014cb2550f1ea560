"""Samples of maps: how large, how shared, drawn with equal chances, and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
from rasterio.transform import from_origin
from support.finished import pixel_run

import landcover
from landcover.analysis import map_blocks
from landcover.analysis.points import classes_at
from landcover.analysis.sample_size import allocated, sample_size
from landcover.analysis.sampling import draw_sample
from landcover.analysis.zones import places_of
from landcover.classes import scheme
from landcover.errors import ConfigError, SourceError
from landcover.runs.directory import RunDirectory

NLCD6 = scheme("nlcd6")
UTM = "EPSG:26914"
# Olofsson et al. (2014), section 5: four strata, what they are thought to be, and 641 points.
SIZES = {"deforestation": 200_000, "gain": 150_000, "forest": 3_200_000, "other": 6_450_000}
EXPECTED = {"deforestation": 0.7, "gain": 0.6, "forest": 0.9, "other": 0.95}


def test_the_size_is_that_of_the_papers_example() -> None:
    assert sample_size(SIZES, EXPECTED, 0.01) == 641


def test_rare_classes_get_their_least_and_the_others_share_by_size() -> None:
    found = allocated(SIZES, 641, 75)
    assert found == {"deforestation": 75, "gain": 75, "forest": 163, "other": 328}
    assert sum(allocated(SIZES, 200, 50).values()) == 200
    assert allocated(SIZES, 200, 50) == dict.fromkeys(SIZES, 50)
    assert allocated({"a": 10, "b": 1000}, 100, 50) == {"a": 10, "b": 90}
    assert allocated({"a": 3, "b": 4}, 7, 50) == {"a": 3, "b": 4}
    assert allocated({"a": 10, "b": 12}, 30, 2) == {"a": 10, "b": 12}  # all that there are


@pytest.mark.parametrize(
    ("sizes", "points", "fewest", "sentence"),
    [
        (SIZES, 100, 50, "100 points are not enough for 4 strata of 50 or more each: draw 200"),
        ({"a": 1, "b": 100}, 50, 2, "class 'a' has a single pixel"),
        (SIZES, 100, 1, "each stratum needs two points or more"),
    ],
)
def test_samples_that_cannot_be_are_refused(
    sizes: dict[str, int], points: int, fewest: int, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        allocated(sizes, points, fewest)


def test_a_class_of_a_single_pixel_is_smoothed_away(tmp_path: Path) -> None:
    codes = np.repeat(np.array(NLCD6.codes[:2], np.uint8), 20)[:, None].repeat(30, 1)
    codes[7, 9] = NLCD6.codes[2]
    pixel_run(tmp_path / "run", NLCD6, [(codes, UTM, tuple(from_origin(5e5, 4e6, 1, 1))[:6])])
    run = landcover.open_run(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"has a single pixel.*: smooth the map .*, and sample"):
        run.sample(size=20, fewest=5)
    assert len(run.smooth(tmp_path / "smooth").sample(size=20, fewest=5)) == 20


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """Two overlapping scenes of 20 m with gaps, in blocks of 64 pixels."""
    monkeypatch.setattr(map_blocks, "EDGE", 64)
    rng = np.random.default_rng(5)
    share = [0.02, 0.5, 0.2, 0.1, 0.1, 0.08]
    scenes = []
    for x in (0, 100):
        codes = rng.choice(np.array(NLCD6.codes, np.uint8), (150, 200), p=share)
        codes[rng.random((150, 200)) < 0.1] = 255
        scenes.append((codes, UTM, tuple(from_origin(5e5 + 20 * x, 4.5e6, 20, 20))[:6]))
    return pixel_run(tmp_path / "run", NLCD6, scenes)


def test_points_lie_on_pixels_of_their_class_and_know_how_they_were_drawn(
    run: RunDirectory,
) -> None:
    found = draw_sample(run, size=600, fewest=50, seed=3)
    areas = landcover.open_run(run.path).areas()
    assert len(found) == 600 and found.crs.to_epsg() == 26914
    assert not found.geometry.duplicated().any()
    mapped = [NLCD6.names[index] for index in classes_at(run, *places_of(found))]
    assert mapped == found["mapped"].tolist() == found["stratum"].tolist()
    for name, group in found.groupby("stratum"):
        assert set(group["stratum_pixels"]) == {areas.loc[name, "pixels"]}
        assert set(group["stratum_hectares"]) == {areas.loc[name, "hectares"]}
        assert set(group["stratum_points"]) == {len(group)} and len(group) >= 50
    assert found["map_hectares"].iloc[0] == areas["hectares"].sum()
    assert found["reference"].isna().all() and found["point"].tolist() == [*range(1, 601)]
    again = draw_sample(run, size=600, fewest=50, seed=3)
    assert again.geometry.equals(found.geometry)
    assert not draw_sample(run, size=600, fewest=50, seed=4).geometry.equals(found.geometry)
    x, y = found.geometry.x, found.geometry.y
    for place in ((x - 5e5) / 20, (4.5e6 - y) / 20):
        assert np.allclose(place % 1, 0.5, atol=1e-6)  # in the middle of pixels
        assert abs(np.corrcoef(place, range(600))[0, 1]) < 0.15  # in random order
    assert found["stratum"].iloc[:50].nunique() > 2


def test_every_pixel_of_a_class_is_as_likely_as_any(run: RunDirectory) -> None:
    drawn = [
        draw_sample(run, size=900, fewest=150, seed=seed).query("stratum == 'Barren'")
        for seed in range(40)
    ]
    pixels = int(drawn[0]["stratum_pixels"].iloc[0])
    x = np.concatenate([frame.geometry.x for frame in drawn])
    counts = np.unique(x + 1j * np.concatenate([f.geometry.y for f in drawn]), return_counts=True)[
        1
    ]
    expected = sum(map(len, drawn)) / pixels
    # Drawn without replacement, a count is at most binomial: 40 draws, each with this chance.
    chance = expected / 40
    missing = pixels - len(counts)
    spread = (((counts - expected) ** 2).sum() + missing * expected**2) / pixels
    assert spread == pytest.approx(40 * chance * (1 - chance), rel=0.25)


def test_sizes_are_given_or_follow_from_a_standard_error(run: RunDirectory) -> None:
    by_error = draw_sample(run, standard_error=0.02, fewest=10)
    assert len(by_error) == 400  # 0.8 in all classes: 0.16 / 0.0004
    sizes = dict.fromkeys(NLCD6.names, 5) | {"Forest": 7}
    assert draw_sample(run, sizes=sizes)["stratum"].value_counts()["Forest"] == 7


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({}, "say how many points"),
        ({"size": 100, "standard_error": 0.1}, "say how many points"),
        ({"sizes": {"Forest": 10}}, "'Barren' is on the map and needs two points"),
        ({"sizes": dict.fromkeys(NLCD6.names, 10**6)}, "fewer than 1,000,000 points"),
        ({"sizes": {"Sea": 10}}, "no class 'Sea'"),
        ({"standard_error": 0.01, "expected": {"Forest": 1.2}}, "between 0 and 1, not at 1.2"),
        ({"standard_error": 2.0}, "a standard error lies between 0 and 1"),
        ({"size": 10**6}, "fewer than 1,000,000 points"),
    ],
)
def test_wishes_that_make_no_sample_are_refused(
    run: RunDirectory, wanted: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        draw_sample(run, **wanted)


def labelled(run: RunDirectory, path: Path, **changed: Any) -> geopandas.GeoDataFrame:
    """A sample of 600 points of which people found 9 in 10 to be as mapped, else forest."""
    found = draw_sample(run, size=600, fewest=50, seed=3)
    wrong = np.random.default_rng(1).random(600) < 0.1
    found["reference"] = found["mapped"].mask(wrong, "forest")
    found = found.assign(**changed)
    found.to_file(path)
    return found


def test_a_labelled_sample_gives_hectares_with_intervals(run: RunDirectory, tmp_path: Path) -> None:
    frame = labelled(run, tmp_path / "points.gpkg")
    found = landcover.open_run(run.path).estimates(tmp_path / "points.gpkg")
    table = frame[["stratum", "mapped"]].assign(
        reference=frame["reference"].replace({"forest": "Forest"})
    )
    sizes = frame.groupby("stratum")["stratum_hectares"].first().to_dict()
    expected = landcover.stratified_estimates(table, sizes, finite=False)
    assert list(found.areas.index) == list(NLCD6.names)
    for name in ("overall", "users", "producers", "areas"):
        pd.testing.assert_frame_equal(
            getattr(found, name), getattr(expected, name), check_like=True
        )
    assert found.areas["estimate"].sum() == pytest.approx(frame["map_hectares"].iloc[0])


def test_a_sample_drawn_by_one_map_serves_for_another(run: RunDirectory, tmp_path: Path) -> None:
    labelled(run, tmp_path / "points.gpkg")
    forest = np.full((150, 300), 40, np.uint8)
    placed = tuple(from_origin(5e5, 4.5e6, 20, 20))[:6]
    other = pixel_run(tmp_path / "other", NLCD6, [(forest, UTM, placed)])
    found = landcover.open_run(other.path).estimates(tmp_path / "points.gpkg")
    one = landcover.open_run(run.path).estimates(tmp_path / "points.gpkg")
    assert found.areas.equals(one.areas)  # what the ground has does not depend on the map
    assert found.producers.loc["Forest", "estimate"] == 1
    assert found.users["estimate"].notna().sum() == 1


def test_what_is_not_the_sample_that_was_drawn_is_refused(
    run: RunDirectory, tmp_path: Path
) -> None:
    def refused(frame: geopandas.GeoDataFrame, sentence: str) -> None:
        frame.to_file(tmp_path / "changed.gpkg")
        with pytest.raises(SourceError, match=sentence):
            landcover.open_run(run.path).estimates(tmp_path / "changed.gpkg")

    frame = labelled(run, tmp_path / "points.gpkg")
    refused(frame.drop(columns="stratum_points"), "is no probability sample.*stratum_points")
    refused(frame.iloc[1:], "is no longer the sample that was drawn: stratum")
    gone = frame[frame["stratum"] != "Barren"]
    refused(gone, "all points of a class are gone")
    refused(frame.assign(reference=None), "600 of 600 points have no class in column 'reference'")
    refused(frame.assign(reference=frame["reference"].where(frame.index > 2, " ")), "3 of 600")
    refused(frame.assign(reference="sea"), "has 'sea', which is no class of scheme 'nlcd6'")
    moved = frame.set_geometry(frame.translate(1e6))
    refused(moved, "600 points where the map of the run has no class")
    single = frame[frame["stratum"] != "Barren"]
    alone = frame[frame["stratum"] == "Barren"].iloc[:1].assign(stratum_points=1)
    with pytest.raises(ConfigError, match="'Barren' has a single point"):
        both = geopandas.GeoDataFrame(pd.concat([single, alone]), crs=frame.crs)
        both.to_file(tmp_path / "single.gpkg")
        landcover.open_run(run.path).estimates(tmp_path / "single.gpkg")


@pytest.mark.parametrize("column", ["stratum_hectares", "stratum_points", "map_hectares"])
@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("many", "'many'"),
        ("1,5", "'1,5'"),
        ("x" * 100_000, "'xxxx"),
        ("", "nothing"),
        (None, "nothing"),
        (float("nan"), "nothing"),
        (float("inf"), "'inf'"),
        (-3.0, "'-3.0'"),
        (0.0, "'0.0'"),
    ],
)
def test_what_is_no_size_is_told_with_its_row_and_column(
    run: RunDirectory, tmp_path: Path, column: str, value: Any, found: str
) -> None:
    frame = labelled(run, tmp_path / "points.gpkg")
    values = [*frame[column].tolist()[:6], value, *frame[column].tolist()[7:]]
    frame[column] = [str(one) for one in values] if isinstance(value, str) else values
    frame.to_file(tmp_path / "odd.gpkg")
    with pytest.raises(SourceError) as refused:
        landcover.open_run(run.path).estimates(tmp_path / "odd.gpkg")
    said = str(refused.value)
    assert (
        f"in column {column!r} of row 7, and no number above 0" in said and f"has {found}" in said
    )
    assert len(said) < 600 and "\n" not in said


def test_numbers_that_a_program_has_made_texts_of_are_numbers(
    run: RunDirectory, tmp_path: Path
) -> None:
    frame = labelled(run, tmp_path / "points.gpkg")
    texts = {name: frame[name].map(str) for name in ("stratum_hectares", "stratum_points")}
    frame.assign(**texts).to_file(tmp_path / "texts.geojson")
    one, other = (
        landcover.open_run(run.path).estimates(tmp_path / name)
        for name in ("points.gpkg", "texts.geojson")
    )
    pd.testing.assert_frame_equal(one.areas, other.areas)


def test_samples_that_programs_have_changed_are_refused_with_what_to_do(
    run: RunDirectory, tmp_path: Path
) -> None:
    frame = labelled(run, tmp_path / "points.gpkg")
    opened = landcover.open_run(run.path)
    frame.rename(columns=lambda name: name[:10]).to_file(tmp_path / "cut.shp")
    with pytest.raises(SourceError, match=r"cut to 10 characters \(stratum_he, .*as GeoPackage"):
        opened.estimates(tmp_path / "cut.shp")
    frame.assign(stratum=frame["stratum"].where(frame.index != 4)).to_file(tmp_path / "a.gpkg")
    with pytest.raises(SourceError, match="has no stratum in row 5"):
        opened.estimates(tmp_path / "a.gpkg")
    whole = frame["map_hectares"].where(frame.index != 4, 3.0)
    frame.assign(map_hectares=whole).to_file(tmp_path / "b.gpkg")
    with pytest.raises(SourceError, match=r"several samples: in column 'map_hectares' .* and 3\.0"):
        opened.estimates(tmp_path / "b.gpkg")
    lists = json.loads(frame.to_json())
    lists["features"][2]["properties"]["reference"] = ["Forest", "Shrub"]
    (tmp_path / "c.geojson").write_text(json.dumps(lists))
    with pytest.raises(SourceError, match="which is no class of scheme"):
        opened.estimates(tmp_path / "c.geojson")
