"""What a plan foretells of a run from tasks that are shorter than the run's."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.colours import blobs, write_scene

from landcover.config import load_config
from landcover.scoring import forecast as forecasting
from landcover.scoring.driver import run
from landcover.scoring.forecast import forecast
from landcover.scoring.map_speed import MapSpeed
from landcover.scoring.measurement import Speed
from landcover.scoring.plan import make_source
from landcover.scoring.window import recipe_of

MEASURED = 100_000_000


@pytest.mark.parametrize(("network", "held"), [("tile_model", 0.0), ("pixel_model", 3.5)])
def test_the_memory_of_labels_of_pixels_grows_with_the_tasks_and_their_maps_take_time(
    network: str,
    held: float,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Four tiles of 32 x 32 pixels: one task of the run, and a row of two in each of what is measured.
    told = {
        "source": {"rasters": [str(write_scene(tmp_path / "scene.tif", blobs(1, 64, 64)))]},
        "model": str(request.getfixturevalue(network)),
        "backend": {"name": "local", "workers": 3},
        "output": str(tmp_path / "run"),
    }
    # Of a run that was stopped, though after its last task, nothing says how long it took.
    said = {"status": "failed", "workers": ["host:1"], "peak_memory": MEASURED}
    maps = MapSpeed(2.0, 1000.0, 1) if held else None
    measured = forecasting._Measured(Speed(0.5, 10.0), said, maps)
    monkeypatch.setattr(forecasting, "_as_workers_begin", lambda *_: measured)
    monkeypatch.setattr(forecasting, "_tasks", lambda *_: (2, 4, 3))
    config = load_config(told)
    recipe = recipe_of(config, here=True)
    found = forecast(told, {}, config, recipe, make_source(config.source, recipe), 1.0)
    assert found.figures.peak_memory == MEASURED + 3 * held * 2 * 32 * 32
    mapped = 2.0 + 64 * 64 / 1000 if held else 0.0
    assert found.figures.seconds == pytest.approx(0.5 + 4 / 10 + mapped, abs=2.0)


def test_tasks_are_foretold_as_the_run_has_them(tmp_path: Path, pixel_model: Path) -> None:
    told = {
        "source": {"rasters": [str(write_scene(tmp_path / "scene.tif", blobs(1, 150, 200)))]},
        "model": str(pixel_model),
        "output": str(tmp_path / "run"),
    }
    config = load_config(told)
    recipe = recipe_of(config, here=True)
    source = make_source(config.source, recipe)
    short, each, at_once = forecasting._tasks(config, recipe, source.count(), 1.0)
    done = run(config).summary
    assert (each, at_once) == (done["plan"]["task_tiles"], 2)
    assert 1 <= short <= each
