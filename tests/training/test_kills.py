"""A training that is killed, as a process, and gone on with."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

pytestmark = pytest.mark.skipif(
    find_spec("keras") is None, reason="training needs the extra 'train'"
)

EPOCHS = 40


def _tiles(home: Path) -> None:
    generator = np.random.default_rng(0)
    for split, count in (("train", 40), ("validation", 10)):
        for name, contrast in (("flat", 8), ("rough", 50)):
            (home / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.normal(120, contrast, (16, 16, 3)).clip(0, 255)
                path = home / split / name / f"{number}.png"
                Image.fromarray(pixels.astype(np.uint8)).save(path)


def _command(home: Path, output: str) -> list[Any]:
    method = {"name": "network", "epochs": EPOCHS, "patience": EPOCHS, "width": 4, "batch": 8}
    config = home / f"{output}.yaml"
    config.write_text(yaml.safe_dump({"data": "tiles", "output": output, "method": method}))
    return [sys.executable, "-m", "landcover.cli.main", "train", config]


def _epochs(line: str) -> bool:
    return " epochs" in line


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.faults)])
def test_a_training_that_is_killed_at_any_moment_costs_an_epoch_and_ends_in_the_same_history(
    tmp_path: Path, kills: int
) -> None:
    _tiles(tmp_path / "tiles")
    subprocess.run(_command(tmp_path, "whole"), capture_output=True, check=True)
    chance, seen = random.Random(kills), 0
    for _ in range(kills):
        process = subprocess.Popen(_command(tmp_path, "out"), stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        lines = filter(_epochs, process.stderr)
        first = next(lines, None)
        if first is None:  # all epochs were done, and only the results were not written
            break
        assert int(first.split()[0]) in (seen + 1, seen + 2)  # the last one was kept, told or not
        with suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        seen = int([first, *lines][-1].split()[0])
        process.wait()
    done = subprocess.run(_command(tmp_path, "out"), capture_output=True, text=True, check=True)
    epochs = [int(line.split()[0]) for line in done.stderr.splitlines() if _epochs(line)]
    assert len(epochs) in (EPOCHS - seen, EPOCHS - seen - 1)
    found, expected = (tmp_path / name / "history.csv" for name in ("out", "whole"))
    assert found.read_bytes() == expected.read_bytes()
    assert not list((tmp_path / "out").glob("checkpoint*"))
