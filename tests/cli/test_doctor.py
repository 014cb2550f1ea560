"""``landcover doctor``: what it advises can be copied, also out of a log."""

from __future__ import annotations

import subprocess
import sys


def test_advice_is_whole_in_one_line_where_there_is_no_terminal() -> None:
    code = (
        "import importlib.util as u; found = u.find_spec; "
        "u.find_spec = lambda name: None if name == 'pyspark' else found(name); "
        "from landcover.cli.main import main; main()"
    )
    command = [sys.executable, "-c", code, "doctor"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    [line] = [line for line in said.splitlines() if line.startswith("backend spark")]
    assert " ".join(line.split()) == (
        "backend spark missing: pip install 'landcover[spark]' a Spark cluster"
    )
    assert "…" not in said
