"""Every command that takes a run, on directories that are none, not done, or damaged.

Each is refused in one sentence with exit code 1 or 2, and nothing is written: or what is damaged is
not needed, and all is.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from rasterio.transform import from_origin
from support.colours import blobs, write_scene
from support.finished import pixel_run, tile_run

import landcover
from landcover.classes import classes_of, scheme
from landcover.cli import progress
from landcover.cli.main import cli, main
from landcover.runs.claiming import claim
from landcover.runs.storage import LOCK

NLCD6 = scheme("nlcd6")
# {run} is the directory in question, {good} one that is whole, {out} a folder that is empty.
COMMANDS: dict[str, str] = {
    "areas": "areas {run} -o {out}/a.csv --figure {out}/a.png",
    "areas of two": "areas {good} {run} -o {out}/a.csv --figure {out}/a.png",
    "areas by zones": "areas {run} --by {good}/zones.gpkg --json -o {out}/a.csv",
    "accuracy": "accuracy {run} --reference {good}/map.tif --figure {out}/c.png",
    "accuracy by points": "accuracy {run} --reference {good}/sample.gpkg --json",
    "accuracy by a sample": "accuracy {run} --sample {good}/sample.gpkg",
    "sample": "sample {run} -o {out}/points.gpkg --size 100 --minimum 10",
    "smooth": "smooth {run} -o {out}/smooth",
    "smooth by area": "smooth {run} -o {out}/smooth --rule area --minimum-area 5000",
    "smooth by probability": "smooth {run} -o {out}/smooth --rule probability --json",
    "change from": "change {run} {good} -o {out}/change",
    "change to": "change {good} {run} -o {out}/change",
    "report": "report {run} -o {out}/report.html",
    "report of two": "report {good} {run} --date 2010 --date 2016 -o {out}/report.html",
    "report of change": "report {good} --change {run} -o {out}/report.html",
    "vectorize": "vectorize {run} -o {out}/polygons.gpkg",
    "stac": "stac {run} -o {out}/stac",
}
Spoil = Callable[[Path], None]


class Said(NamedTuple):
    code: int
    out: str
    err: str


def _absent(path: Path) -> None:
    shutil.rmtree(path)


def _empty(path: Path) -> None:
    _absent(path)
    path.mkdir()


def _of_somebody(path: Path) -> None:
    _empty(path)
    (path / "notes.txt").write_text("mine")


def _unfinished(path: Path) -> None:
    _absent(path)
    with claim(str(path), {}, NLCD6, {}):
        pass


def _without_its_map(path: Path) -> None:
    _absent(path)
    with claim(str(path), {}, classes_of(["a", "b"]), {"model": {"output": "pixel"}}) as run:
        run.finish({"files": ["map.tif"]})


def _told(text: str) -> Spoil:
    return lambda path: (path / "run.json").write_text(text) and None


def _saying(**values: Any) -> Spoil:
    def spoil(path: Path) -> None:
        file = path / "run.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))

    return spoil


def _cut(share: float) -> Spoil:
    def spoil(path: Path) -> None:
        content = (path / "map.tif").read_bytes()
        (path / "map.tif").write_bytes(content[: int(len(content) * share)])

    return spoil


def _other_raster(**how: Any) -> Spoil:
    def spoil(path: Path) -> None:
        with rasterio.open(path / "map.tif") as file:
            names = ("width", "height", "count", "dtype", "crs", "transform", "nodata")
            profile = {"driver": "GTiff", **{name: file.profile[name] for name in names}, **how}
            codes = np.repeat(file.read(), profile["count"], axis=0)
        (path / "map.tif").unlink()
        with rasterio.open(path / "map.tif", "w", **profile) as file:
            file.write(codes.astype(profile["dtype"]))

    return spoil


def _parts(content: bytes) -> Spoil:
    def spoil(path: Path) -> None:
        for part in (path / "tiles").iterdir():
            part.write_bytes(content)

    return spoil


def _fewer_tables(path: Path) -> None:
    next((path / "tiles").iterdir()).unlink()


def _fewer_rows(path: Path) -> None:
    part = next((path / "tiles").iterdir())
    table = pq.read_table(part)
    pq.write_table(table.slice(1), part)


def _other_table(path: Path) -> None:
    """A table of another run in the place of one of its own."""
    codes = np.full((3, 4), 40, np.uint8)
    placed = tuple(from_origin(6e5, 4.6e6, 1, 1))[:6]
    other = tile_run(path / "other", NLCD6, codes, "EPSG:26918", placed, 10)
    next((path / "tiles").iterdir()).write_bytes(
        Path(other.path, other.part("tiles", 0)).read_bytes()
    )
    shutil.rmtree(path / "other")


SPOILT: dict[str, Spoil] = {
    "absent": _absent,
    "empty": _empty,
    "of somebody": _of_somebody,
    "unfinished": _unfinished,
    "without its map": _without_its_map,
    "run.json torn": _told('{"status": "done", "clas'),
    "run.json a list": _told("[]"),
    "run.json of another program": _told('{"name": "x", "status": "done", "classes": [1, 2]}'),
    "files a number": _saying(files=3),
    "files numbers": _saying(files=[1]),
    "dates a list": _saying(dates=[1]),
    "model a list": _saying(model=[1]),
    "model with nothing in it": _saying(model={"digest": "a"}),
    "tiles a number": _saying(tiles=3),
    "begun never": _saying(started="yesterday"),
    "configuration a word": _saying(config={"source": "x"}),
    "map cut": _cut(0.4),
    "map of nothing": _cut(0),
    "map of numbers": _other_raster(dtype="float32"),
    "map of signed numbers": _other_raster(dtype="int16"),
    "map of colours": _other_raster(count=3),
    "map nowhere": _other_raster(crs=None),
    "tables torn": _parts(b"PAR1"),
    "tables gone": _fewer_tables,
    "tables short": _fewer_rows,
    "tables of another run": _other_table,
    "classes of another scheme": _saying(classes=scheme("nlcd3").to_json()),
    "classes too few": _saying(
        classes={"name": "nlcd6", "classes": NLCD6.to_json()["classes"][3:]}  # without forest
    ),
}
# What these have is not needed by every command.
MAYBE = {"model with nothing in it", *(name for name in SPOILT if "tables" in name)}
MAYBE |= {name for name in SPOILT if "classes" in name}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that labels tiles, beside its imagery."""
    folder = tmp_path_factory.mktemp("good")
    scene = write_scene(folder / "scene.tif", blobs(1, 200, 300))
    codes = np.full((20, 30), 40, np.uint8)
    codes[10:] = 80
    placed = tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]
    scores = np.full(codes.shape, 0.9, np.float32)
    likely = np.full((*codes.shape, len(NLCD6)), 0.02, np.float32)
    for place, code in enumerate(NLCD6.codes):
        likely[codes == code, place] = 0.9
    tiles = (codes, "EPSG:26918", placed, 10, str(scene), scores, likely)
    counted = {"planned": codes.size, "scored": codes.size, "quarantined": 0, "skipped": 0}
    run = landcover.open_run(tile_run(folder / "run", NLCD6, *tiles, tiles=counted).path)
    drawn = run.sample(size=40, fewest=10)
    drawn.assign(reference=drawn["mapped"]).to_file(Path(run.path, "sample.gpkg"))
    zones = geopandas.GeoDataFrame({"name": ["all"]}, geometry=[drawn.union_all().envelope])
    zones.set_crs(drawn.crs).to_file(Path(run.path, "zones.gpkg"))
    return Path(run.path)


@pytest.fixture
def given(
    good: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Said]:
    """Give a command, however slow the machine is."""
    monkeypatch.setattr(progress, "_SECONDS", math.inf)
    (tmp_path / "out").mkdir()

    def give(command: str) -> Said:
        capfd.readouterr()
        places = {"run": tmp_path / "run", "good": good, "out": tmp_path / "out"}
        with pytest.raises(SystemExit) as ended:
            main([part.format(**places) for part in command.split()])
        return Said(int(ended.value.code or 0), *capfd.readouterr())

    return give


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_directory_that_is_no_whole_run_is_refused_in_a_sentence_or_not_needed_whole(
    given: Callable[[str], Said], good: Path, tmp_path: Path, command: str, spoilt: str
) -> None:
    shutil.copytree(good, tmp_path / "run")
    SPOILT[spoilt](tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    said = given(COMMANDS[command])
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert "defect" not in said.err
    if said.code == 0:
        assert spoilt in MAYBE and command != "report of change", said
        assert "classes" not in spoilt
        assert {**after, **before} == after and ("accuracy" in command or after != before)
        return
    assert said.code in (1, 2) and said.out == ""
    assert re.fullmatch(r"landcover: [^\n]+\n", said.err), said.err
    assert after == before and not list((tmp_path / "out").iterdir())


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that labels pixels, whose map lies in many blocks behind a head that is read alone."""
    folder = tmp_path_factory.mktemp("large")
    codes = np.random.default_rng(0).choice(np.array(NLCD6.codes, np.uint8), (1100, 1300))
    placed = tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]
    run = pixel_run(folder / "run", NLCD6, [(codes, "EPSG:26918", placed)])
    drawn = landcover.open_run(run.path).sample(size=40, fewest=5)
    drawn.assign(reference=drawn["mapped"]).to_file(Path(run.path, "sample.gpkg"))
    zones = geopandas.GeoDataFrame({"name": ["all"]}, geometry=[drawn.union_all().envelope])
    zones.set_crs(drawn.crs).to_file(Path(run.path, "zones.gpkg"))
    return Path(run.path)


def _never_copied(path: Path) -> None:
    """The size is right, as of a copy that took all the room first and was ended."""
    content = (path / "map.tif").read_bytes()
    half = len(content) // 2
    (path / "map.tif").write_bytes(content[:half] + bytes(len(content) - half))


# Of a run of tiles, and of a comparison.
OTHERS = {"smooth by probability", "report of change"}


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - OTHERS))
@pytest.mark.parametrize(
    "spoil", [_cut(0.999), _cut(0.5), _never_copied], ids=["end", "half", "zeros"]
)
def test_a_map_of_which_the_head_alone_can_be_read_is_refused(
    given: Callable[[str], Said], large: Path, tmp_path: Path, command: str, spoil: Spoil
) -> None:
    shutil.copytree(large, tmp_path / "run")
    spoil(tmp_path / "run")
    line = COMMANDS[command].replace("{good}", str(large))
    said = given(line)
    assert said.code == 1 and said.out == "", said
    assert re.fullmatch(r"landcover: [^\n]*map\.tif: [^\n]+\n", said.err), said.err
    assert not list((tmp_path / "out").iterdir())


def test_there_is_no_other_command_that_takes_a_run() -> None:
    context = click.Context(cli)
    commands = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    taking = {
        name
        for name, command in commands.items()
        for one in (command.params if command else ())
        if isinstance(one, click.Argument) and one.name in ("run", "runs")
    }
    assert taking == {line.split()[0] for line in COMMANDS.values()}


@pytest.mark.parametrize("spoilt", ["unfinished", "run.json torn", "map cut"])
def test_programs_that_read_json_are_told_the_same(
    given: Callable[[str], Said], good: Path, tmp_path: Path, spoilt: str
) -> None:
    shutil.copytree(good, tmp_path / "run")
    SPOILT[spoilt](tmp_path / "run")
    for line in COMMANDS.values():
        assert given(line if "--json" in line else f"{line} --json") == given(line)


@pytest.mark.parametrize("command", ["accuracy", "sample", "smooth", "vectorize", "stac"])
def test_a_date_that_a_run_does_not_have_is_refused(
    given: Callable[[str], Said], good: Path, tmp_path: Path, command: str
) -> None:
    shutil.copytree(good, tmp_path / "run")
    said = given(f"{COMMANDS[command]} --date 1999-09-09")
    assert said.code == 1 and said.out == "" and "1999-09-09" in said.err
    assert re.fullmatch(r"landcover: [^\n]+\n", said.err), said.err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("file", [".", "/"])
@pytest.mark.parametrize("command", ["areas", "report", "vectorize", "sample"])
def test_what_is_the_name_of_no_file_is_no_place_for_one(
    given: Callable[[str], Said],
    good: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    file: str,
) -> None:
    monkeypatch.chdir(tmp_path / "out")
    said = given(f"{command} {good} --output={file}")
    assert said.code in (1, 2) and said.out == "" and "defect" not in said.err
    assert re.fullmatch(r"landcover[ a-z]*: [^\n]+\n", said.err), said.err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("command", ["smooth", "smooth by area", "change from"])
@pytest.mark.parametrize(
    "there", ["of somebody", "run.json torn", "run.json of another program", "whole"]
)
def test_nothing_is_written_into_a_directory_of_others(
    given: Callable[[str], Said], good: Path, tmp_path: Path, command: str, there: str
) -> None:
    shutil.copytree(good, tmp_path / "run")
    place = tmp_path / "out" / COMMANDS[command].split("{out}/")[1].split()[0]
    shutil.copytree(good, place)
    SPOILT.get(there, lambda path: None)(place)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    said = given(COMMANDS[command])
    assert said.code == 1 and said.out == ""
    assert re.fullmatch(r"landcover: [^\n]+\n", said.err) and "defect" not in said.err, said.err
    after = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert {path: after.get(path) for path in before} == before
    assert {path.name for path in {*after} - {*before}} <= {LOCK}


@pytest.mark.parametrize("damaged", ["change.json", "candidates.parquet", "change.tif"])
def test_a_report_of_a_damaged_comparison_is_refused(
    given: Callable[[str], Said], good: Path, tmp_path: Path, damaged: str
) -> None:
    landcover.change(good, good, output=tmp_path / "run")
    content = (tmp_path / "run" / damaged).read_bytes()
    (tmp_path / "run" / damaged).write_bytes(content[: len(content) // 2])
    said = given(COMMANDS["report of change"])
    assert said.code == 1 and re.fullmatch(r"landcover: [^\n]+\n", said.err), said.err
    assert damaged in said.err and "defect" not in said.err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("command", sorted({line.split()[0] for line in COMMANDS.values()}))
def test_help_says_what_a_run_is_what_comes_out_and_how_programs_read_it(
    given: Callable[[str], Said], command: str
) -> None:
    said = given(f"{command} --help")
    words = " ".join(said.out.split())
    assert said.code == 0 and "--json" in words
    assert "run directory" in words or "run directories" in words
    assert given(f"{command} --no-such-option").code == 2
