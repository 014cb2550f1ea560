"""A call that writes fails, any of a whole run: the run is right, or says what to do and goes on."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.colours import blobs, write_scene
from support.failing_calls import Commands, compiled

from landcover.runs.storage import HOLDER, LOCK

ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    folder = tmp_path_factory.mktemp("failing-calls")
    found = Commands(compiled(folder), folder)
    yield found
    found.close()


def _content(run: Path) -> dict[str, bytes]:
    """All that a run has written, but for what says when and how fast, and locks that nobody holds."""
    kept = (path for path in run.rglob("*") if path.name not in ("run.json", LOCK, HOLDER))
    files = sorted(path for path in kept if path.is_file())
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def _config(folder: Path, model: Path) -> Path:
    write_scene(folder / "scene.tif", blobs(1, 150, 200))
    path = folder / "run.yaml"
    path.write_text(
        f"source: {{rasters: [scene.tif], task: 12}}\nmodel: {{path: {model}, batch: 8}}\n"
        "output: run\n"
    )
    return path


def _check(
    commands: Commands, config: Path, places: range, calls: int, lasting: bool = False
) -> None:
    run = config.parent / "run"
    whole = _content(run)
    for place in places:
        for error in ERRORS if len(places) == calls else [ERRORS[place % 3]]:
            shutil.rmtree(run)
            what = f"call {place} of {calls}: {os.strerror(error)}"
            ended = commands.run(["score", str(config), "--quiet"], place, error, lasting)
            assert "defect" not in ended.said, f"{what}: {ended.said}"
            assert ended.code in (0, 1), f"{what}: {ended.said}"
            if ended.code:
                assert str(run) in ended.said, f"{what}: {ended.said}"
                again = commands.run(["score", str(config), "--quiet"])
                assert again.code == 0, f"{what}: {again.said}"
            found = json.loads((run / "run.json").read_text())
            assert found["status"] == "done", what
            if "cannot be drawn" in found.get("note", ""):  # a picture is no reason to fail
                whole_but = {name: whole[name] for name in whole if name != "map.png"}
                assert _content(run) == whole_but, what
            else:
                assert _content(run) == whole, what


@pytest.mark.parametrize(("lasting", "tries"), [(False, 8), (True, 5)])
def test_calls_that_write_fail_here_and_there_and_no_run_is_wrong(
    commands: Commands, tmp_path: Path, pixel_model: Path, lasting: bool, tries: int
) -> None:
    config = _config(tmp_path, pixel_model)
    calls = commands.run(["score", str(config), "--quiet"]).calls
    assert calls > 50
    _check(commands, config, range(1, calls + 1, max(2, calls // tries)), calls, lasting)


@pytest.mark.faults
@pytest.mark.timeout(7200)  # some hundred calls, each with three errors
@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("network", ["tile_model", "pixel_model"])
def test_each_call_that_writes_fails_and_no_run_is_wrong(
    commands: Commands, tmp_path: Path, network: str, lasting: bool, request: pytest.FixtureRequest
) -> None:
    config = _config(tmp_path, request.getfixturevalue(network))
    calls = commands.run(["score", str(config), "--quiet"]).calls
    _check(commands, config, range(1, calls + 1), calls, lasting)
