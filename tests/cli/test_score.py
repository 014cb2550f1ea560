"""The real command: what it says, what it survives, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml
from PIL import Image
from support.colours import SIDECAR, blobs, write_scene

import landcover
from landcover.runs.parts import remove_part

Score = Callable[..., Any]
COMMAND = [sys.executable, "-m", "landcover.cli.main", "score"]
# 10 rows and 20 columns of tiles, each a task.
MANY = {"rasters": ["scene.tif"], "task": 1}
PROGRESS = re.compile(r"[\d,]+ of [\d,]+ tiles, (starting|[\d.,]+ tiles/s)(, [\d:]+ left)?")


@pytest.fixture
def images(folder: Path) -> dict[str, Any]:
    """40 labelled PNG files, of which one is cut off and one is empty."""
    for number in range(40):
        path = folder / "labelled" / ("water" if number % 2 else "town") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.moveaxis(blobs(number, 32, 32), 0, -1)).save(path)
    torn = folder / "labelled" / "water" / "07.png"
    torn.write_bytes(torn.read_bytes()[:80])
    (folder / "labelled" / "town" / "08.png").write_bytes(b"")
    return {"images": "labelled", "labels": "parent"}


def test_it_says_how_many_tiles_were_scored_and_where_the_results_lie(
    folder: Path, score: Score
) -> None:
    said = score()
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("50 tiles scored in ")
    for name in ("map.tif", "map.png"):
        assert f"{folder}/run/{name}\n" in said.out
        assert (folder / "run" / name).is_file()


def test_images_that_are_torn_are_set_aside_and_the_others_scored(
    folder: Path, score: Score, images: dict[str, Any]
) -> None:
    said = score(source=images, failures={"at_most": 0.05})
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("38 tiles scored, 2 quarantined in ")
    assert "overall accuracy" in said.out
    failures = landcover.open_run(folder / "run").failures()
    assert failures["tile"].tolist() == ["town/08.png", "water/07.png"]
    assert failures["reason"].str.contains("decoded").all() and not failures["retryable"].any()


def test_of_a_run_that_was_gone_on_with_it_says_how_many_tiles_came_before(
    folder: Path, score: Score
) -> None:
    """The time is that of the others, and no time of the whole that a plan could be held against."""
    told = {"rasters": ["scene.tif"], "task": 20}
    assert score(source=told).out.startswith("50 tiles scored in ")
    run = landcover.open_run(folder / "run")
    assert "earlier_tiles" not in run.summary
    remove_part(run.directory, 1)
    said = score(source=told)
    assert said.out.startswith("50 tiles scored; 15 tiles of them in ")
    assert ", the others before\n" in said.out
    assert landcover.open_run(folder / "run").summary["earlier_tiles"] == 35


def test_more_torn_images_than_allowed_end_in_an_error_after_all_others_are_scored(
    folder: Path, score: Score, images: dict[str, Any]
) -> None:
    said = score(source=images)
    assert said.code == 1
    assert said.out.startswith("38 tiles scored, 2 quarantined in ")
    assert said.err.count("\n") == 1
    assert "2 of 40 tiles failed, more than the 1.0% that 'failures'" in said.err
    assert f"{folder}/run/quarantine" in said.err


def test_with_the_policy_fail_a_torn_image_ends_the_run(
    folder: Path, score: Score, images: dict[str, Any]
) -> None:
    said = score(source=images, failures={"policy": "fail"})
    assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
    assert "tiles failed, more than the 0.0%" in said.err
    assert landcover.open_run(folder / "run").summary["status"] == "failed"


@pytest.mark.parametrize("backend", ["local", "dask", "spark"])
def test_nothing_but_its_own_words_reaches_the_terminal(
    backend: str, folder: Path, require_backend: Callable[[str], None]
) -> None:
    if backend != "local":
        require_backend(backend)
    scene = folder / "scene.tif"
    content = bytearray(scene.read_bytes())
    content[3000:6000] = bytes(3000)  # what GDAL and libtiff complain about, each in its way
    scene.write_bytes(content)
    sections = {"backend": {"name": backend, "workers": 2}, "failures": {"at_most": 1}}
    done = subprocess.run(
        [*COMMAND, str(_config(folder, **sections))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines and all(PROGRESS.fullmatch(line) for line in lines), done.stderr
    assert " quarantined in " in done.stdout


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, colours: Path) -> Path:
    """A run of 200 tasks that nothing interrupts, beside its scene and network."""
    folder = tmp_path_factory.mktemp("whole")
    write_scene(folder / "scene.tif", blobs(3, 320, 640))
    (folder / "colours.onnx").write_bytes(colours.read_bytes())
    (folder / "colours.yaml").write_text(SIDECAR)
    landcover.score(_config(folder, source=MANY))
    return folder


@pytest.mark.parametrize(
    ("backend", "ending"),
    [
        ("local", signal.SIGTERM),
        ("local", signal.SIGKILL),
        ("dask", signal.SIGINT),
        ("dask", signal.SIGKILL),
    ],
)
def test_a_run_that_is_stopped_goes_on_to_the_same_bytes(
    backend: str,
    ending: signal.Signals,
    whole: Path,
    tmp_path: Path,
    require_backend: Callable[[str], None],
) -> None:
    if backend != "local":
        require_backend(backend)
    torn = tmp_path / "torn"
    command = [*COMMAND, str(whole / "config.yaml"), "--backend", backend, "--output", str(torn)]
    command += ["--set", "backend.workers=2"]
    code, said = _stopped_half_way(command, ending, torn)
    if ending != signal.SIGKILL:
        assert code == 1
        last = said.splitlines()[-1]
        assert last == "interrupted: the same command goes on where this run stopped"
        assert "Traceback" not in said
        assert json.loads((torn / "run.json").read_text())["status"] == "interrupted"
    kept = {part: part.stat().st_mtime_ns for part in (torn / "tiles").glob("part-*.parquet")}
    assert 10 <= len(kept) < 200
    subprocess.run([*command, "--quiet"], check=True, capture_output=True)
    assert all(part.stat().st_mtime_ns == written for part, written in kept.items())
    assert _files(torn) == _files(whole / "run")


def _stopped_half_way(command: list[str], ending: signal.Signals, run: Path) -> tuple[int, str]:
    """Start a command and stop it like Ctrl-C does, with all it started, once parts are there.

    Returns:
        its exit code and what it said.
    """
    pipe = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipe) as process:
        while len([*run.glob("tiles/part-*")]) < 10:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        started = psutil.Process(process.pid).children(recursive=True)
        if ending == signal.SIGINT:
            os.killpg(process.pid, ending)  # a terminal tells all processes in the foreground
        else:
            process.send_signal(ending)
        said = process.communicate(timeout=60)[1]
    assert not _alive(started), "processes outlive the command"
    return process.returncode, said


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those of the processes that have not ended within some seconds."""
    return psutil.wait_procs(processes, timeout=15)[1]


def _files(run: Path) -> dict[str, bytes]:
    """The content of all files of a run but run.json, which tells times."""
    paths = sorted(path for path in run.rglob("*") if path.is_file() and path.name != "run.json")
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


def _config(folder: Path, **sections: Any) -> Path:
    usual = {"source": {"rasters": ["scene.tif"]}, "model": "colours.onnx", "output": "run"}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**usual, **sections}))
    return path
