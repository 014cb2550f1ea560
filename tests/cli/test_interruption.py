"""Ctrl-C and SIGTERM: wherever a run is, also in reads that never return, it ends and can be gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support.colours import write_scene
from support.web import serving

import landcover
from landcover.backends.local import LocalBackend
from landcover.cli.signals import GOES_ON, interruptible
from landcover.scoring.worker import Job

COMMAND = [sys.executable, "-m", "landcover.cli.main", "score"]
_TWICE = """
import signal
from landcover.cli.signals import GOES_ON, interruptible

with interruptible(GOES_ON):
    try:
        print("ready", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        print("once", flush=True)
        while True:
            signal.pause()
"""

_NESTED = """
import signal
from landcover.cli.signals import GOES_ON, interruptible

with interruptible():
    try:
        with interruptible(GOES_ON):
            print("ready", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("once", flush=True)
        while True:
            signal.pause()
"""
_ENDING = """
import atexit, signal, sys
from landcover.cli.main import main

@atexit.register
def late():
    print("ready", flush=True)
    while True:
        signal.pause()

sys.argv[0] = "landcover"
main()
"""


def test_a_read_that_hangs_does_not_keep_a_run_from_ending(folder: Path) -> None:
    web = folder / "web"
    web.mkdir()
    noise = np.random.default_rng(1).integers(1, 255, (3, 320, 640), np.uint8)
    write_scene(web / "scene.tif", noise)
    environment = {**os.environ, "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http://127.0.0.1"}
    with serving(web) as server:
        config = {
            "source": {"rasters": [f"{server.url}/scene.tif"], "task": 1},
            "model": "colours.onnx",
            "output": "run",
        }
        (folder / "hanging.yaml").write_text(yaml.safe_dump(config))
        command = [*COMMAND, str(folder / "hanging.yaml"), "--quiet"]
        pipe: dict[str, Any] = {"stderr": subprocess.PIPE, "text": True, "env": environment}
        with subprocess.Popen(command, **pipe) as process:
            while not [*(folder / "run").glob("tiles/part-*")]:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.01)
            server.fails("scene.tif", kind="stall")
            while not any(line.endswith("stall") for line in server.requests()):
                assert process.poll() is None, "it ended before anything hung"
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert said.splitlines()[-1] == "interrupted: the same command goes on where this run stopped"
    assert json.loads((folder / "run" / "run.json").read_text())["status"] == "interrupted"


@pytest.mark.parametrize("script", [_TWICE, _NESTED])
def test_a_second_signal_ends_the_process_at_once(script: str) -> None:
    pipe: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], **pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "once\n"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert (process.returncode, said.count("the same command goes on")) == (1, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_other_code_does_at_signals_is_as_before_after_the_first_one(number: int) -> None:
    """As in a notebook, which lives on."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    for within in (nullcontext, partial(interruptible, GOES_ON)):
        with pytest.raises(KeyboardInterrupt), interruptible(), within():
            signal.raise_signal(number)
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("nothing", 2)])
def test_a_signal_after_the_last_word_changes_nothing_of_how_a_command_ends(
    number: int, argument: str, code: int
) -> None:
    """Libraries may take seconds to end."""
    pipe: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", _ENDING, argument], **pipe) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "ready\n":
            assert process.poll() is None
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert "Traceback" not in said


def test_a_run_that_is_interrupted_while_its_maps_are_made_says_so(folder: Path) -> None:
    class Interrupted(LocalBackend):
        """Ctrl-C comes with the first thing that is no task."""

        def map(self, function: Any, items: Any) -> Any:
            if not isinstance(function, Job):
                signal.raise_signal(signal.SIGINT)
            return super().map(function, items)

    told = {
        "rasters": str(folder / "scene.tif"),
        "model": folder / "colours.onnx",
        "output": folder / "maps",
    }
    with pytest.raises(KeyboardInterrupt):
        landcover.score(**told, backend=Interrupted())
    assert landcover.open_run(folder / "maps").summary["status"] == "interrupted"
    assert landcover.score(**told).summary["status"] == "done"
