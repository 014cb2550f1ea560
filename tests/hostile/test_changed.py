"""Some files of each kind that were changed where it counts end as they should; ``make hostile`` tries thousands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_QUICK = ["onnx", "onnx in openvino", "geotiff", "png", "jpeg", "run.json"]
# Others than those that make hostile begins with.
_FIRST = 1_000_000
_COUNT = 40


def test_changed_files_end_in_a_sentence_or_are_used() -> None:
    tests = str(Path(__file__).parent.parent)
    path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "hostile.trying", *_QUICK]
    told = subprocess.run(
        [*command, f"--count={_COUNT}", f"--first={_FIRST}"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count(f"{_COUNT} tried, 0 ended badly") == len(_QUICK)
