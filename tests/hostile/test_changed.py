"""Some files of each kind that were changed where it counts end as they should; ``make hostile`` tries thousands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hostile.trying import NEED_TENSORFLOW

_QUICK = ["onnx", "onnx in openvino", "geotiff", "png", "jpeg", "parquet", "run.json"]


@pytest.mark.parametrize(
    ("kinds", "count", "first"),
    [
        (_QUICK, 40, 1_000_000),  # others than those that make hostile begins with
        ([*NEED_TENSORFLOW], 20, 1_000_000),
        (["parquet"], 1, 2747),  # what it says of a list contradicts itself: this ended the process
    ],
)
def test_changed_files_end_in_a_sentence_or_are_used(
    kinds: list[str], count: int, first: int
) -> None:
    tests = str(Path(__file__).parent.parent)
    path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "hostile.trying", *kinds]
    told = subprocess.run(
        [*command, f"--count={count}", f"--first={first}"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count(f"{count} tried, 0 ended badly") == len(kinds)
