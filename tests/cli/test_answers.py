"""Commands that answer questions about finished runs, as a user gives them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from rasterio.transform import from_origin
from support.finished import pixel_run

from landcover.classes import classes_of, scheme
from landcover.cli.main import main
from landcover.runs.directory import claim

UTM = "EPSG:26914"
NLCD6 = scheme("nlcd6")


class Said(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def landcover(capfd: pytest.CaptureFixture[str]) -> Command:
    """Give a command, and return its exit code and what it says."""

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


COMMANDS: dict[str, tuple[str, ...]] = {
    "areas": (),
}


def _unfinished(path: Path) -> None:
    with claim(str(path), {}, NLCD6, {}):
        pass


def _foreign(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("mine")


def _empty(path: Path) -> None:
    path.mkdir()


def _torn(path: Path) -> None:
    path.mkdir()
    (path / "run.json").write_text('{"status": "done", "clas')


def _of_another_program(path: Path) -> None:
    path.mkdir()
    (path / "run.json").write_text('{"status": "done", "classes": [1, 2]}')


def _without_its_map(path: Path) -> None:
    with claim(str(path), {}, classes_of(["a", "b"]), {"model": {"output": "pixel"}}) as run:
        run.finish({"files": ["map.tif"]})


def _absent(path: Path) -> None:
    pass


DIRECTORIES = [
    *(_unfinished, _foreign, _empty, _torn, _of_another_program, _without_its_map, _absent),
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("make", DIRECTORIES)
def test_a_directory_without_a_finished_run_is_refused_in_a_sentence(
    landcover: Command, tmp_path: Path, command: str, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "run")
    wanted = [part.format(folder=tmp_path) for part in COMMANDS[command]]
    before = sorted(tmp_path.rglob("*"))
    said = landcover(command, tmp_path / "run", *wanted)
    assert said.code in (1, 2) and said.out == ""
    assert re.fullmatch(r"landcover: [^\n]+\n", said.err), said.err
    assert "defect" not in said.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_a_run_is_and_what_comes_out(landcover: Command, command: str) -> None:
    said = landcover(command, "--help")
    assert said.code == 0 and "run directory" in " ".join(said.out.split())
