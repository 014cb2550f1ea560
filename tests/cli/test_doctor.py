"""``landcover doctor``: what it advises can be copied, also out of a log."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from landcover.cli.main import main


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


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 1", "java does not run: apt-get install openjdk-17-jre-headless"),
        ("echo no; exit 0", "java does not run: apt-get install"),
        (
            "echo 'Picked up [/]' >&2; echo 'openjdk version \"17\" [/]' >&2",
            'ok openjdk version "17" [/]',
        ),
    ],
)
def test_a_java_that_is_another_program_is_told_as_what_it_is(
    script: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "[/]"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text(f"#!/bin/sh\n{script}\n")
    (home / "bin" / "java").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAVA_HOME", "[/]")  # a long path would break the lines of the table
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "[/]")
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    told = " ".join(capfd.readouterr().out.split())
    assert not ended.value.code
    assert said in told
    assert "CUDA_VISIBLE_DEVICES is '[/]'" in told
