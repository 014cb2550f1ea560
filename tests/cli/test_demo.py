from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from landcover.cli.main import main

pytestmark = pytest.mark.skipif(
    find_spec("keras") is None, reason="the demo needs the extra 'train'"
)


def _demo(*arguments: str) -> object:
    with pytest.raises(SystemExit) as end:
        main(["demo", *arguments])
    return end.value.code


def test_the_demo_maps_a_landscape_and_starts_over_when_it_is_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # as in a shell after make demo
    left = Path("demo", "run", "left.txt")
    left.parent.mkdir(parents=True)
    left.touch()
    Path("demo", "demo.yaml").write_text("of an earlier demo")
    Path("demo", "notes.txt").write_text("mine")
    assert _demo("--size", "768") == 0
    said = capsys.readouterr().out
    accuracy = re.search(r"overall accuracy ([\d.]+)% of (\d+) tiles", said)
    assert accuracy and float(accuracy[1]) > 80, said
    assert 50 < int(accuracy[2]) <= 144
    written = ("demo.yaml", "overview.png", "run/map.tif", "run/map.png", "run/run.json")
    for name in (*written, "run-later/map.tif", "change/candidates.gpkg", "report.html"):
        assert Path("demo", name).is_file(), name
    assert not left.exists() and Path("demo", "notes.txt").read_text() == "mine"
    config = yaml.safe_load(Path("demo", "demo.yaml").read_text())
    assert config["backend"] == "local"
    assert "landcover score demo/demo.yaml --backend dask --output demo/run-dask" in said
    [activate] = re.findall(r"commands: source (\S+)", said)
    assert Path(activate).resolve() == Path(sys.executable).parent.resolve() / "activate"


def test_a_folder_that_holds_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    assert _demo("--folder", str(tmp_path)) == 1
    assert "choose another --folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_the_training_lacks_is_said_before_anything_is_generated(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['tensorflow'] = None; from landcover.cli.main import main; main()"
    )
    command = [sys.executable, "-c", code, "demo", "--folder", str(tmp_path / "demo")]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr == (
        "landcover: training needs tensorflow, which is not installed: "
        "pip install 'landcover[train]'\n"
    )
    assert not list(tmp_path.iterdir())
