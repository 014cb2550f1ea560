"""Some files of each kind that were changed where it counts end as they should; ``make hostile`` tries thousands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_QUICK = ["onnx", "onnx in openvino", "geotiff", "tiff", "png", "jpeg", "parquet", "run.json"]
_SLOW = ["keras", "savedmodel", "frozen graph"]
# Others than those that make hostile begins with.
_FIRST = 1_000_000
_COUNTS = {40: _QUICK, 8: _SLOW}


@pytest.mark.parametrize("count", _COUNTS)
def test_changed_files_end_in_a_sentence_or_are_used(count: int) -> None:
    tests = str(Path(__file__).parent.parent)
    path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "hostile.trying", *_COUNTS[count]]
    told = subprocess.run(
        [*command, f"--count={count}", f"--first={_FIRST}"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count(f"{count} tried, 0 ended badly") == len(_COUNTS[count])
