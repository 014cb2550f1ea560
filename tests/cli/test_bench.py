from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from support.networks import onnx_tile
from support.rasters import imagery, write

from landcover.cli.main import main

# Tasks of this network would take a whole turn.
SMALL = ("--set", "source.task=45")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A scene of 30 x 30 tiles of 16 pixels, and a small network."""
    write(tmp_path / "scene.tif", imagery(3, 480, 480))
    onnx_tile(tmp_path / "network.onnx")
    path = tmp_path / "county.yaml"
    model = {"path": "network.onnx", "scale": 1 / 255}
    values = {"source": {"rasters": "scene.tif"}, "model": model, "output": "run"}
    path.write_text(yaml.safe_dump(values))
    return path


def _bench(config: Path, *arguments: str) -> object:
    output = str(config.with_name("found"))
    with pytest.raises(SystemExit) as end:
        main(["bench", str(config), "--output", output, *arguments])
    return end.value.code


def test_bench_runs_every_way_that_can_run_and_recommends_one(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ("--backends", "local", "--runtimes", "onnxruntime,cntk", "--seconds", "60", *SMALL)
    assert _bench(config, *told, "--workers", "1", "--rounds", "1") == 0
    shown = capsys.readouterr()
    said = shown.out
    assert shown.err.count("running") == 1, "what cannot run is told, not tried"
    found = json.loads((config.parent / "found" / "bench.json").read_text())
    ran = [row for row in found["rows"] if row["reason"] is None]
    assert [(row["backend"], row["precision"], row["workers"]) for row in ran] == [
        ("local", "f32", 1)
    ]
    assert ran[0]["rounds"] == 1 and ran[0]["steady_seconds"] > 0
    assert ran[0]["agreement"] == 1.0
    assert ran[0]["tiles_per_second"] > 0 and ran[0]["startup_seconds"] > 0
    assert set(ran[0]["stages_ms_per_tile"]) == {"read", "decode", "wait", "infer", "write"}
    assert "cntk in f32 on local" in said
    assert "computes in f32, not in bf16" in said
    assert "take onnxruntime in f32 on local, 1 worker:" in said
    assert "county.yaml has too few tiles for 60 s a turn" in said
    assert (config.parent / "found" / "bench.png").stat().st_size > 1000
    assert not (config.parent / "run").exists(), "nothing is written where the config says"


@pytest.mark.skipif(find_spec("openvino") is None, reason="needs the extra 'openvino'")
def test_bench_says_how_well_labels_of_another_precision_agree(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ("--backends", "local", "--runtimes", "openvino", "--seconds", "0.4", *SMALL)
    assert _bench(config, *told, "--rounds", "1") == 0
    rows = json.loads((config.parent / "found" / "bench.json").read_text())["rows"]
    by_precision = {row["precision"]: row for row in rows}
    assert by_precision["f32"]["agreement"] == 1.0
    faster = by_precision["bf16"]
    assert faster["reason"] or 0.5 < faster["agreement"] <= 1.0


def test_bench_ends_with_1_where_no_way_can_run(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ("--backends", "local", "--runtimes", "cntk", "--precisions", "f32")
    assert _bench(config, *told) == 1
    assert "no combination can run here" in capsys.readouterr().out


@pytest.mark.parametrize("there", ["", "found/bench.json/x", "found/bench.png/x"])
def test_bench_says_that_it_cannot_write_before_anything_runs(
    config: Path, capsys: pytest.CaptureFixture[str], there: str
) -> None:
    found = config.with_name("found")
    if there:
        (config.parent / there).mkdir(parents=True)
    else:
        found.write_text("")
    assert _bench(config, "--runtimes", "onnxruntime") == 1
    told = capsys.readouterr()
    assert not told.out and "running" not in told.err
    assert str(found) in told.err and len(told.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "words", "said"),
    [
        ("--precisions", "f32,f8", "'f8' is none of f32, bf16, f16, i8"),
        ("--backends", "sprak", "'sprak' is none of dask, local, spark"),
        ("--runtimes", "onxruntime", "'onxruntime' is none of "),
    ],
)
def test_an_unknown_word_is_refused_in_one_line_before_anything_runs(
    config: Path, capsys: pytest.CaptureFixture[str], option: str, words: str, said: str
) -> None:
    assert _bench(config, option, words) == 2
    told = capsys.readouterr().err.strip()
    assert f"{option}: {said}" in told and "\n" not in told


def test_where_turns_overlap_nothing_is_recommended(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same way twice."""
    told = ("--backends", "local,local", "--runtimes", "onnxruntime", "--precisions", "f32")
    more = ("--seconds", "0.2", "--rounds", "2", "--workers", "1,2", *SMALL)
    assert _bench(config, *told, *more) == 0
    said = capsys.readouterr().out
    assert "it is not clear which is the fastest" in said
    assert "take onnxruntime" not in said


def test_no_turn_begins_after_the_minutes(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = ("--backends", "local", "--runtimes", "onnxruntime", "--precisions", "f32")
    more = ("--seconds", "0.2", "--minutes", "0.0001", "--workers", "1,2", *SMALL)
    assert _bench(config, *told, *more) == 0
    said = capsys.readouterr().out
    assert "time was over before its turn: onnxruntime in f32 on local, 2 workers" in said
    assert "it is not clear which is the fastest" in said
