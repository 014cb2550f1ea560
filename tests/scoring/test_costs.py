"""What a run takes, in money and energy, and what is remembered of a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from landcover.config import PlanSettings, load_config
from landcover.scoring.costs import Figures, remember, remembered


def test_all_workers_are_paid_and_draw_power_for_all_of_the_time() -> None:
    figures = Figures(5400.0, 6, 10**9, 2**40)
    assert figures.told(PlanSettings(price=0.4, currency="EUR", watts=250)) == {
        "seconds": 5400.0,
        "workers": 6,
        "peak_memory": 10**9,
        "bytes": 2**40,
        "cost": 3.6,
        "currency": "EUR",
        "kwh": 2.25,
    }
    assert [*Figures(60.0, 2, 5).told(PlanSettings())] == ["seconds", "workers", "peak_memory"]


def test_a_plan_is_remembered_for_the_run_that_it_is_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDCOVER_CACHE", str(tmp_path / "cache"))
    told = {"source": {"rasters": ["a.tif"]}, "model": "m.onnx", "output": {"path": "run"}}
    planned = {"seconds": 3.0, "workers": 2, "peak_memory": 7}
    config = load_config(told, environment={})
    assert remembered(config) is None
    remember(config, planned)
    assert remembered(load_config(told, environment={})) == planned
    for key, value in (
        ("source.rasters", ["b.tif"]),
        ("model.batch", 3),
        ("backend.workers", 3),
        ("output.path", "other"),
        ("plan.price", 2.0),
    ):
        assert remembered(load_config(told, {key: value}, environment={})) is None, key
    quiet = load_config(told, {"failures.at_most": 0.5}, environment={})
    assert remembered(quiet) == planned
    for damaged in ("[1]", '{"minutes": 3}', "{"):
        (file,) = (tmp_path / "cache").rglob("plans/*.json")
        file.write_text(damaged)
        assert remembered(config) is None
