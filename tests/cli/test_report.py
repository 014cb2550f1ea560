"""The command ``landcover report``, as a user gives it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support.reported import write_later_run

from landcover.classes import scheme
from landcover.cli.main import main
from landcover.runs.directory import claim


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


@pytest.mark.parametrize("case", ["absent", "foreign", "empty", "unfinished", "damaged", "cut off"])
def test_a_directory_that_is_no_finished_run_is_one_sentence_and_no_file(
    report: Command, tmp_path: Path, case: str
) -> None:
    folder = tmp_path / "run"
    if case != "absent":
        folder.mkdir()
    if case == "foreign":
        (folder / "run.json").write_text('{"name": "an npm package"}')
    if case == "unfinished":
        with claim(str(folder), {}, scheme("nlcd6"), {}):
            pass
    if case == "damaged":
        folder = Path(write_later_run(tmp_path).path)
        whole = (folder / "map.tif").read_bytes()
        (folder / "map.tif").write_bytes(whole[: len(whole) // 3])
    if case == "cut off":
        folder = Path(write_later_run(tmp_path).path)
        (folder / "run.json").write_text((folder / "run.json").read_text()[:80])
    output = tmp_path / "r.html"
    said = report(folder, "-o", output)
    assert said.code == 1 and said.out == ""
    assert said.err.startswith("landcover: ") and said.err.count("\n") == 1, said.err
    assert str(folder) in said.err and "defect of landcover" not in said.err
    assert not output.exists()


def test_wrong_requests_end_with_2(report: Command, tmp_path: Path) -> None:
    run = write_later_run(tmp_path).path
    assert report().code == 2
    said = report(run, "--reference", "a.tif", "--reference", "b.tif", "-o", tmp_path / "r.html")
    assert said.code == 2 and "2 references for 1 runs" in said.err
    said = report(run, "--reference", tmp_path / "absent.tif", "-o", tmp_path / "r.html")
    assert said.code == 2 and said.err.count("\n") == 1
    assert not (tmp_path / "r.html").exists()
