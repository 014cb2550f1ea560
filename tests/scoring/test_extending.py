"""Runs to which inputs are added, and runs that begin anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.colours import blobs, write_scene

import landcover
from landcover.errors import ConfigError, OutputError
from landcover.runs.claiming import erase


def _files(run: Path) -> dict[str, bytes]:
    paths = sorted(path for path in run.rglob("*") if path.is_file() and path.name != "run.json")
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


def _scenes(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        left = 500_000.0 + 200 * ord(name)
        write_scene(folder / f"{name}.tif", blobs(ord(name), 100, 100), left=left)


@pytest.mark.parametrize("network", ["tile_model", "pixel_model"])
def test_a_run_with_scenes_added_is_that_over_all_and_scores_only_these(
    tmp_path: Path, network: str, request: pytest.FixtureRequest
) -> None:
    told: dict[str, Any] = {
        "rasters": str(tmp_path / "scenes/*.tif"),
        "model": request.getfixturevalue(network),
        "overrides": {"source.task": 5},
    }
    _scenes(tmp_path / "scenes", "b", "d")
    first = landcover.score(**told, output=tmp_path / "run")
    _scenes(tmp_path / "scenes", "a", "c")  # before those that are there, and between them
    with pytest.raises(OutputError, match=r"another imagery, scenes \(scenes: 2 there, 4 here\)"):
        landcover.score(**told, output=tmp_path / "run")
    done: list[int] = []
    extended = landcover.score(
        **told, output=tmp_path / "run", extend=True, progress=lambda tiles: done.append(tiles.done)
    )
    assert extended.summary["tasks"] == first.summary["tasks"] == len(done)
    assert extended.summary["tiles"]["scored"] == 2 * first.summary["tiles"]["scored"]
    landcover.score(**told, output=tmp_path / "whole")
    assert _files(tmp_path / "run") == _files(tmp_path / "whole")
    again = landcover.score(**told, output=tmp_path / "run", extend=True)
    assert again.summary == extended.summary


@pytest.mark.parametrize("names", ["a b c", "a_20160915 b_20160915 c_20180804"])
@pytest.mark.parametrize("left", [1, 2])
def test_of_inputs_that_are_gone_a_run_keeps_nothing(
    tmp_path: Path, tile_model: Path, names: str, left: int
) -> None:
    """Those of the last tasks, whose places no others take."""
    told: dict[str, Any] = {"rasters": str(tmp_path / "*.tif"), "model": tile_model}
    if "_" in names:
        told["overrides"] = {"source.date": "auto"}
    for place, name in enumerate(names.split()):
        write_scene(tmp_path / f"{name}.tif", blobs(place, 100, 100), left=5e5 + 99 * place)
    landcover.score(**told, output=tmp_path / "run")
    for name in names.split()[left:]:
        (tmp_path / f"{name}.tif").unlink()
    summary = landcover.score(**told, output=tmp_path / "run", extend=True).summary
    whole = landcover.score(**told, output=tmp_path / "whole").summary
    assert _files(tmp_path / "run") == _files(tmp_path / "whole")
    assert [summary[key] for key in ("tiles", "files")] == [
        whole[key] for key in ("tiles", "files")
    ]


def test_what_is_no_input_must_stay_as_it_was(tmp_path: Path, tile_model: Path) -> None:
    _scenes(tmp_path / "scenes", "a")
    told = {"rasters": str(tmp_path / "scenes/*.tif"), "model": tile_model}
    landcover.score(**told, output=tmp_path / "run")
    with pytest.raises(
        OutputError, match=r"with another model \(model\.scale: \[0\.02, .* there, \[0\.01"
    ):
        landcover.score(
            **told, output=tmp_path / "run", overrides={"model.scale": 0.01}, extend=True
        )


def test_a_run_that_begins_anew_leaves_nothing_of_the_one_before(
    tmp_path: Path, tile_model: Path
) -> None:
    _scenes(tmp_path / "scenes", "a", "b")
    told = {"model": tile_model, "output": tmp_path / "run"}
    landcover.score(rasters=str(tmp_path / "scenes/*.tif"), **told)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    landcover.score(rasters=str(tmp_path / "scenes/a.tif"), **told, restart=True)
    landcover.score(
        rasters=str(tmp_path / "scenes/a.tif"), model=tile_model, output=tmp_path / "whole"
    )
    assert _files(tmp_path / "run") == {**_files(tmp_path / "whole"), "notes.txt": b"mine"}
    with pytest.raises(ConfigError, match="exclude one another"):
        landcover.score(rasters="a.tif", **told, restart=True, extend=True)


def test_what_is_removed_is_not_chosen_by_who_wrote_the_manifest(
    tmp_path: Path, tile_model: Path
) -> None:
    _scenes(tmp_path / "scenes", "a")
    told = {"rasters": str(tmp_path / "scenes/a.tif"), "model": tile_model}
    run = tmp_path / "run"
    landcover.score(**told, output=run)
    (tmp_path / "map.tif").write_text("mine")
    manifest = json.loads((run / "run.json").read_text())
    files = manifest["files"]
    for name in ("../map.tif", str(tmp_path / "map.tif"), "../scenes/a.tif"):
        (run / "run.json").write_text(json.dumps({**manifest, "files": [*files, name]}))
        with pytest.raises(OutputError, match="is no name of a file in the run's directory"):
            erase(str(run))
        assert (run / "tiles").is_dir() and (tmp_path / "map.tif").read_text() == "mine"
    (run / "run.json").write_text(json.dumps({**manifest, "files": [*files, "notes.txt"]}))
    (run / "notes.txt").write_text("mine")
    erase(str(run))
    assert sorted(path.name for path in run.iterdir()) == ["notes.txt", "run.json"]
