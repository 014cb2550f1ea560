"""Tiles and pixels in a region, against every tile and every pixel centre asked for by itself."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin
from support.rasters import imagery, write
from support.vectors import write_vectors

from landcover.errors import SourceError
from landcover.tiles.rasters import RasterSource, RasterTask
from landcover.tiles.regions import Region, RegionAt, read_region

UTM, ALBERS, DEGREES = "EPSG:26914", "EPSG:5070", "EPSG:4326"
WEST, NORTH = 500000.0, 4000000.0  # of what support.rasters writes


def star(x: float, y: float, radius: float, seed: int, crs: str) -> Region:
    """A ragged polygon with a hole around a place in UTM, in another CRS, and a far one beside it."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    reach = radius * rng.uniform(0.4, 1.0, 9)
    outer = np.column_stack([x + reach * np.cos(angles), y + reach * np.sin(angles)])
    inner = np.column_stack([x + reach / 4 * np.cos(angles), y + reach / 4 * np.sin(angles)])
    to_own = pyproj.Transformer.from_crs(UTM, crs, always_xy=True)
    rings = [np.column_stack(to_own.transform(*ring.T)) for ring in (outer, inner)]
    polygon = shapely.Polygon(rings[0], [rings[1]])
    far = shapely.affinity.translate(polygon, *((3.0, 0.0) if crs == DEGREES else (9e4, 0.0)))
    return Region(np.array([polygon, far]), pyproj.CRS.from_user_input(crs), "star")


def made(file: str, region: Region, **options: Any) -> RasterSource:
    usual: dict[str, Any] = {"tile": 16, "task_tiles": 9, "region": region, "mask": True}
    return RasterSource([file], **{**usual, **options})


def scored(source: RasterSource, pixels: np.ndarray[Any, Any], halo: int) -> np.ndarray[Any, Any]:
    """Which pixels of the scene a network for pixels would label; all that it reads is checked."""
    seen = np.zeros(pixels.shape[1:], bool)
    core = 16 - 2 * halo
    for task in source.tasks():
        for strip in (read() for read in task.reads()):
            for n, tile in enumerate(strip.tiles):
                y, x = tile.row * core, tile.col * core
                part = seen[y : y + core, x : x + core]
                valid = np.ones((core, core), bool) if strip.valid is None else strip.valid[n]
                part |= valid[: part.shape[0], : part.shape[1]]
                inner = strip.pixels[n][:, halo : 16 - halo, halo : 16 - halo]
                assert (
                    inner[:, : part.shape[0], : part.shape[1]]
                    == pixels[:, y : y + core, x : x + core]
                ).all()
    return seen


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, np.ndarray[Any, Any]]:
    pixels = imagery(1, 75, 101)
    return write(tmp_path_factory.mktemp("scene") / "a.tif", pixels, resolution=30.0), pixels


@given(
    x=st.floats(-500, 3500),
    y=st.floats(-2700, 500),
    radius=st.floats(60, 4000),
    seed=st.integers(0, 1000),
    crs=st.sampled_from([UTM, ALBERS, DEGREES]),
    halo=st.sampled_from([0, 3]),
)
@settings(max_examples=60, phases=[Phase.generate])
def test_pixels_are_labelled_whose_centres_lie_in_the_region(
    scene: tuple[str, np.ndarray[Any, Any]],
    x: float, y: float, radius: float, seed: int, crs: str, halo: int,
) -> None:  # fmt: skip
    file, pixels = scene
    region = star(WEST + x, NORTH + y, radius, seed, crs)
    found = scored(made(file, region, halo=halo), pixels, halo)
    xs = WEST + 30 * (np.arange(101) + 0.5)
    ys = NORTH - 30 * (np.arange(75) + 0.5)
    to_own = pyproj.Transformer.from_crs(UTM, crs, always_xy=True)
    own_x, own_y = to_own.transform(*np.meshgrid(xs, ys))
    ground = shapely.union_all(region.polygons)
    wanted = shapely.contains_xy(ground, own_x, own_y)
    # Within a hundredth of a pixel of an edge, either is right.
    unit = 30.0 / (1e5 if crs == DEGREES else 1.0)
    clear = shapely.distance(ground.boundary, shapely.points(own_x, own_y)) > 0.02 * unit
    assert (found == wanted)[clear].all()
    assert clear.mean() > 0.95


@given(
    x=st.floats(-500, 3500),
    y=st.floats(-2700, 500),
    radius=st.floats(200, 4000),
    seed=st.integers(0, 1000),
    crs=st.sampled_from([UTM, ALBERS, DEGREES]),
    rule=st.sampled_from(["whole", "centre", "touch"]),
    stride=st.sampled_from([16, 11]),
    task=st.sampled_from([1, 9, 1000]),
)
@settings(max_examples=60, phases=[Phase.generate])
def test_tiles_are_planned_by_the_ground_that_they_write(
    scene: tuple[str, np.ndarray[Any, Any]],
    x: float, y: float, radius: float, seed: int, crs: str, rule: Any, stride: int, task: int,
) -> None:  # fmt: skip
    file, _ = scene
    region = star(WEST + x, NORTH + y, radius, seed, crs)
    source = made(file, region, inside=rule, stride=stride, task_tiles=task, mask=False)
    planned = [tile for one in source.tasks() for tile in one.planned()]
    assert all(one.tiles == len(list(one.planned())) > 0 for one in source.tasks())
    try:
        counted = source.count()
    except SourceError:
        counted = 0
    assert counted == len(planned) == len({tile.tile for tile in planned})
    read = [tile for one in source.tasks() for strip in one.reads() for tile in strip().tiles]
    assert read == planned
    # Every tile of the scene, seen in the CRS of the region.
    to_own = pyproj.Transformer.from_crs(UTM, crs, always_xy=True)
    ground = shapely.union_all(region.polygons)
    unit = 30.0 / (1e5 if crs == DEGREES else 1.0)
    names = {tile.tile for tile in planned}
    for one in RasterSource([file], tile=16, stride=stride).tasks():
        for tile in one.planned():
            outline = shapely.segmentize(shapely.box(*tile.bounds or ()), 30.0)
            shape = shapely.transform(outline, lambda p: np.column_stack(to_own.transform(*p.T)))
            centre = outline.centroid
            middle = shapely.Point(to_own.transform(centre.x, centre.y))
            low, high = shape.buffer(-0.05 * unit), shape.buffer(0.05 * unit)
            sure = {
                "whole": (ground.covers(high), ground.covers(low)),
                "centre": (
                    ground.covers(middle.buffer(0.05 * unit)),
                    ground.intersects(middle.buffer(0.05 * unit)),
                ),
                "touch": (ground.intersects(low), ground.intersects(high)),
            }[rule]
            assert sure[0] <= (tile.tile in names) <= sure[1], tile


def box_in(crs: str, bounds: tuple[float, float, float, float]) -> Region:
    return Region(np.array([shapely.box(*bounds)]), pyproj.CRS.from_user_input(crs), "box")


def test_edges_are_straight_in_the_crs_of_the_region(tmp_path: Path) -> None:
    """A parallel of 350 km is 1.8 km off the straight line between its ends in UTM."""
    pixels = imagery(1, 500, 800)
    where = from_origin(200000.0, 4100000.0, 500.0, 500.0)
    file = write(tmp_path / "a.tif", pixels, transform=where)
    found = scored(made(file, box_in(DEGREES, (-101.0, 35.5, -97.0, 36.5))), pixels, 0)
    xs, ys = 200000 + 500 * (np.arange(800) + 0.5), 4100000 - 500 * (np.arange(500) + 0.5)
    to_degrees = pyproj.Transformer.from_crs(UTM, DEGREES, always_xy=True)
    lon, lat = to_degrees.transform(*np.meshgrid(xs, ys))
    wanted = (lon > -101) & (lon < -97) & (lat > 35.5) & (lat < 36.5)
    assert wanted.sum() > 100_000
    off = 0.02 * 500 / 9e4
    clear = np.minimum(np.abs(lon + 101), np.abs(lon + 97)) > off
    clear &= np.minimum(np.abs(lat - 35.5), np.abs(lat - 36.5)) > off
    assert (found == wanted)[clear].all() and clear.mean() > 0.99


@pytest.mark.parametrize("scene_crs, left", [("EPSG:32601", 183000.0), (DEGREES, 179.8)])
def test_a_region_on_both_sides_of_the_antimeridian_is_one(
    tmp_path: Path, scene_crs: str, left: float
) -> None:
    size = 0.004 if scene_crs == DEGREES else 400.0
    top = -16.0 if scene_crs == DEGREES else -1_780_000.0
    if scene_crs != DEGREES:  # zone 1 begins at the antimeridian: look across it
        left, scene_crs = left - 20000.0, "EPSG:32701"
        top = 8_220_000.0
    pixels = imagery(1, 64, 96)
    file = write(
        tmp_path / "a.tif", pixels, crs=scene_crs, transform=from_origin(left, top, size, size)
    )
    halves = [shapely.box(179.9, -16.2, 180.0, -16.1), shapely.box(-180.0, -16.2, -179.9, -16.1)]
    region = Region(np.array(halves), pyproj.CRS.from_user_input(DEGREES), "halves")
    found = scored(made(file, region), pixels, 0)
    xs, ys = left + size * (np.arange(96) + 0.5), top - size * (np.arange(64) + 0.5)
    to_degrees = pyproj.Transformer.from_crs(scene_crs, DEGREES, always_xy=True)
    lon, lat = to_degrees.transform(*np.meshgrid(xs, ys))
    east = np.where(lon < 0, lon + 360, lon)
    wanted = (east > 179.9) & (east < 180.1) & (lat > -16.2) & (lat < -16.1)
    assert wanted.sum() > 600 and (found == wanted).mean() > 0.998
    inside = made(file, region, tile=4, inside="whole", mask=False)
    across = {tile.col for task in inside.tasks() for tile in task.planned()}
    assert across == set(range(min(across), max(across) + 1)) and len(across) >= 5


def test_a_region_whose_crs_cannot_show_the_pole_is_found_on_a_scene_around_it(
    tmp_path: Path,
) -> None:
    pixels = imagery(1, 80, 80)
    where = from_origin(-1e6, 1e6, 25e3, 25e3)
    file = write(tmp_path / "a.tif", pixels, crs="EPSG:3031", transform=where)
    to_mercator = pyproj.Transformer.from_crs(DEGREES, "EPSG:3857", always_xy=True)
    (west, east), (south, north) = to_mercator.transform([10, 70], [-88, -82])
    found = scored(made(file, box_in("EPSG:3857", (west, south, east, north))), pixels, 0)
    middles = -1e6 + 25e3 * (np.arange(80) + 0.5)
    to_degrees = pyproj.Transformer.from_crs("EPSG:3031", DEGREES, always_xy=True)
    lon, lat = to_degrees.transform(*np.meshgrid(middles, -middles))
    wanted = (lon > 10) & (lon < 70) & (lat > -88) & (lat < -82)
    assert wanted.sum() > 200 and (found == wanted).mean() > 0.998


def test_tiles_that_begin_before_their_scene_lie_in_a_region_that_holds_all_of_them(
    tmp_path: Path,
) -> None:
    # 13 and 15 pixels into tiles of the lattice.
    where = from_origin(500_013.0, 3_999_985.0, 1.0, 1.0)
    file = write(tmp_path / "a.tif", imagery(1, 90, 90), transform=where)
    around = box_in(UTM, (WEST - 100, NORTH - 200, WEST + 200, NORTH + 100))
    told: dict[str, Any] = {"tile": 16, "lattice": True}
    for rule in ("whole", "touch", "centre"):
        within = RasterSource([file], region=around, inside=rule, **told)
        assert within.count() == RasterSource([file], **told).count() == 7 * 7, rule
        # The ground of the tile in row 2 and column 4, of which the first ones begin at the origin.
        one = box_in(UTM, (WEST + 64, NORTH - 48, WEST + 80, NORTH - 32))
        only = RasterSource([file], region=one, inside=rule, **told)
        [tile] = [tile for task in only.tasks() for tile in task.planned()]
        assert (tile.row, tile.col) == (2, 4), rule


def test_scenes_outside_of_the_region_are_no_part_of_the_plan(tmp_path: Path) -> None:
    near = write(tmp_path / "near.tif", imagery(1, 64, 64))
    far = write(
        tmp_path / "far.tif", imagery(1, 64, 64), transform=from_origin(510000.0, 4e6, 1.0, 1.0)
    )
    source = RasterSource(
        [far, near], tile=16, region=box_in(UTM, (WEST, NORTH - 32, WEST + 64, NORTH))
    )
    assert [scene.name for scene in source.scenes()] == ["near"]
    assert source.count() == 8
    [task] = source.tasks()
    assert task.index == 0 and task.scene.name == "near" and not task.chosen


def test_tiles_that_coincide_with_the_region_are_whole_and_those_beside_it_do_not_touch_it(
    tmp_path: Path,
) -> None:
    where = from_origin(500000.1, 4000000.3, 0.3, 0.3)
    file = write(tmp_path / "a.tif", imagery(1, 90, 90), transform=where)
    edge = 16 * 0.3
    bounds = (500000.1 + edge, 4000000.3 - 4 * edge, 500000.1 + 4 * edge, 4000000.3 - edge)
    for rule in ("whole", "touch", "centre"):
        source = RasterSource([file], tile=16, region=box_in(UTM, bounds), inside=rule)
        places = {(tile.row, tile.col) for task in source.tasks() for tile in task.planned()}
        assert places == {(row, col) for row in (1, 2, 3) for col in (1, 2, 3)}, rule


def test_context_is_read_beyond_the_region_and_from_scenes_outside_of_it(tmp_path: Path) -> None:
    pixels = imagery(1, 64, 96)
    whole = write(tmp_path / "whole.tif", pixels)
    left = write(tmp_path / "left.tif", pixels[:, :, :48])
    right = write(
        tmp_path / "right.tif", pixels[:, :, 48:], transform=from_origin(WEST + 48, NORTH, 1, 1)
    )
    region = box_in(UTM, (WEST + 20, NORTH - 60, WEST + 48, NORTH - 3))
    one, cut = (
        [strip() for task in made_of.tasks() for strip in task.reads()]
        for made_of in (
            RasterSource(files, tile=16, halo=4, mask=True, region=region)
            for files in ([whole], [left, right])
        )
    )
    assert np.array_equal(
        np.concatenate([strip.pixels for strip in one]),
        np.concatenate([strip.pixels for strip in cut]),
    )


def test_a_region_that_meets_no_scene_or_holds_no_tile_is_said(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tif", imagery(1, 64, 64))
    with pytest.raises(SourceError) as missed:
        made(file, box_in(DEGREES, (2.0, 48.0, 3.0, 49.0))).count()
    assert str(missed.value) == (
        "box: this region meets none of 1 scene(s): it lies at 2.000 48.000 3.000 49.000 (west, "
        "south, east, north), a at -99.000 36.144 -98.999 36.145; name the region of this imagery, "
        "in the CRS that its file says"
    )
    small = box_in(UTM, (WEST + 2, NORTH - 9, WEST + 9, NORTH - 2))
    with pytest.raises(
        SourceError, match=r"none of the tiles lies .* inside: touch takes all that"
    ):
        made(file, small, inside="whole").count()
    assert made(file, small, inside="touch").count() == 1


def test_the_fingerprint_holds_the_ground_and_the_rule(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tif", imagery(1, 64, 64))
    bounds = (WEST + 2, NORTH - 40, WEST + 40, NORTH - 2)
    prints = [
        RasterSource([file], tile=16).fingerprint(),
        *(
            made(file, box_in(UTM, bounds), inside=rule).fingerprint()
            for rule in ("whole", "touch")
        ),
        made(file, box_in(UTM, (*bounds[:3], NORTH - 3))).fingerprint(),
    ]
    assert all(one != other for n, one in enumerate(prints) for other in prints[:n])
    assert prints[2] == made(file, box_in(UTM, bounds)).fingerprint()


def test_a_task_names_the_region_and_does_not_carry_it(tmp_path: Path) -> None:
    angles = np.linspace(0, 2 * np.pi, 20_000)
    ragged = 900 + 60 * np.random.default_rng(1).random(20_000)
    points = np.column_stack([ragged * np.cos(angles), ragged * np.sin(angles)])
    shape = shapely.Polygon(points + np.array([WEST + 1000, NORTH - 1000])).buffer(0)
    region = read_region(write_vectors(tmp_path / "coast.gpkg", shape))
    file = write(tmp_path / "a.tif", imagery(1, 2000, 2000), tiled=True)
    source = made(file, region, tile=32, task_tiles=64).with_region_at(str(tmp_path / "coast.gpkg"))
    tasks = list(source.tasks())
    assert max(len(pickle.dumps(task)) for task in tasks) < 1000
    assert any(task.chosen for task in tasks) and any(not task.chosen for task in tasks)
    again: RasterTask = pickle.loads(pickle.dumps(tasks[0]))
    assert again.region == RegionAt(region.digest, str(tmp_path / "coast.gpkg"))
    assert list(again.planned()) == list(tasks[0].planned())
