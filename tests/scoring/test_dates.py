"""Several dates of one place in one run: a map a date, and no map that shows one of them only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from support.colours import blobs
from support.rasters import write

import landcover
from landcover.errors import ConfigError, OutputError

DATES = {"20160915": "2016-09-15", "20180804": "2018-08-04"}
SIDE = 100


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The left and the right half of a place, both at two dates, between which all has changed."""
    folder = tmp_path_factory.mktemp("county")
    for seed, date in enumerate(DATES, 1):
        pixels = blobs(seed, SIDE, 2 * SIDE)
        for name, left in (("left", 0), ("right", SIDE)):
            where = from_origin(500000.0 + left, 4000000.0, 1, 1)
            write(folder / f"{name}_{date}.tif", pixels[:, :, left : left + SIDE], transform=where)
    return folder


def scored(model: Path, output: Path, rasters: Any, **overrides: Any) -> Any:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return landcover.score(rasters=rasters, model=model, output=output, overrides=keys)


def codes(path: Path) -> np.ndarray[Any, Any]:
    with rasterio.open(path) as file:
        return np.asarray(file.read(1))


@pytest.mark.parametrize("form", ["index", "cog"])
def test_each_date_has_the_map_that_a_run_of_its_own_would_have(
    pixel_model: Path, county: Path, tmp_path: Path, form: str
) -> None:
    mosaic = {"output__mosaic": form}
    run = scored(pixel_model, tmp_path / "all", str(county), source__date="auto", **mosaic)
    end = {"index": "vrt", "cog": "tif"}[form]
    assert run.summary["dates"] == {date: [f"maps/{date}.{end}"] for date in DATES.values()}
    assert not list((tmp_path / "all").glob("map.*"))
    table = run.tiles()
    for written, date in DATES.items():
        alone = scored(pixel_model, tmp_path / date, str(county / f"*_{written}.tif"), **mosaic)
        assert np.array_equal(codes(tmp_path / f"all/maps/{date}.{end}"), alone.map().values)
        assert f"maps/{date}.png" in run.summary["files"]
        assert (tmp_path / f"all/maps/{date}.png").exists()
        of_date = landcover.open_run(tmp_path / "all", date)
        assert np.array_equal(of_date.map().values, alone.map().values)
        assert of_date.areas().equals(alone.areas())
        smooth = of_date.smooth(tmp_path / f"smooth-{date}")
        assert smooth.summary["tiles"] == alone.summary["tiles"]
        assert of_date.tiles()["label"].tolist() == alone.tiles()["label"].tolist()
        assert set(table["source"][table["date"] == date]) == {
            f"{half}_{written}" for half in ("left", "right")
        }
    again = scored(pixel_model, tmp_path / "all", str(county), source__date="auto", **mosaic)
    assert again.summary == run.summary


def test_what_looks_at_a_run_of_several_dates_asks_which_is_meant(
    tile_model: Path, county: Path, tmp_path: Path
) -> None:
    pattern = r"_(?P<date>\d{4})\d{4}\.tif"
    run = scored(tile_model, tmp_path / "run", str(county), source__date=pattern)
    assert list(run.summary["dates"]) == ["2016", "2018"]
    asked = r"has a map for each date: say which \(--date of .*\); there are: 2016, 2018"
    for look in (run.map, lambda: run.sample(size=20), lambda: run.smooth(tmp_path / "no")):
        with pytest.raises(OutputError, match=asked):
            look()
    with pytest.raises(OutputError, match="has no map of '2017'"):
        landcover.open_run(tmp_path / "run", "2017")
    of_date = landcover.open_run(tmp_path / "run", "2018")
    assert len(of_date.sample(size=12, fewest=2)) == 12
    smooth = of_date.smooth(tmp_path / "smooth")
    assert smooth.map().shape == of_date.map().shape
    assert set(smooth.tiles()["date"]) == {"2018"}
    assert smooth.summary["tiles"]["scored"] == len(smooth.tiles()) < len(run.tiles())
    with pytest.raises(OutputError, match="belongs to another run, with another imagery"):
        scored(tile_model, tmp_path / "run", str(county))
    with pytest.raises(OutputError, match="belongs to another run, with another imagery"):
        scored(tile_model, tmp_path / "run", str(county), source__date="auto")


def test_a_run_of_several_dates_is_measured_and_compared_date_by_date(
    tile_model: Path, county: Path, tmp_path: Path
) -> None:
    """As runs of each date alone would be; with probabilities, which change is decided by."""
    kept = {"output__probabilities": True}
    both = scored(tile_model, tmp_path / "both", str(county), source__date="auto", **kept)
    alone = [
        scored(tile_model, tmp_path / date, str(county / f"*_{written}.tif"), **kept)
        for written, date in DATES.items()
    ]
    areas = both.areas()
    assert areas.index.names == ["date", "class"]
    for date, run in zip(DATES.values(), alone, strict=True):
        assert areas.loc[date].equals(run.areas())
    found = landcover.change(both, output=tmp_path / "found")
    expected = landcover.change(*alone, output=tmp_path / "expected", dates=[*DATES])
    assert found.transitions.equals(expected.transitions)
    assert [run["date"] for run in found.summary["runs"]] == [*DATES.values()]
    assert [run["date"] for run in expected.summary["runs"]] == [*DATES.values()]
    assert {run["evidence"] for run in found.summary["runs"]} == {"probabilities of tiles"}
    assert np.array_equal(
        codes(tmp_path / "found/change.tif"), codes(tmp_path / "expected/change.tif")
    )
    dates = [*DATES.values()]
    one = landcover.change(both, both, output=tmp_path / "again", dates=dates)
    assert one.transitions.equals(found.transitions)


def test_candidates_between_dates_of_one_run_have_pictures_of_both(
    pixel_model: Path, county: Path, tmp_path: Path
) -> None:
    run = scored(pixel_model, tmp_path / "run", str(county / "left_*.tif"), source__date="auto")
    table = landcover.change(run, output=tmp_path / "change", chips=1).candidates()
    chips = [tmp_path / "change" / table[f"chip_{name}"].iloc[0] for name in ("before", "after")]
    assert chips[0].read_bytes() != chips[1].read_bytes()


def test_dates_that_go_back_or_are_not_there_are_refused(
    tile_model: Path, county: Path, tmp_path: Path
) -> None:
    run = scored(
        tile_model, tmp_path / "run", str(county / "left_20160915.tif"), source__date="auto"
    )
    output = {"output": tmp_path / "change"}
    with pytest.raises(ConfigError, match=r"of 2018, and .* of 2016-09-15: name the earlier one"):
        plain = scored(tile_model, tmp_path / "plain", str(county / "left_20180804.tif"))
        landcover.change(plain, run, dates=["2018", "2016-09-15"], **output)
    with pytest.raises(OutputError, match="has no map of '2017-01-01'; there are: 2016-09-15"):
        landcover.change(run, plain, dates=["2017-01-01", "2018"], **output)
    with pytest.raises(
        ConfigError, match="two dates or more: runs of them, or one run over several"
    ):
        landcover.change(run, **output)
    assert not (tmp_path / "change").exists()


def test_the_newest_of_all_dates_is_one_map_which_areas_polygons_and_smoothing_follow(
    tile_model: Path, county: Path, tmp_path: Path
) -> None:
    """The left half is there at both dates, the right half only at the first."""
    files = [str(county / f"{name}.tif") for name in ("left_20160915", "right_20160915")]
    files += [str(county / "left_20180804.tif")]
    told = {"source__date": "auto", "output__overlap": "newest", "output__probabilities": True}
    run = scored(tile_model, tmp_path / "all", files, **told)
    assert "dates" not in run.summary
    assert run.summary["files"][:2] == ["map.vrt", "maps/left_20180804.tif"]
    ordered = [files[2], *files[:2]]
    alone = scored(tile_model, tmp_path / "ordered", ordered, output__probabilities=True)
    assert np.array_equal(run.map().values, alone.map().values)
    assert run.areas().equals(alone.areas())
    assert run.vectorize(tmp_path / "a.gpkg").equals(alone.vectorize(tmp_path / "b.gpkg"))
    first = scored(tile_model, tmp_path / "first", files, output__probabilities=True)
    assert not np.array_equal(run.map().values, first.map().values)
    for rule in ("plurality", "probability"):
        smooth = run.smooth(tmp_path / f"a-{rule}", rule=rule).map().values
        assert np.array_equal(smooth, alone.smooth(tmp_path / f"b-{rule}", rule=rule).map().values)
    assert len(run.tiles()) == len(alone.tiles())  # each scene is scored as a whole


def test_another_rule_is_another_run_which_extend_takes_over_without_scoring(
    tile_model: Path, county: Path, tmp_path: Path
) -> None:
    files = [str(county / f"{half}_20160915.tif") for half in ("left", "right")]
    run = scored(tile_model, tmp_path / "run", files)
    with pytest.raises(
        OutputError, match=r'another overlap \(overlap: nothing there, "centre" here\)'
    ):
        scored(tile_model, tmp_path / "run", files, output__overlap="centre")
    overrides = {"output.overlap": "centre"}
    again = landcover.score(
        rasters=files, model=tile_model, output=run.path, overrides=overrides, extend=True
    )
    assert again.summary["tasks"] == 0
    assert again.summary["fingerprint"]["overlap"] == "centre"


def test_the_newest_is_not_known_without_dates(
    tile_model: Path, county: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"'newest' needs the dates of scenes: set source.date"):
        scored(tile_model, tmp_path / "run", str(county), output__overlap="newest")


def test_scenes_of_one_date_have_a_map_as_ever(
    tile_model: Path, county: Path, tmp_path: Path
) -> None:
    both = scored(tile_model, tmp_path / "a", str(county / "*_20160915.tif"), source__date="auto")
    assert both.summary["dates"] == {"2016-09-15": ["map.vrt"]}
    assert (
        both.areas()["hectares"].sum()
        == landcover.open_run(both.path, "2016-09-15").areas()["hectares"].sum()
    )
    one = scored(tile_model, tmp_path / "b", str(county / "left_20180804.tif"), source__date="auto")
    assert one.summary["dates"] == {"2018-08-04": ["map.tif"]}
    assert set(one.tiles()["date"]) == {"2018-08-04"}


def test_scenes_of_a_date_that_lie_far_apart_have_their_own_maps_and_the_other_date_one(
    tile_model: Path, county: Path, tmp_path: Path
) -> None:
    far = from_origin(900000.0, 4400000.0, 1, 1)
    files = [str(county / f"{half}_20180804.tif") for half in ("left", "right")]
    files += [str(county / "left_20160915.tif")]
    files += [write(tmp_path / "far_20160915.tif", blobs(3, 40, 40), transform=far)]
    run = scored(tile_model, tmp_path / "run", files, source__date="auto")
    assert run.summary["dates"] == {
        "2016-09-15": ["maps/left_20160915.tif", "maps/far_20160915.tif"],
        "2018-08-04": ["maps/2018-08-04.vrt"],
    }
    assert "lie far apart" in run.summary["note"]
    alone = scored(tile_model, tmp_path / "alone", files[2:])
    assert landcover.open_run(run.path, "2016-09-15").areas().equals(alone.areas())
