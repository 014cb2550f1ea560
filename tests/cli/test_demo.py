from __future__ import annotations

import re
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
    left = Path("demo", "run", "left.txt")
    left.parent.mkdir(parents=True)
    left.touch()
    Path("demo", "demo.yaml").write_text("of an earlier demo")
    Path("demo", "notes.txt").write_text("mine")
    assert _demo("--size", "768") == 0
    said = capsys.readouterr().out
    accuracy = re.search(r"overall accuracy ([\d.]+)% of (\d+) tiles", said)
    assert accuracy and float(accuracy[1]) > 80, said
    assert 120 < int(accuracy[2]) <= 144
    for name in ("demo.yaml", "overview.png", "run/map.tif", "run/map.png", "run/run.json"):
        assert Path("demo", name).is_file(), name
    assert not left.exists() and Path("demo", "notes.txt").read_text() == "mine"
    config = yaml.safe_load(Path("demo", "demo.yaml").read_text())
    assert config["backend"] == "local"
    assert "landcover score demo/demo.yaml --backend dask --output demo/run-dask" in said


def test_a_folder_that_holds_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    assert _demo("--folder", str(tmp_path)) == 1
    assert "choose another --folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
