"""``landcover plan``: what a run would take, and what it took, beside one another."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from support.colours import blobs
from support.rasters import write

from landcover.cli.main import main


@pytest.fixture
def config(folder: Path) -> Path:
    """A configuration of two scenes, with what workers take."""
    path = folder / "config.yaml"
    for name in ("one", "two"):
        write(folder / f"{name}.tif", blobs(1, 128, 160))
    wanted = {
        "source": {"rasters": ["one.tif", "two.tif"]},
        "model": "colours.onnx",
        "output": "run",
        "plan": {"price": 0.36, "currency": "EUR", "watts": 100},
    }
    path.write_text(yaml.safe_dump(wanted))
    return path


def said(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    out, err = capfd.readouterr()
    assert ended.value.code == 0, err
    return out


def test_a_plan_foretells_what_the_run_then_tells_beside_it(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = config.parent / "run"
    values = json.loads(said(capfd, "plan", str(config), "--json", "--seconds", "1"))
    assert not output.exists()
    planned = values["planned"]
    assert (values["inputs"], values["tiles"], "run" in values) == (2, 40, False)
    sizes = (config.parent.joinpath(f"{name}.tif").stat().st_size for name in ("one", "two"))
    assert planned["bytes"] == sum(sizes)
    hours = planned["seconds"] * planned["workers"] / 3600
    assert planned["cost"] == pytest.approx(0.36 * hours, abs=1e-6)
    assert planned["kwh"] == pytest.approx(0.1 * hours, abs=1e-6)
    assert planned["peak_memory"] > 50e6
    lines = said(capfd, "plan", str(config), "--seconds", "1").splitlines()
    assert "plan     40 tiles of 2 scenes in about" in "\n".join(lines)
    assert "priced   0.36 EUR an hour and worker (plan.price)" in lines

    closing = said(capfd, "score", str(config), "--quiet")
    assert re.search(r"time +0:\d\d:\d\d \(planned\), 0:\d\d:\d\d \(run\)", closing)
    assert re.search(r"cost +\S+ EUR \(planned\), \S+ EUR \(run\)", closing)
    told = json.loads((output / "run.json").read_text())
    assert told["planned"]["bytes"] == planned["bytes"]
    assert told["figures"]["seconds"] == told["seconds"]
    assert told["figures"]["peak_memory"] == told["peak_memory"]
    again = json.loads(said(capfd, "plan", str(config), "--json", "--seconds", "1"))
    assert again["run"] == told["figures"]


def test_a_run_that_nobody_planned_tells_no_plan(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = ("--set", "plan.price=1", "--set", "model.batch=3")
    closing = said(capfd, "score", str(config), "--quiet", *told)
    assert re.search(r"^cost +[\d.e-]+ EUR \(run\)$", closing, re.MULTILINE)
    assert "(planned)" not in closing
