"""Maps and scores of several runs on one grid, as a report shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
from rasterio.transform import from_origin
from support.finished import pixel_run, tile_run

from landcover.analysis.points import classes_at
from landcover.classes import scheme
from landcover.errors import OutputError
from landcover.report.frame import NODES, aspect_of, frame_of, places_on
from landcover.report.views import classes_on, scores_on
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import MapGrid

UTM = "EPSG:26914"
NLCD6 = scheme("nlcd6")


def _centres(frame: MapGrid) -> tuple[np.ndarray, np.ndarray]:
    cols, rows = np.meshgrid(np.arange(frame.width) + 0.5, np.arange(frame.height) + 0.5)
    x, y = frame.position(cols.ravel(), rows.ravel())  # type: ignore[arg-type]
    return np.asarray(x), np.asarray(y)


def test_runs_with_other_grids_and_resolutions_lie_on_the_same_ground(
    hostile_run: RunDirectory, later_run: RunDirectory
) -> None:
    runs = [hostile_run, later_run]
    frame = frame_of(runs, 10**6)
    assert abs(frame.transform[0]) == pytest.approx(20)
    assert frame.bounds == pytest.approx((5e5, 4.5e6 - 640, 5e5 + 840, 4.5e6))
    for run in runs:
        wanted = classes_at(run, *_centres(frame), frame.crs)
        assert np.array_equal(classes_on(run, frame).ravel(), wanted)


def test_a_map_that_is_small_enough_is_shown_pixel_for_pixel(later_run: RunDirectory) -> None:
    frame = frame_of([later_run], 10**6)
    assert (frame.width, frame.height) == (40, 30)
    assert frame.transform == pytest.approx((20, 0, 5e5 + 25, 0, -20, 4.5e6 - 25))


def test_a_map_in_another_crs_is_laid_on_that_of_the_first(
    later_run: RunDirectory, tmp_path: Path
) -> None:
    to_degrees = pyproj.Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    west, north = to_degrees.transform(5e5 - 200, 4.5e6 + 200)
    codes = np.full((60, 60), 70, np.uint8)
    codes[30:] = 30
    other = pixel_run(
        tmp_path / "degrees",
        NLCD6,
        [(codes, "EPSG:4326", tuple(from_origin(west, north, 2e-4, 2e-4))[:6])],
    )
    frame = frame_of([later_run, other], 10**6)
    assert frame.crs == UTM
    wanted = classes_at(other, *_centres(frame), frame.crs)
    assert (classes_on(other, frame).ravel() == wanted).mean() > 0.99


def test_a_large_map_is_reduced_to_the_pixels_that_are_allowed(tmp_path: Path) -> None:
    codes = np.full((700, 1100), 40, np.uint8)
    codes[:, 550:] = 80
    placed = tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]
    run = pixel_run(tmp_path / "run", NLCD6, [(codes, UTM, placed)])
    frame = frame_of([run], 5000)
    assert 4500 < frame.width * frame.height <= 5100
    assert frame.bounds == pytest.approx((5e5, 4.5e6 - 700, 5e5 + 1100, 4.5e6))
    found = classes_on(run, frame)
    assert (found[:, : frame.width // 2 - 1] == 1).all()
    assert (found[:, frame.width // 2 + 1 :] == 3).all()


def test_of_scenes_without_a_common_map_the_first_that_has_a_class_is_shown(tmp_path: Path) -> None:
    first, second = np.full((20, 20), 40, np.uint8), np.full((20, 20), 80, np.uint8)
    first[8:12, 8:12] = 255
    corners = (5e5, 4.5e6), (5e5 + 100, 4.5e6 - 100), (9e5, 4e6)
    scenes = [
        (codes, UTM, tuple(from_origin(*corner, 10, 10))[:6])
        for codes, corner in zip((first, second, first), corners, strict=True)
    ]
    run = pixel_run(tmp_path / "run", NLCD6, scenes)
    assert "far apart" in run.manifest()["note"]
    frame = MapGrid(UTM, (10.0, 0.0, 5e5, 0.0, -10.0, 4.5e6), 30, 30)
    found = classes_on(run, frame)
    wanted = np.full((30, 30), len(NLCD6))
    wanted[10:, 10:] = 3  # cultivated, which shows only where forest has nothing
    wanted[:20, :20] = 1
    wanted[8:12, 8:12] = len(NLCD6)
    wanted[10:12, 10:12] = 3
    assert np.array_equal(found, wanted)
    assert np.array_equal(found.ravel(), classes_at(run, *_centres(frame), UTM))


def test_scores_lie_where_their_tiles_do(
    hostile_run: RunDirectory, later_run: RunDirectory
) -> None:
    alone = frame_of([hostile_run], 10**6)
    found = scores_on(hostile_run, alone)
    assert found is not None
    assert np.allclose(found, np.linspace(0.5, 1, 48).reshape(6, 8))
    frame = frame_of([hostile_run, later_run], 10**6)
    found = scores_on(hostile_run, frame)
    assert found is not None
    known = classes_on(hostile_run, frame) < 3
    assert np.array_equal(np.isfinite(found), known)
    assert found[0, 0] == pytest.approx(0.5) and np.nanmax(found) == pytest.approx(1)


def test_a_pixel_that_stands_for_several_tiles_has_their_mean_score(tmp_path: Path) -> None:
    scores = np.zeros((40, 40), np.float32)
    scores[:, ::2] = 1
    placed = tuple(from_origin(5e5, 4.5e6, 1, 1))[:6]
    run = tile_run(tmp_path / "run", NLCD6, np.full((40, 40), 40), UTM, placed, 10, scores=scores)
    found = scores_on(run, frame_of([run], 100))
    assert found is not None and found.shape == (10, 10)
    assert np.allclose(found, 0.5)


def test_places_of_a_frame_are_those_of_the_earth(later_run: RunDirectory) -> None:
    places = places_on(frame_of([later_run], 10**6))
    assert places is not None and len(places) == NODES**2
    to_map = pyproj.Transformer.from_crs("EPSG:4326", UTM, always_xy=True)
    assert to_map.transform(*places[0]) == pytest.approx((5e5 + 25, 4.5e6 - 25), abs=0.1)
    assert to_map.transform(*places[-1]) == pytest.approx((5e5 + 825, 4.5e6 - 625), abs=0.1)


def test_shapes_in_degrees_are_drawn_as_they_are_on_the_ground() -> None:
    placed = (0.01, 0.0, 10.0, 0.0, -0.01, 60.5)
    assert aspect_of(MapGrid("EPSG:4326", placed, 100, 100)) == pytest.approx(2, rel=0.01)
    assert aspect_of(MapGrid(UTM, (1.0, 0.0, 5e5, 0.0, -1.0, 4e6), 10, 10)) == 1


def test_maps_that_no_crs_has_in_common_are_refused(
    later_run: RunDirectory, tmp_path: Path
) -> None:
    local = 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    codes = np.full((4, 4), 40, np.uint8)
    run = pixel_run(tmp_path / "site", NLCD6, [(codes, local, (1, 0, 0, 0, -1, 4))])
    with pytest.raises(OutputError, match="no place in the CRS of the first run"):
        frame_of([later_run, run], 100)
