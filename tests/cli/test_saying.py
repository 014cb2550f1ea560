"""What commands print, and the numbers that they take."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import landcover.cli
from landcover.cli.bench import bench
from landcover.cli.main import main
from landcover.cli.numbers import Finite
from landcover.cli.saying import say
from landcover.cli.tables import new_table, show
from landcover.local_files import write_whole


def test_what_is_printed_does_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("run\x1b[2J\u202e\udcff.tif")
    say("two\nlines", err=True)
    assert capsys.readouterr() == ("run\\u001b[2J\\u202e\\udcff.tif\n", "two\nlines\n")


def test_a_cell_of_a_table_has_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    table = new_table(("name",), ())
    table.add_row("x" * 8_000_000)
    show(table)
    told = capsys.readouterr().out
    assert told.count("x") == 4_096 and "(7,995,904 more characters)" in told.replace("\n", "")


def test_commands_print_nothing_by_themselves() -> None:
    folder = Path(landcover.cli.__path__[0])
    others = [path for path in folder.glob("*.py") if path.name != "saying.py"]
    assert not [path.name for path in others if "click.echo" in path.read_text()]


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_what_is_no_finite_number_is_none(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a finite number"):
        Finite().convert(text, None, None)
    assert Finite().convert("0.5", None, None) == 0.5


@pytest.mark.parametrize("text", ["1e9", "0", "2,-1", "9" * 5000])
def test_numbers_of_workers_are_whole(text: str) -> None:
    said = CliRunner().invoke(bench, ["config.yaml", "--workers", text])
    assert said.exit_code == 2 and "must be whole numbers with commas" in said.output


def test_a_wrong_argument_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["doctor", "a\nb\x1b[2J"])
    assert capsys.readouterr().err.count("\n") == 1


def test_a_pipe_or_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is no regular file, and is not replaced"):
        write_whole(tmp_path / "pipe", [b"x"])
    assert (tmp_path / "pipe").is_fifo() and len(list(tmp_path.iterdir())) == 1


def test_memory_that_does_not_suffice_is_no_defect(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 3 PiB")

    monkeypatch.setattr("landcover.cli.doctor.say", short)
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said == (
        "landcover: memory does not suffice: Unable to allocate 3 PiB; ask for less, or take a "
        "larger machine\n"
    )
