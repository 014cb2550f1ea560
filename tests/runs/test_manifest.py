"""A ``run.json`` may come from anyone: what is not what landcover writes is one sentence."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from landcover.analysis.imagery import scenes_of
from landcover.errors import OutputError
from landcover.runs.directory import RunDirectory

CLASSES = {"name": "own", "classes": [{"code": 0, "name": "water", "color": "#466b9f"}]}


def _opened(folder: Path, **said: Any) -> dict[str, Any]:
    (folder / "run.json").write_text(json.dumps({"classes": CLASSES, **said}))
    return RunDirectory.open(str(folder)).manifest()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("status", []),
        ("files", None),
        ("files", ["../map.tif"]),
        ("files", ["/etc/passwd"]),
        ("files", ["http://host/map.tif"]),
        ("files", ["map\x1b[2J.tif"]),
        ("dates", {"2016": ["../map.tif"]}),
        ("dates", "2016"),
        ("config", []),
        ("config", {"source": {"rasters": 1}}),
        ("tiles", {"planned": -1, "scored": 0, "quarantined": 0, "skipped": 0}),
        ("tiles", {"planned": "1"}),
        ("seconds", "long"),
        ("tiles_per_second", float("nan")),
        ("retryable", True),
        ("plan", {"tiles": 1, "task_tiles": 10**30}),
        ("model", "x"),
        ("accuracy", {}),
        ("accuracy", {"text": "a\x1b[2J"}),
        ("note", "a\u202e"),
        ("advice", "a\x07"),
        ("smoothed", {"from": []}),
    ],
)
def test_a_value_that_landcover_does_not_write_is_named(
    key: str, value: Any, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match=rf"run\.json: cannot be read: .*{key}") as caught:
        _opened(tmp_path, **{key: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{", "[]", "", '{"classes": ' + "1" * 10_000 + "}"]
)
def test_what_is_no_mapping_in_json_is_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(OutputError, match=r"run\.json"):
        RunDirectory.open(str(tmp_path))


@pytest.mark.parametrize("code", [0.02, True, "0"])
def test_codes_that_are_no_whole_numbers_are_no_classes(code: Any, tmp_path: Path) -> None:
    classes = {**CLASSES, "classes": [{"code": code, "name": "water", "color": "#466b9f"}]}
    with pytest.raises(OutputError, match=r"run\.json.*its classes cannot be read.*whole number"):
        _opened(tmp_path, classes=classes)


def test_keys_that_nothing_reads_stay(tmp_path: Path) -> None:
    assert _opened(tmp_path, status="done", theirs=[1, None])["theirs"] == [1, None]


def test_a_run_json_of_no_end_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "run.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OutputError, match=r"run\.json.* more than the 16,000,000"):
        RunDirectory.open(str(tmp_path))


@pytest.mark.parametrize("chain", [["run", "run"], ["run", "other", "run"], ["a", "b", "c", "b"]])
def test_a_run_that_was_made_of_itself_has_no_scenes(
    chain: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for own, other in pairwise(chain):
        (tmp_path / own).mkdir()
        _opened(tmp_path / own, smoothed={"from": other})
    with pytest.raises(OutputError, match="was made of itself"):
        scenes_of(RunDirectory.open(chain[0]))
