from __future__ import annotations

from pathlib import Path

import pytest

from landcover.config import load_config
from landcover.scoring.measurement import Progress, _task, measure, speed_of


def test_speed_tells_the_start_from_the_steady_state() -> None:
    """Five seconds of start, then ten tiles a second."""
    found = speed_of([Progress(5 + tiles / 10, tiles) for tiles in range(10, 201, 10)])
    assert found.startup == pytest.approx(5)
    assert found.tiles_per_second == pytest.approx(10)


def test_the_first_quarter_of_the_tiles_is_no_part_of_the_steady_state() -> None:
    slow = [Progress(10.0 * tile, tile) for tile in range(1, 6)]
    steady = [Progress(50.0 + step, 5 + 10 * step) for step in range(1, 11)]
    found = speed_of([*slow, *steady])
    assert found.tiles_per_second == pytest.approx(10)
    assert found.startup == pytest.approx(60 - 105 / 10)


def test_speed_is_not_misled_by_results_that_arrive_in_pairs() -> None:
    """Two workers in step: both tasks of a pair arrive at once, 20 tiles a second."""
    events = [Progress(3 + (task // 2 + 1), 10 * (task + 1)) for task in range(32)]
    assert speed_of(events).tiles_per_second == pytest.approx(20, rel=0.05)


def test_speed_of_few_points_counts_the_start_as_part_of_them() -> None:
    assert speed_of([Progress(2.0, 10), Progress(4.0, 20)]) == (0.0, 5.0)


def test_a_run_that_was_faster_at_first_has_no_start_below_nothing() -> None:
    found = speed_of([Progress(1.0 + tiles, 10 + 2 * tiles) for tiles in range(6)])
    assert found == (0.0, pytest.approx(2))


def test_a_measurement_ends_with_the_task_that_reaches_the_tiles(
    tile_model: Path, scene: Path, tmp_path: Path
) -> None:
    config = {"source": {"rasters": str(scene), "task": 5}, "model": {"path": str(tile_model)}}
    whole = {**config, "backend": {"name": "local", "workers": 1}}
    found = measure(whole, tmp_path / "run", tiles=10)
    assert 10 <= found.tiles < 15
    assert found.run.summary["reason"].startswith("stopped after")
    assert found.run.summary["tiles"]["scored"] == found.tiles
    assert len(list((tmp_path / "run" / "tiles").iterdir())) >= 2
    one = measure(whole, tmp_path / "one", tiles=1).tiles
    assert measure(whole, tmp_path / "enough", tiles=one).tiles == one


def test_tasks_of_a_measurement_are_no_shorter_where_there_are_more_cores_than_workers(
    tile_model: Path, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Local works on two tasks at once, whatever cores read and decode for them."""
    monkeypatch.setattr("landcover.scoring.measurement.usable_cpus", lambda: 64)
    told = {"source": {"rasters": str(scene)}, "model": {"path": str(tile_model)}}
    for backend, size in (({}, 100), ({"workers": 4}, 50), ({"name": "dask"}, 4)):
        config = load_config(
            {**told, "backend": {"name": "local", **backend}}, {"output.path": "x"}
        )
        assert _task(config, 1600, None) == size


def test_a_measurement_of_more_tiles_than_there_are_is_a_whole_run(
    tile_model: Path, scene: Path, tmp_path: Path
) -> None:
    config = {"source": {"rasters": str(scene)}, "model": {"path": str(tile_model)}}
    found = measure(config, tmp_path / "run", tiles=10_000)
    assert found.run.summary["status"] == "done"
    assert found.tiles == found.run.summary["tiles"]["planned"] == 35
