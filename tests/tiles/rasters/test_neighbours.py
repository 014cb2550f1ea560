"""Where a scene ends, its halo is read from the scene beside it, and from no other."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine, from_origin
from support.rasters import imagery, write

from landcover.tiles.grid import Rectangle, Size, Tiling
from landcover.tiles.rasters import RasterSource, RasterTask
from landcover.tiles.rasters.neighbours import Neighbourhood
from landcover.tiles.rasters.scene import Scene, describe
from landcover.tiles.rasters.windows import read_window

HALO = 8
TILING = Tiling(Size(48, 48), HALO, Size(32, 32))
WHOLE = imagery(3, 90, 110)


def _cut(folder: Path, name: str, rows: slice, cols: slice, **options: Any) -> str:
    """A piece of the whole as a file of its own, in its place."""
    where = from_origin(500000.0 + cols.start, 4000000.0 - rows.start, 1.0, 1.0)
    pixels = options.pop("pixels", WHOLE[:, rows, cols])
    tiled = {"tiled": True, "blockxsize": 16, "blockysize": 16}
    return write(folder / f"{name}.tif", pixels, transform=where, **tiled, **options)


def _scenes(*files: str, **options: Any) -> list[Scene]:
    return [describe(Path(file).stem, (file,), TILING, **options) for file in files]


def _read(scene: Scene, beside: tuple[Any, ...], margin: int = HALO) -> np.ndarray:
    """A whole scene and a margin around it."""
    window = Rectangle(
        *(-margin, scene.grid.height + margin), *(-margin, scene.grid.width + margin)
    )
    return read_window(scene, window, beside).pixels


@pytest.fixture(scope="module")
def quarters_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("quarters")


@settings(max_examples=25, deadline=None)
@given(row=st.integers(20, 70), col=st.integers(20, 90), overlap=st.integers(0, 6))
def test_four_quarters_with_their_halos_are_as_the_whole(
    quarters_folder: Path, row: int, col: int, overlap: int
) -> None:
    rows = slice(0, row + overlap), slice(row, 90)
    cols = slice(0, col + overlap), slice(col, 110)
    places = [(r, c) for r in rows for c in cols]
    named = f"{row}-{col}-{overlap}"  # a file that was read once may still be open
    files = [_cut(quarters_folder, f"{named}-{i}", *place) for i, place in enumerate(places)]
    scenes = _scenes(*files)
    around = Neighbourhood(scenes)
    for place, (r, c) in enumerate(places):
        found = _read(scenes[place], around.of(place))
        padded = np.pad(WHOLE, ((0, 0), (HALO, HALO), (HALO, HALO)), mode="reflect")
        window = slice(r.start, r.stop + 2 * HALO), slice(c.start, c.stop + 2 * HALO)
        assert np.array_equal(found, padded[(slice(None), *window)])


def test_where_no_scene_lies_the_scene_is_mirrored(tmp_path: Path) -> None:
    left, right = _scenes(
        _cut(tmp_path, "left", slice(0, 90), slice(0, 50)),
        _cut(tmp_path, "right", slice(30, 90), slice(50, 110)),
    )
    beside = Neighbourhood([left, right]).of(0)
    found, alone = _read(left, beside), _read(left, ())
    other = np.zeros(found.shape[1:], bool)
    other[HALO + 30 :, HALO + 50 :] = True
    assert np.array_equal(found[:, ~other], alone[:, ~other])
    beyond = np.pad(WHOLE, ((0, 0), (0, HALO), (0, 0)), mode="reflect")
    assert np.array_equal(found[:, HALO + 30 :, HALO + 50 :], beyond[:, 30:, 50 : 50 + HALO])


def test_pixels_without_data_of_a_neighbour_are_not_taken(tmp_path: Path) -> None:
    pixels = WHOLE[:, :, 50:].copy()
    pixels[:, 40:60] = 0
    left, right = _scenes(
        _cut(tmp_path, "left", slice(0, 90), slice(0, 50)),
        _cut(tmp_path, "right", slice(0, 90), slice(50, 110), pixels=pixels, nodata=0),
    )
    found, alone = _read(left, Neighbourhood([left, right]).of(0)), _read(left, ())
    hole = slice(HALO + 40, HALO + 60)
    assert np.array_equal(found[:, hole], alone[:, hole])
    assert np.array_equal(found[:, HALO : HALO + 40, HALO + 50 :], WHOLE[:, :40, 50 : 50 + HALO])


def test_of_two_neighbours_the_one_listed_first_serves(tmp_path: Path) -> None:
    left, one, other = _scenes(
        _cut(tmp_path, "left", slice(0, 90), slice(0, 50)),
        _cut(tmp_path, "one", slice(0, 90), slice(50, 110), pixels=imagery(3, 90, 60, seed=1)),
        _cut(tmp_path, "other", slice(0, 90), slice(50, 110), pixels=imagery(3, 90, 60, seed=2)),
    )
    place = slice(HALO, HALO + 90), slice(HALO + 50, None)
    for first, second, seed in ((one, other, 1), (other, one, 2)):
        found = _read(left, Neighbourhood([left, first, second]).of(0))
        expected = imagery(3, 90, 60, seed=seed)[:, :, :HALO]
        assert np.array_equal(found[(slice(None), *place)], expected)


def test_the_same_place_in_other_years_and_other_grids_are_no_neighbours(tmp_path: Path) -> None:
    scene = _cut(tmp_path, "scene", slice(0, 90), slice(0, 50))
    shifted = _cut(tmp_path, "year", slice(2, 88), slice(3, 53))
    far = _cut(tmp_path, "far", slice(0, 90), slice(70, 110))
    beside = slice(0, 90), slice(50, 110)
    zone = _cut(tmp_path, "zone", *beside, crs="EPSG:26915")
    deep = _cut(tmp_path, "deep", *beside, pixels=imagery(3, 90, 60, "uint16"))
    where = from_origin(500050.0, 4000000.0, 0.5, 0.5)
    fine = write(tmp_path / "fine.tif", imagery(3, 180, 120), transform=where)
    scenes = _scenes(scene, shifted, far, zone, deep, fine)
    assert Neighbourhood(scenes).of(0) == ()
    assert len(Neighbourhood(_scenes(scene, fine, resolution=1.0)).of(0)) == 1


@pytest.mark.parametrize(("gap", "found"), [(HALO - 1, 1), (HALO, 0)])
@pytest.mark.parametrize("edge", [0.6, 10.0])
@pytest.mark.parametrize("left", [500_000.0, 731_123.4, 4_012_345.6])
def test_a_scene_is_a_neighbour_if_pixels_of_it_lie_within_a_halo_wherever_it_is(
    gap: int, found: int, left: float, edge: float, tmp_path: Path
) -> None:
    beside = left + edge * (50 + gap)
    files = [
        write(tmp_path / f"{name}.tif", imagery(3, 40, 50), transform=where)
        for name, where in (
            ("a", from_origin(left, 4e6, edge, edge)),
            ("b", from_origin(beside, 4e6, edge, edge)),
        )
    ]
    around = Neighbourhood(_scenes(*files))
    assert [len(around.of(place)) for place in (0, 1)] == [found, found]


def _tasks(*files: str, halo: int = HALO) -> list[RasterTask]:
    source = RasterSource(files, tile=48, halo=halo, mask=True, task_tiles=1)
    return list(source.tasks())


def test_a_task_carries_only_the_neighbours_that_it_reaches(tmp_path: Path) -> None:
    files = [
        _cut(tmp_path, "a", slice(0, 90), slice(0, 64)),
        _cut(tmp_path, "b", slice(0, 90), slice(64, 110)),
    ]
    tasks = [task for task in _tasks(*files) if task.scene.name == "a"]
    named = {task.block[2]: [n.scene.name for n in task.neighbours] for task in tasks}
    assert named == {0: [], 1: ["b"]}
    assert all(len(pickle.dumps(task)) < 1500 for task in tasks)
    assert pickle.loads(pickle.dumps(tasks)) == tasks
    assert not any(task.neighbours for task in _tasks(*files, halo=0))


def test_a_tile_is_lost_with_the_neighbour_that_it_needs_and_says_so(tmp_path: Path) -> None:
    files = [
        _cut(tmp_path, "a", slice(0, 90), slice(0, 64)),
        _cut(tmp_path, "b", slice(0, 90), slice(64, 110)),
    ]
    tasks = [task for task in _tasks(*files) if task.scene.name == "a"]
    content = Path(files[1]).read_bytes()
    Path(files[1]).write_bytes(content[:600])
    strips = [(task.block, read()) for task in tasks for read in task.reads()]
    for block, strip in strips:
        if block.col0 == 0:
            assert not strip.failures
        else:
            [failure] = strip.failures
            assert "a.tif: pixels could not be read: " in failure.reason
            assert f"{files[1]}, which lies beside it: " in failure.reason


@pytest.mark.parametrize("ratio", [None, 1.0, 1.7])
@pytest.mark.parametrize("wide, high", [(0.6, 0.6), (0.6, 0.597)])
def test_a_halo_comes_from_where_the_neighbour_has_that_place(
    wide: float, high: float, ratio: float | None, tmp_path: Path
) -> None:
    """Far from the corner, with pixels of 0.6 m, as high as they are or nearly so."""
    whole = imagery(3, 400, 300)
    whole[:, 260:300, 100:] = 0
    cuts = {"a": (0, 250, 0, 180), "b": (250, 400, 0, 180), "c": (0, 400, 180, 300)}
    scenes = []
    for name, (row0, row1, col0, col1) in cuts.items():
        where = Affine(wide, 0, 731_123.4 + wide * col0, 0, -high, 4_012_345.6 - high * row0)
        pixels = whole[:, row0:row1, col0:col1]
        file = write(tmp_path / f"{name}.tif", pixels, transform=where, nodata=0)
        scenes += [describe(name, (file,), TILING, resolution=ratio)]
    beside = Neighbourhood(scenes).of(0)
    assert [each.scene.name for each in beside] == ["b", "c"]
    first = scenes[0]
    for each in beside:
        a, _, c, _, e, f = first.transform
        _, _, c2, _, _, f2 = each.scene.transform
        assert abs((c2 - c) / a - each.col) <= 0.5 and abs((f2 - f) / e - each.row) <= 0.5
        assert each.extent[1] - each.row == each.scene.grid.height
        assert each.extent[3] - each.col == each.scene.grid.width
    found = _read(first, beside)
    high_pixels, wide_pixels = first.grid.height, first.grid.width
    for each in beside:
        own, valid = read_window(each.scene, each.scene.grid.scene)
        held = np.ones(own.shape[1:], bool) if valid is None else valid
        if each.scene.name == "b":
            seen = own[:, HALO - HALO + (high_pixels - each.row) :][:, :HALO, :wide_pixels]
            ok = held[high_pixels - each.row :][:HALO, :wide_pixels]
            got = found[:, HALO + high_pixels :, HALO : HALO + wide_pixels][:, : seen.shape[1]]
        else:
            seen = own[:, :high_pixels, wide_pixels - each.col :][:, :, :HALO]
            ok = held[:high_pixels, wide_pixels - each.col :][:, :HALO]
            got = found[:, HALO : HALO + high_pixels, HALO + wide_pixels :][:, :, : seen.shape[2]]
        assert ok.any() and np.array_equal(got[:, ok], seen[:, ok])


def test_what_is_mirrored_comes_upwards_first_then_sideways(tmp_path: Path) -> None:
    """Beyond a corner whose two neighbours both end there, the one below serves."""
    top, right, low = _scenes(
        _cut(tmp_path, "top", slice(0, 45), slice(0, 50)),
        _cut(tmp_path, "right", slice(0, 45), slice(50, 110)),
        _cut(tmp_path, "low", slice(45, 90), slice(0, 50)),
    )
    found = _read(top, Neighbourhood([top, right, low]).of(0))
    corner = found[:, HALO + 45 :, HALO + 50 :]
    assert np.array_equal(corner, WHOLE[:, 44 - HALO : 44, 50 : 50 + HALO][:, ::-1])


def test_a_scene_with_another_number_of_bands_or_another_size_of_pixels_is_no_neighbour(
    tmp_path: Path,
) -> None:
    scene = _cut(tmp_path, "scene", slice(0, 90), slice(0, 50))
    beside = slice(0, 90), slice(50, 110)
    two = _cut(tmp_path, "two", *beside, pixels=imagery(2, 90, 60))
    where = from_origin(500050.0, 4000000.0, 1.005, 1.005)
    other = write(tmp_path / "other.tif", imagery(3, 90, 60), transform=where)
    small = _cut(tmp_path, "small", slice(10, 40), slice(20, 52))  # most of it lies in the scene
    scenes = _scenes(scene, two, other, small)
    assert Neighbourhood(scenes).of(0) == ()


def test_neighbours_come_in_the_order_of_the_plan(tmp_path: Path) -> None:
    files = [
        _cut(tmp_path, name, slice(row, row + 30), slice(50, 110))
        for name, row in (("a", 60), ("b", 0), ("c", 30))
    ]
    scenes = _scenes(_cut(tmp_path, "z", slice(0, 90), slice(0, 50)), *files)
    assert [each.scene.name for each in Neighbourhood(scenes).of(0)] == ["a", "b", "c"]


def test_a_task_carries_a_neighbour_that_only_its_mirror_shows(tmp_path: Path) -> None:
    """The last row of tiles lies nearly all below the scene: it shows what lies above it."""
    files = [
        _cut(tmp_path, "a", slice(0, 66), slice(0, 64)),
        _cut(tmp_path, "b", slice(0, 54), slice(64, 110)),
    ]
    tasks = [task for task in _tasks(*files) if task.scene.name == "a" and task.block.col0 == 1]
    named = {task.block.row0: [n.scene.name for n in task.neighbours] for task in tasks}
    assert named == {0: ["b"], 1: ["b"], 2: ["b"]}


def test_a_neighbour_that_failed_is_opened_anew(tmp_path: Path) -> None:
    files = [
        _cut(tmp_path, "a", slice(0, 90), slice(0, 64)),
        _cut(tmp_path, "b", slice(0, 90), slice(64, 110)),
    ]
    [task] = [
        task for task in _tasks(*files) if task.scene.name == "a" and task.block[::2] == (0, 1)
    ]
    good = Path(files[1]).read_bytes()
    for content, failed in ((good[:600], 1), (good, 0)):
        another = tmp_path / "another"
        another.write_bytes(content)
        another.replace(files[1])  # a copy that is made anew is another file
        [strip] = [read() for read in task.reads()]
        assert len(strip.failures) == failed
