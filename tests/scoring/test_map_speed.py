"""How fast maps are made is told by those of what a stopped run has scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import rasterio
from support.colours import blobs, write_scene

from landcover.backends.local import LocalBackend
from landcover.config import Config, load_config
from landcover.run import Run
from landcover.runs.parts import remove_part
from landcover.scoring import map_speed as mapping
from landcover.scoring.map_speed import MapSpeed, map_speed
from landcover.scoring.measurement import measure
from landcover.scoring.plan import make_source
from landcover.scoring.window import recipe_of
from landcover.tiles.rasters import RasterSource

# Four rows of four tiles of 32 x 32 pixels, a task each row.
EDGE, ROW = 128, 32 * 128


def stopped(folder: Path, model: Path, tasks: int) -> tuple[Config, Run, RasterSource]:
    told: dict[str, Any] = {
        "source": {"rasters": [str(write_scene(folder / "scene.tif", blobs(1, EDGE, EDGE)))]},
        "model": str(model),
    }
    with LocalBackend(workers=1) as pool:
        run = measure(told, folder / "run", 4 * tasks, {"source.task": 4}, pool).run
    for index in range(tasks, 4):  # that had begun when it stopped
        remove_part(run.directory, index)
    config = load_config({**told, "output": str(folder / "run")})
    source = make_source(config.source, recipe_of(config, here=True))
    assert isinstance(source, RasterSource)
    return config, run, source.divided(4)


def seconds(monkeypatch: pytest.MonkeyPatch, *began_and_ended: float) -> None:
    clock = iter(began_and_ended)
    monkeypatch.setattr(mapping.time, "perf_counter", lambda: next(clock))


def test_maps_of_the_first_part_and_of_all_make_a_straight_line(
    tmp_path: Path, pixel_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, run, source = stopped(tmp_path, pixel_model, 3)
    with LocalBackend(workers=1) as pool:
        seconds(monkeypatch, 0.0, 9.0, 10.0, 13.0, 20.0, 25.0)  # a row in 3 s, three in 5 s
        found = map_speed(run.directory, source, pool, config.output)
    assert found == MapSpeed(2.0, ROW, 1)
    with rasterio.open(tmp_path / "run" / "map.tif") as made:
        assert (made.height, made.width) == (96, EDGE)
        assert (made.read(1) != made.nodata).all()


def test_the_map_of_a_single_part_has_no_start_of_its_own(
    tmp_path: Path, pixel_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, run, source = stopped(tmp_path, pixel_model, 1)
    with LocalBackend(workers=1) as pool:
        seconds(monkeypatch, 0.0, 9.0, 10.0, 13.0, 20.0, 22.0)
        found = map_speed(run.directory, source, pool, config.output)
    assert found == MapSpeed(0.0, ROW / 2, 1)


@pytest.mark.parametrize("took", [3.1, 3.0, 2.9])
def test_two_times_that_are_too_near_to_each_other_tell_no_endless_speed(
    tmp_path: Path, pixel_model: Path, monkeypatch: pytest.MonkeyPatch, took: float
) -> None:
    config, run, source = stopped(tmp_path, pixel_model, 3)
    with LocalBackend(workers=1) as pool:
        seconds(monkeypatch, 0.0, 9.0, 10.0, 13.0, 20.0, 20.0 + took)
        found = map_speed(run.directory, source, pool, config.output)
    assert found == MapSpeed(pytest.approx(took / 2), pytest.approx(3 * ROW / (took / 2)), 1)


def test_workers_share_what_has_several_pieces() -> None:
    """A piece has 8,192 pixels a side."""
    speed = MapSpeed(1.0, 1e6, 4)
    assert speed.seconds([(1000, 2000)]) == 1 + 2
    assert speed.seconds([(1000, 2 * 8192)]) == 1 + 8.192
    assert speed.seconds([(1000, 2000)] * 6) == 1 + 3
    assert speed.seconds([(16384, 16384)] * 3) == pytest.approx(1 + 3 * 8.192**2)
