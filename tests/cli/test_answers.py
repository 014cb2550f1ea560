"""Commands that answer questions about finished runs, as a user gives them."""

from __future__ import annotations

import errno
import json
import math
import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from PIL import Image
from rasterio.transform import from_origin
from support.colours import blobs, write_scene
from support.finished import pixel_run, tile_run

from landcover.classes import scheme
from landcover.cli import progress, sample
from landcover.cli.main import main
from landcover.cli.signals import AGAIN

UTM = "EPSG:26914"
NLCD6 = scheme("nlcd6")


class Said(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def landcover(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Give a command, and return its exit code and what it says, however slow the machine is."""
    monkeypatch.setattr(progress, "_SECONDS", math.inf)

    def run(*arguments: object) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return Said(int(ended.value.code or 0), *capfd.readouterr())

    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that labels pixels of 10 m: the upper half forest, the lower half cultivated."""
    codes = np.full((200, 300), 40, np.uint8)
    codes[100:] = 80
    codes[:10, :10] = 255
    placed = tuple(from_origin(5e5, 4.5e6, 10, 10))[:6]
    return Path(pixel_run(tmp_path / "run", NLCD6, [(codes, UTM, placed)]).path)


def test_areas_are_a_table_a_csv_json_and_a_figure(
    landcover: Command, run: Path, tmp_path: Path
) -> None:
    said = landcover("areas", run, "-o", tmp_path / "a.csv", "--figure", tmp_path / "a.png")
    assert said.code == 0 and said.err == ""
    lines = [line.split() for line in said.out.splitlines()]
    assert lines[:4] == [
        ["class", "hectares", "share"],
        ["Forest", "299.00", "49.92%"],
        ["Cultivated", "300.00", "50.08%"],
        ["all", "599.00"],
    ]
    table = pd.read_csv(tmp_path / "a.csv", index_col="class")
    assert table.loc["Forest", "hectares"] == 299
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    rows = json.loads(landcover("areas", run, "--json").out)
    assert rows[1] == {
        "class": "Forest",
        "code": 40,
        "pixels": 29900,
        "hectares": 299.0,
        "share": pytest.approx(299 / 599),
    }


def test_areas_of_zones_say_of_which_nothing_is_mapped(
    landcover: Command, run: Path, tmp_path: Path
) -> None:
    shapes = [shapely.box(5e5, 4.499e6, 5.01e5, 4.5e6), shapely.box(0, 0, 10, 10)]
    zones = geopandas.GeoDataFrame({"county": ["$x$", "far"]}, geometry=shapes, crs=UTM)
    zones.to_file(tmp_path / "zones.gpkg")
    wanted = ["--by", tmp_path / "zones.gpkg", "--field", "county"]
    said = landcover("areas", run, *wanted, "--figure", tmp_path / "a.png")
    assert said.code == 0
    assert said.out.splitlines()[1].split() == ["$x$", "Forest", "99.00", "100.00%"]
    assert said.err == "of 1 zones nothing is mapped: far\n"
    rows = json.loads(landcover("areas", run, *wanted, "--json").out)
    assert rows[-1]["zone"] == "far" and rows[-1]["share"] is None


def test_areas_of_several_runs_are_one_table_with_their_dates(
    landcover: Command, run: Path, tiles: Path
) -> None:
    rows = json.loads(landcover("areas", run, tiles, "--json").out)
    assert [(row["run"], row["class"], row["pixels"]) for row in rows if row["pixels"]] == [
        ("run", "Forest", 29_900),
        ("run", "Cultivated", 30_000),
        ("tiles", "Forest", 60),
        ("tiles", "Cultivated", 60),
    ]
    dated = ["areas", run, tiles, "--date", "20100701", "--date", "2016"]
    rows = json.loads(landcover(*dated, "--json").out)
    assert {row["date"] for row in rows} == {"2010-07-01", "2016"}
    assert landcover(*dated).out.splitlines()[0].split()[:2] == ["date", "class"]
    said = landcover("areas", run, tiles, "--date", "2010")
    assert said.code == 2 and "1 dates for 2 runs: give one for each" in said.err
    said = landcover("areas", run, "--date", "last summer")
    assert said.code == 2 and "'last summer' is no date such as 2016" in said.err


def test_accuracy_against_a_raster_is_tables_json_and_a_figure(
    landcover: Command, run: Path, tmp_path: Path
) -> None:
    figure = tmp_path / "c.png"
    said = landcover("accuracy", run, "--reference", run / "map.tif", "--figure", figure)
    assert said.code == 0 and said.err == ""
    lines = said.out.splitlines()
    assert lines[:2] == [
        "classes of nlcd6",
        "overall accuracy 100.0% of 59,900 pixels, kappa 1.000",
    ]
    assert "classes of nlcd3" in lines and lines[-1] == str(figure)
    assert figure.read_bytes().startswith(b"\x89PNG")
    found = json.loads(landcover("accuracy", run, "--reference", run / "map.tif", "--json").out)
    assert found["levels"]["nlcd3"]["pixels"] == 59_900
    said = landcover("accuracy", run, "--sample", "x.gpkg", "--reference", "y.tif")
    assert said.code == 2 and "--reference has no meaning beside --sample" in said.err


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """A run that labels 10 x 12 tiles of 32 pixels of a scene that is there."""
    scene = write_scene(tmp_path / "scene.tif", blobs(1, 320, 384))
    codes = np.full((10, 12), 40, np.uint8)
    codes[5:] = 80
    placed = tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]
    return Path(
        tile_run(tmp_path / "tiles", NLCD6, codes, "EPSG:26918", placed, 32, str(scene)).path
    )


def test_a_sample_is_drawn_labelled_and_read_back(
    landcover: Command, tiles: Path, tmp_path: Path
) -> None:
    output = tmp_path / "points.gpkg"
    said = landcover("sample", tiles, "-o", output, "--size", 60, "--minimum", 20)
    assert said.code == 0 and said.err == ""
    lines = [line.split() for line in said.out.splitlines()]
    assert ["Forest", "6.1", "30"] in lines and ["all", "12.3", "60"] in lines
    frame = geopandas.read_file(output)
    assert len(list((tmp_path / "points-chips").iterdir())) == 60
    for row in frame.itertuples():
        with Image.open(tmp_path / row.chip) as chip:
            assert chip.size == (384, 384)
    # The middle of the picture is the middle of the tile: a third of the picture is the tile.
    row = frame.iloc[0]
    with rasterio.open(tmp_path / "scene.tif") as file:
        true = np.array(next(file.sample([(row.geometry.x + 4.1, row.geometry.y - 4.1)])), int)
    with Image.open(tmp_path / row["chip"]) as chip:
        seen = np.array(chip)[192 + 16, 192 + 16].astype(int)  # four pixels to a metre
        assert chip.getpixel((128, 192)) == (255, 255, 0)
    assert abs(seen - true).max() <= 1
    frame["reference"] = frame["mapped"]
    frame.to_file(output)
    said = landcover("accuracy", tiles, "--sample", output)
    assert said.code == 0
    assert said.out.startswith("overall accuracy 100.0% ± 0.0%, from 60 points\n")
    found = json.loads(landcover("accuracy", tiles, "--sample", output, "--json").out)
    assert found["areas"]["Forest"]["estimate"] == pytest.approx(6.144)
    again = landcover("sample", tiles, "-o", output, "--size", 60, "--minimum", 20)
    assert again.code == 1 and "may hold labels" in again.err


def test_points_by_class_and_what_is_thought_of_classes_are_given_by_name(
    landcover: Command, tiles: Path, tmp_path: Path
) -> None:
    by_class = ["--points", "Forest=5", "--points", "Cultivated=7", "--no-chips"]
    assert landcover("sample", tiles, "-o", tmp_path / "a.gpkg", *by_class).code == 0
    assert len(geopandas.read_file(tmp_path / "a.gpkg")) == 12
    told = landcover("sample", tiles, "-o", tmp_path / "j.gpkg", *by_class, "--json")
    found = json.loads(told.out)
    assert found["points"] == 12 and found["chips"] is None
    assert {one["class"]: one["points"] for one in found["strata"]} == {
        "Forest": 5,
        "Cultivated": 7,
    }
    thought = ["--se", "0.1", "--expected", "Forest=0.5", "--minimum", "2", "--no-chips"]
    said = landcover("sample", tiles, "-o", tmp_path / "b.gpkg", *thought)
    assert said.code == 0 and len(geopandas.read_file(tmp_path / "b.gpkg")) == 21
    wrong = landcover("sample", tiles, "-o", tmp_path / "c.gpkg", "--points", "Forest")
    assert wrong.code == 2 and "CLASS=NUMBER" in wrong.err
    assert landcover("sample", tiles, "-o", tmp_path / "c.shp", "--size", 50).code == 2
    assert landcover("sample", tiles, "-o", tmp_path / "no" / "c.gpkg", "--size", 50).code == 1


def test_a_sample_without_its_imagery_leaves_nothing(
    landcover: Command, tiles: Path, tmp_path: Path
) -> None:
    (tmp_path / "scene.tif").unlink()
    before = sorted(tmp_path.rglob("*"))
    said = landcover("sample", tiles, "-o", tmp_path / "a.gpkg", "--size", 60, "--minimum", 20)
    assert said.code == 2 and "scene: cannot be read for pictures" in said.err
    assert "--no-chips" in said.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_sample_whose_points_cannot_get_their_name_leaves_nothing(
    landcover: Command, tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(temporary: Path, path: Path) -> None:
        temporary.replace(path)
        raise OSError(errno.EIO, "the folder cannot be flushed")

    drawn = ["sample", tiles, "-o", tmp_path / "a.gpkg", "--size", 60, "--minimum", 20]
    before = sorted(tmp_path.rglob("*"))
    with monkeypatch.context() as disk:
        disk.setattr(sample, "publish", fails)
        said = landcover(*drawn)
    assert said.code == 1 and "a.gpkg: cannot be written" in said.err
    assert sorted(tmp_path.rglob("*")) == before
    assert landcover(*drawn).code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("command", "place"),
    [
        (["vectorize", "-o", "made.gpkg"], "landcover.analysis.vectorize publish"),
        (
            ["sample", "--no-chips", "--size", 60, "--minimum", 20, "-o", "made.gpkg"],
            "landcover.cli.sample publish",
        ),
        (["smooth", "-o", "made"], "landcover.analysis.smoothing MapMaker"),
    ],
)
def test_what_a_command_began_is_put_away_where_a_signal_ends_it(
    landcover: Command,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    place: str,
    number: signal.Signals,
) -> None:
    monkeypatch.chdir(tmp_path)
    module, function = place.split()
    before = sorted(tmp_path.rglob("*"))
    with monkeypatch.context() as ended:
        there = import_module(module)
        ended.setattr(there, function, lambda *_, **__: signal.raise_signal(number))
        said = landcover(*command, run)
    assert (said.code, said.err.splitlines()[-1]) == (1, AGAIN)
    assert sorted(tmp_path.rglob("*")) == before
    assert landcover(*command, run).code == 0


def test_a_smoothed_run_is_a_run_that_other_commands_take(
    landcover: Command, run: Path, tmp_path: Path
) -> None:
    said = landcover("smooth", run, "-o", tmp_path / "smooth")
    assert said.code == 0
    assert said.out.splitlines() == [f"{tmp_path}/smooth/map.tif", f"{tmp_path}/smooth/map.png"]
    areas = json.loads(landcover("areas", tmp_path / "smooth", "--json").out)
    assert sum(row["pixels"] for row in areas) == 59_900
    wrong = landcover("smooth", run, "-o", tmp_path / "other", "--window", "4")
    assert wrong.code == 2 and not (tmp_path / "other").exists()
    by_area = ["--rule", "area", "--minimum-area", "5000"]
    said = landcover("smooth", run, "-o", tmp_path / "area", *by_area, "--json")
    assert json.loads(said.out)["smoothed"]["rule"] == {"name": "area", "square_metres": 5000}
    for options, sentence in (
        (["--rule", "area"], "needs --minimum-area"),
        (["--minimum-area", "9"], "no meaning without --rule area"),
        (["--rule", "area", "--minimum-area", "0"], "0.0 is not in the range x>0"),
        (["--rule", "probability"], "labels pixels keeps no probabilities"),
    ):
        wrong = landcover("smooth", run, "-o", tmp_path / "other", *options)
        assert wrong.code == 2 and sentence in wrong.err and not (tmp_path / "other").exists()


def test_a_map_becomes_polygons_that_gis_programs_open(
    landcover: Command, run: Path, tmp_path: Path
) -> None:
    said = landcover("vectorize", run, "-o", tmp_path / "a.gpkg")
    assert said.code == 0
    lines = [line.split() for line in said.out.splitlines()]
    assert lines == [
        ["class", "polygons", "hectares"],
        ["Forest", "1", "299.00"],
        ["Cultivated", "1", "300.00"],
        ["all", "2", "599.00"],
        [str(tmp_path / "a.gpkg")],
    ]
    rows = json.loads(landcover("vectorize", run, "-o", tmp_path / "b.fgb", "--json").out)
    assert rows[1] == {
        "class": "Forest",
        "code": 40,
        "polygons": 1,
        "pixels": 29900,
        "hectares": 299.0,
    }
    wrong = landcover("vectorize", run, "-o", tmp_path / "c.shp")
    assert wrong.code == 2 and ".gpkg, .fgb, .parquet" in wrong.err
    assert landcover("vectorize", run, "-o", tmp_path / "no" / "a.gpkg").code == 1
    assert landcover("vectorize", run, "-o", tmp_path / "a.gpkg", "--minimum", "-1").code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gpkg", "b.fgb", "b.qml", "run"]
