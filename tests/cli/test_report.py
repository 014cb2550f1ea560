"""The command ``landcover report``, as a user gives it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support.reported import write_later_run

from landcover.cli.main import main


class Said(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def report(capfd: pytest.CaptureFixture[str]) -> Command:
    """Give the command, and return its exit code and what it says."""

    def run(*arguments: object) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["report", *map(str, arguments)])
        return Said(int(ended.value.code or 0), *capfd.readouterr())

    return run


def test_the_file_is_named_and_weighed(report: Command, tmp_path: Path) -> None:
    run, output = write_later_run(tmp_path).path, tmp_path / "r.html"
    said = report(run, "-o", output)
    assert (said.code, said.out, said.err) == (0, f"{output} (0.0 MB)\n", "")
    found = json.loads(report(run, run, "-o", output, "--json").out)
    assert found == {"report": str(output), "bytes": output.stat().st_size}
    assert output.read_text().startswith("<!DOCTYPE html>")


def test_wrong_requests_end_with_2(report: Command, tmp_path: Path) -> None:
    run = write_later_run(tmp_path).path
    assert report().code == 2
    said = report(run, "--reference", "a.tif", "--reference", "b.tif", "-o", tmp_path / "r.html")
    assert said.code == 2 and "2 references for 1 runs" in said.err
    said = report(run, "--reference", tmp_path / "absent.tif", "-o", tmp_path / "r.html")
    assert said.code == 2 and said.err.count("\n") == 1
    assert not (tmp_path / "r.html").exists()
