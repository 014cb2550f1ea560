"""A finished run that is asked for again, with something else to be written of the same tiles."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.colours import blobs, write_scene

import landcover
from landcover.errors import OutputError, TooManyFailures


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("scenes")
    for number in range(2):
        left = 500_000.0 + 60 * number  # they overlap
        write_scene(folder / f"{number}.tif", blobs(number, 100, 100), left=left)
    return str(folder / "*.tif")


def _files(run: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


# A process that is killed as soon as it has said that its run is done.
_KILLED = """
import os, sys
import landcover
from landcover.runs.directory import RunDirectory

finish = RunDirectory.finish

def finish_and_die(*told):
    finish(*told)
    os._exit(9)

RunDirectory.finish = finish_and_die
landcover.score(rasters=sys.argv[1], model=sys.argv[2], output=sys.argv[3])
"""


def test_a_run_that_was_killed_after_its_last_word_leaves_what_any_other_leaves(
    tile_model: Path, scenes: str, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    landcover.score(rasters=scenes, model=tile_model, output=whole)
    told = [sys.executable, "-c", _KILLED, scenes, str(tile_model), str(killed)]
    assert subprocess.run(told, check=False).returncode == 9
    said = (killed / "run.json").read_bytes()
    assert {*_files(killed)} - {*_files(whole)} == {".lock", ".holder"}
    again = landcover.score(rasters=scenes, model=tile_model, output=killed)
    assert again.summary["status"] == "done"
    assert (killed / "run.json").read_bytes() == said
    assert _files(killed) == _files(whole)


def test_another_form_of_the_map_is_made_of_what_was_scored(
    tile_model: Path, scenes: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a run has it that asked for it from the start; what the work took is still told."""

    def score(name: str, **output: Any) -> landcover.Run:
        overrides = {f"output.{key}": value for key, value in output.items()}
        where = tmp_path / name
        return landcover.score(rasters=scenes, model=tile_model, output=where, overrides=overrides)

    first = score("run")
    plain = _files(tmp_path / "run")
    score("cog", mosaic="cog")
    again = score("run", mosaic="cog")
    assert _files(tmp_path / "run") == _files(tmp_path / "cog") != plain
    assert again.summary["config"]["output"]["mosaic"] == "cog"
    assert "map.tif" in again.summary["files"] and "map.vrt" not in again.summary["files"]
    told = ("status", "tiles", "seconds", "workers", "stages", "model_loads", "started")
    assert {key: again.summary[key] for key in told} == {key: first.summary[key] for key in told}
    assert "its maps are made again" in caplog.text
    before = (tmp_path / "run/run.json").read_bytes()
    score("run", mosaic="cog")
    assert (tmp_path / "run/run.json").read_bytes() == before
    score("run")
    assert _files(tmp_path / "run") == plain
    score("run", imagery=True)
    assert _files(tmp_path / "run")["map.png"] != plain["map.png"]


def test_a_map_that_cannot_be_made_again_is_told_and_made_by_the_next_command(
    tile_model: Path, scenes: str, tmp_path: Path
) -> None:
    told: dict[str, Any] = {"rasters": scenes, "model": tile_model, "output": tmp_path / "run"}
    landcover.score(**told)
    part = tmp_path / "run/tiles/part-000000.parquet"
    whole, column = part.read_bytes(), pq.read_metadata(part).row_group(0).column(2)
    assert column.path_in_schema == "row"
    begin = column.dictionary_page_offset or column.data_page_offset
    end = begin + column.total_compressed_size
    part.write_bytes(whole[:begin] + bytes(end - begin) + whole[end:])
    wanted = {"output.mosaic": "cog"}
    with pytest.raises(OutputError, match=r"part-000000\.parquet"):
        landcover.score(**told, overrides=wanted)
    found = json.loads((tmp_path / "run/run.json").read_text())
    assert found["status"] == "failed" and "part-000000.parquet" in found["reason"]
    part.write_bytes(whole)
    again = landcover.score(**told, overrides=wanted)
    assert again.summary["status"] == "done" and "map.tif" in again.summary["files"]
    assert "reason" not in again.summary


@pytest.mark.parametrize("first", [False, True])
def test_tables_without_probabilities_are_not_those_of_a_run_that_asks_for_them(
    tile_model: Path, scenes: str, tmp_path: Path, first: bool
) -> None:
    told: dict[str, Any] = {"rasters": scenes, "model": tile_model, "output": tmp_path / "run"}
    run = landcover.score(**told, overrides={"output.probabilities": first})
    assert ("probabilities" in run.tiles().columns) is first
    with pytest.raises(OutputError, match=r"another probabilities \(probabilities: "):
        landcover.score(**told, overrides={"output.probabilities": not first})


@pytest.mark.parametrize("asked", [("centre", "first"), ("first", "centre")])
def test_a_map_of_another_rule_for_overlaps_is_not_that_of_the_run(
    tile_model: Path, scenes: str, tmp_path: Path, asked: tuple[str, str]
) -> None:
    told: dict[str, Any] = {"rasters": scenes, "model": tile_model, "output": tmp_path / "run"}
    first = landcover.score(**told, overrides={"output.overlap": asked[0]})
    # Runs from before there was a choice are those of the first scene listed, and have no such key.
    assert ("overlap" in first.summary["fingerprint"]) is (asked[0] != "first")
    with pytest.raises(OutputError, match=r"another overlap"):
        landcover.score(**told, overrides={"output.overlap": asked[1]})


def test_a_run_whose_failures_were_allowed_is_not_done_where_none_is(
    tile_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in "abc":
        pixels = blobs(ord(name), 32, 32).transpose(1, 2, 0)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:100])
    told: dict[str, Any] = {"images": str(folder), "model": tile_model, "output": tmp_path / "run"}
    landcover.score(**told, overrides={"failures.at_most": 0.5})
    with pytest.raises(TooManyFailures, match=r"1 of 3 tiles failed, more than the 0\.0%"):
        landcover.score(**told, overrides={"failures.policy": "fail", "failures.at_most": 0.5})
