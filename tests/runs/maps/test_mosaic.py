"""Maps made of parts: where their pixels lie, what they hold, and how they are stored."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import pytest
import rasterio
from rasterio.warp import transform_bounds
from support.grids import square_grid
from support.maps import write_maps

from landcover.classes import classes_of, scheme
from landcover.contracts import Tile
from landcover.local_files import TEMPORARY
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import SceneGrid, file_names
from landcover.runs.map_format.vrt import category_names
from landcover.runs.maps.layout import FOLDER
from landcover.runs.maps.maker import Form, Maps
from landcover.runs.parts import Part, write_part
from landcover.runs.pixels import PixelBlock
from landcover.tiles.grid import Grid, Size

UTM = "EPSG:26914"
MakePart = Callable[..., Part]


@pytest.fixture
def here(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(str(tmp_path), scheme("nlcd6"))
    run.storage.prepare("tiles", "quarantine", "pixels")
    return run


def scene_at(
    x: float, y: float, grid: Grid, name: str = "a.tif", resolution: float = 1.0, crs: str = UTM
) -> SceneGrid:
    return SceneGrid(name, crs, (resolution, 0.0, x, 0.0, -resolution, y), grid)


def write_tiles(
    run: RunDirectory, make_part: MakePart, scene: SceneGrid, labels: npt.NDArray[np.intp], at: int
) -> None:
    """One part a row of tiles; label -1 stands for a tile without data."""
    for row, line in enumerate(labels):
        tiles = [
            Tile(
                f"{scene.name}/{row}/{col}",
                scene.name,
                row,
                col,
                scene.grid.bounds(row, col, scene.transform),
            )
            for col, label in enumerate(line)
            if label >= 0
        ]
        kept = line[line >= 0]
        scores = np.ones(len(kept), np.float32)
        skipped = int((line < 0).sum())
        write_part(run, make_part(at + row, tiles, labels=kept, scores=scores, skipped=skipped))


def write_pixels(
    run: RunDirectory,
    make_part: MakePart,
    scene: SceneGrid,
    codes: npt.NDArray[np.uint8],
    at: int,
    size: int = 64,
) -> None:
    """One part a square of pixels."""
    a, _, c, _, e, f = scene.transform
    for row in range(0, codes.shape[0], size):
        for col in range(0, codes.shape[1], size):
            placed = (a, 0.0, c + a * col, 0.0, e, f + e * row)
            values = codes[row : row + size, col : col + size]
            block = PixelBlock(scene.name, values, row, col, placed, scene.crs)
            write_part(run, make_part(at, [], pixels=block))
            at += 1


def read(run: RunDirectory, name: str = "map.tif") -> npt.NDArray[np.uint8]:
    with rasterio.open(Path(run.path, name)) as file:
        return np.asarray(file.read(1))


def test_a_map_of_tiles_has_one_pixel_a_tile(here: RunDirectory, make_part: MakePart) -> None:
    scene = scene_at(400_000, 5_200_000, square_grid(700, 600, 224, 0, 224), resolution=0.6)
    labels = np.array([[0, 1, 2, 3], [4, 5, -1, 0], [1, 1, 1, 1]])
    write_tiles(here, make_part, scene, labels, 0)
    assert write_maps(here, [scene], "tile") == Maps(("map.tif",))
    codes = np.array([*scheme("nlcd6").codes, 255])
    np.testing.assert_array_equal(read(here), codes[labels])
    with rasterio.open(here.storage.where("map.tif")) as file:
        assert file.crs.to_epsg() == 26914
        assert tuple(file.transform)[:6] == pytest.approx((134.4, 0, 400_000, 0, -134.4, 5_200_000))
        assert (file.nodata, file.dtypes) == (255, ("uint8",))


def test_pixels_of_overlapping_tiles_are_centred_on_them(
    here: RunDirectory, make_part: MakePart
) -> None:
    scene = scene_at(0, 1000, square_grid(448, 224, 224, 0, 112))
    write_tiles(here, make_part, scene, np.array([[0, 1, 2]]), 0)
    write_maps(here, [scene], "tile")
    with rasterio.open(here.storage.where("map.tif")) as file:
        tile = scene.grid.bounds(0, 1, scene.transform)
        assert file.xy(0, 1) == ((tile[0] + tile[2]) / 2, (tile[1] + tile[3]) / 2)
        assert file.res == (112, 112)


def test_pixels_of_tiles_that_begin_before_the_scene_are_centred_on_them() -> None:
    grid = Grid(450, 230, Size(96, 128), 16, Size(60, 90), before=Size(20, 50))
    scene = scene_at(400_000, 5_200_000, grid, resolution=0.6)
    found = scene.map_grid("tile")
    assert (found.height, found.width) == (grid.rows, grid.cols)
    for row, col in ((0, 0), (2, 1)):
        left, low, right, high = scene.grid.bounds(row, col, scene.transform)
        centre = (left + right) / 2, (low + high) / 2
        assert found.position(col + 0.5, row + 0.5) == pytest.approx(centre, abs=1e-6)


def test_a_map_of_pixels_begins_at_the_scenes_corner_and_ends_with_it(
    here: RunDirectory, make_part: MakePart
) -> None:
    rng = np.random.default_rng(1)
    codes = rng.choice([20, 30, 255], (200, 320)).astype(np.uint8)
    scene = scene_at(399_999.7, 5_200_000.3, square_grid(300, 170, 128, 32, 64), resolution=0.6)
    write_pixels(here, make_part, scene, codes, 0)  # beyond the scene: what the last tiles padded
    write_maps(here, [scene], "pixel")
    np.testing.assert_array_equal(read(here), codes[:170, :300])


def test_a_map_is_a_cog_with_the_schemes_colours_and_names(
    here: RunDirectory, make_part: MakePart
) -> None:
    scene = scene_at(0, 2000, square_grid(1500, 1200, 64, 0, 64))
    codes = np.full((1200, 1500), 40, np.uint8)
    write_pixels(here, make_part, scene, codes, 0, size=512)
    write_maps(here, [scene], "pixel")
    path = here.storage.where("map.tif")
    with rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.overviews(1) == [2, 4]
        assert file.colormap(1)[20] == (0xEB, 0, 0, 255)
        assert json.loads(file.tags()["CLASSES"])["40"] == "Forest"
    if shutil.which("gdalinfo"):
        said = json.loads(subprocess.check_output(["gdalinfo", "-json", path]))
        band = said["bands"][0]
        assert band["category"][40] == "Forest" if "category" in band else True
        assert band["colorInterpretation"] == "Palette"


def test_every_code_up_to_the_last_has_a_name_or_none() -> None:
    classes = scheme("nlcd6")
    names = [name.text or "" for name in category_names(classes)]
    assert len(names) == max(classes.codes) + 1
    assert {code: name for code, name in enumerate(names) if name} == {
        item.code: item.name for item in classes
    }


def test_tiles_without_data_and_failed_tiles_are_nodata(
    here: RunDirectory, make_part: MakePart
) -> None:
    scene = scene_at(0, 1000, square_grid(448, 448, 224, 0, 224))
    write_tiles(here, make_part, scene, np.full((2, 2), -1), 0)
    write_maps(here, [scene], "tile")
    assert (read(here) == 255).all()


def test_several_scenes_have_maps_of_their_own_and_one_of_all(
    here: RunDirectory, make_part: MakePart
) -> None:
    grid = square_grid(20, 10, 10, 0, 10)
    left = scene_at(1000, 500, grid, "x/left.tif")
    right = scene_at(1015, 495, grid, "y/right.tif")  # overlaps by 5 columns, 5 rows further south
    write_pixels(here, make_part, left, np.full((10, 20), 20, np.uint8), 0)
    write_pixels(here, make_part, right, np.full((10, 20), 40, np.uint8), 1)
    maps = write_maps(here, [left, right], "pixel")
    assert maps == Maps(("map.tif", "maps/left.tif", "maps/right.tif"))
    assert (read(here, "maps/right.tif") == 40).all()
    expected = np.full((15, 35), 255)
    expected[5:, 15:] = 40
    expected[:10, :20] = 20  # the first listed wins
    np.testing.assert_array_equal(read(here), expected)
    with rasterio.open(here.storage.where("map.tif")) as file:
        assert file.xy(0, 0, offset="ul") == (1000, 500)


@pytest.mark.parametrize("mosaic", ["index", "cog"])
def test_what_is_counted_are_the_pixels_that_the_mosaic_shows(
    here: RunDirectory, make_part: MakePart, mosaic: Form
) -> None:
    """Scenes that overlap, one of them with larger pixels, and a gap between them."""
    first = scene_at(1000, 500, square_grid(20, 10, 10, 0, 10), "1.tif")
    second = scene_at(1015, 495, square_grid(20, 10, 10, 0, 10), "2.tif")
    third = scene_at(1030, 500, square_grid(4, 4, 4, 0, 4), "3.tif", resolution=5.0)
    for number, (scene, code) in enumerate(((first, 20), (second, 40), (third, 30))):
        grid = scene.grid
        write_pixels(
            here, make_part, scene, np.full((grid.height, grid.width), code, np.uint8), number
        )
    maps = write_maps(here, [first, second, third], "pixel", mosaic)
    shown = read(here, maps.files[0])
    codes, counts = np.unique(shown, return_counts=True)
    assert maps.counts == dict(zip(codes.tolist(), counts.tolist(), strict=True))
    assert set(maps.counts) == {20, 30, 40, 255}


@pytest.mark.parametrize(("left", "top", "pixel"), [(984.4, 500.3, 2.0), (991.7, 500.4, 1.0)])
def test_a_mosaic_keeps_the_grid_of_the_first_scene_and_takes_the_nearest_pixel(
    here: RunDirectory, make_part: MakePart, left: float, top: float, pixel: float
) -> None:
    here = RunDirectory(here.path, classes_of([f"class {n}" for n in range(100)]))
    first = scene_at(1000, 500, square_grid(8, 8, 8, 0, 8), "1.tif")
    second = scene_at(left, top, square_grid(8, 8, 8, 0, 8), "2.tif", resolution=pixel)
    codes = np.arange(64, dtype=np.uint8).reshape(8, 8)
    write_pixels(here, make_part, first, np.full((8, 8), 99, np.uint8), 0)
    write_pixels(here, make_part, second, codes, 1)
    write_maps(here, [first, second], "pixel")
    with rasterio.open(here.storage.where("map.tif")) as file:
        data = file.read(1)
        assert (file.res, file.xy(0, 0, offset="ul")) == ((1, 1), (left // 1, 501))
        for row, col in np.ndindex(data.shape):
            x, y = file.xy(row, col)
            place = int((top - y) // pixel), int((x - left) // pixel)
            inside = 0 <= place[0] < 8 and 0 <= place[1] < 8
            if 1000 <= x < 1008 and 492 < y <= 500:
                assert data[row, col] == 99
            else:
                assert data[row, col] == (codes[place] if inside else 255)


def test_scenes_of_two_utm_zones_meet_in_one_map(here: RunDirectory, make_part: MakePart) -> None:
    grid = square_grid(600, 500, 256, 64, 128)
    one = scene_at(755_000, 4_060_000, grid, "17.tif", crs="EPSG:26917")
    box = transform_bounds("EPSG:26917", "EPSG:26918", 755_600, 4_059_500, 756_200, 4_060_000)
    two = scene_at(box[0], box[3], grid, "18.tif", crs="EPSG:26918")
    write_pixels(here, make_part, one, np.full((500, 600), 20, np.uint8), 0, size=1000)
    write_pixels(here, make_part, two, np.full((500, 600), 40, np.uint8), 1, size=1000)
    assert write_maps(here, [one, two], "pixel").note is None
    with rasterio.open(here.storage.where("map.tif")) as file:
        data = file.read(1)
        assert file.crs.to_epsg() == 26917
    assert (data == 20).sum() == 300_000
    assert 0.95 * 300_000 < (data == 40).sum() < 1.05 * 300_000


def test_a_pixel_of_another_zone_is_the_one_in_which_the_centre_lies(
    here: RunDirectory, make_part: MakePart
) -> None:
    """Over 60 km, in which the grids of two zones bend against one another by more than a pixel."""
    grid = square_grid(600, 500, 600, 0, 600)
    one = scene_at(700_000, 4_100_000, square_grid(8, 8, 8, 0, 8), "17.tif", 100.0, "EPSG:26917")
    box = transform_bounds("EPSG:26917", "EPSG:26918", 755_600, 4_010_000, 800_000, 4_060_000)
    two = scene_at(box[0], box[3], grid, "18.tif", 100.0, "EPSG:26918")
    codes = np.random.default_rng(3).choice([20, 30, 40, 80], (500, 600)).astype(np.uint8)
    write_pixels(here, make_part, one, np.full((8, 8), 70, np.uint8), 0)
    write_pixels(here, make_part, two, codes, 1, size=1000)
    write_maps(here, [one, two], "pixel", "index")
    with rasterio.open(here.storage.where("map.vrt")) as file:
        data = file.read(1)
        rows, cols = np.mgrid[0 : file.height, 0 : file.width]
        x, y = (np.asarray(each) for each in file.xy(rows.ravel(), cols.ravel()))
    to_two = pyproj.Transformer.from_crs("EPSG:26917", "EPSG:26918", always_xy=True)
    col, row = two.map_grid("pixel").pixel(*to_two.transform(x, y))
    edge = np.minimum(np.abs(col - np.round(col)), np.abs(row - np.round(row)))
    sure = (col > 1) & (col < 599) & (row > 1) & (row < 499) & (edge > 1e-3)
    assert sure.sum() > 250_000
    expected = codes[row[sure].astype(int), col[sure].astype(int)]
    np.testing.assert_array_equal(data.ravel()[sure], expected)


def test_scenes_far_apart_have_no_mosaic_and_the_reason_is_told(
    here: RunDirectory, make_part: MakePart
) -> None:
    grid = square_grid(10, 10, 10, 0, 10)
    scenes = [scene_at(100, 100, grid, "a.tif"), scene_at(1100, 1100, grid, "b.tif")]
    for number, scene in enumerate(scenes):
        write_pixels(here, make_part, scene, np.full((10, 10), 20, np.uint8), number)
    maps = write_maps(here, scenes, "pixel")
    assert maps.files == ("maps/a.tif", "maps/b.tif")
    assert maps.note == (
        "map.tif: the scenes lie far apart: one map of all has 5,100 times their own area"
    )
    assert not here.storage.exists("map.tif")


def test_the_order_of_parts_in_time_leaves_no_trace(tmp_path: Path, make_part: MakePart) -> None:
    scene = scene_at(0, 1000, square_grid(600, 600, 64, 0, 64))
    codes = np.random.default_rng(2).choice([20, 30, 255], (600, 600)).astype(np.uint8)
    contents = []
    for name in ("one", "other"):
        run = RunDirectory(str(tmp_path / name), scheme("nlcd6"))
        run.storage.prepare("tiles", "quarantine", "pixels")
        for _ in range(1 if name == "one" else 2):
            write_pixels(run, make_part, scene, codes, 0, size=200)
        write_maps(run, [scene], "pixel")
        contents.append(run.storage.read("map.tif"))
        assert not [entry for entry in run.storage.names() if entry.startswith(".")]
    assert contents[0] == contents[1]


def test_more_classes_than_a_byte_holds_fit_a_map(tmp_path: Path, make_part: MakePart) -> None:
    run = RunDirectory(str(tmp_path), classes_of([f"class {n}" for n in range(300)]))
    run.storage.prepare("tiles", "quarantine", "pixels")
    scene = scene_at(0, 1000, square_grid(20, 10, 10, 0, 10))
    write_tiles(run, make_part, scene, np.array([[299, -1]]), 0)
    write_maps(run, [scene], "tile")
    with rasterio.open(run.storage.where("map.tif")) as file:
        assert file.read(1).tolist() == [[299, 65535]]
        assert file.nodata == 65535


def test_maps_of_a_run_behind_a_url_are_put_there(run: RunDirectory, make_part: MakePart) -> None:
    scene = scene_at(0, 1000, square_grid(448, 224, 224, 0, 224))
    write_tiles(run, make_part, scene, np.array([[0, 1]]), 0)
    write_maps(run, [scene], "tile")
    with rasterio.MemoryFile(run.storage.read("map.tif")) as memory, memory.open() as file:
        assert file.read(1).tolist() == [[30, 40]]
    assert b"<Category>Forest</Category>" in run.storage.read("map.tif.aux.xml")
    assert run.storage.names(FOLDER) == []


def test_what_workers_left_half_written_of_maps_is_gone_once_they_are_there(
    here: RunDirectory, make_part: MakePart
) -> None:
    """Those that were killed while they put one together."""
    grid = square_grid(448, 224, 224, 0, 224)
    scenes = [scene_at(0, 0, grid, "a"), scene_at(448, 0, grid, "b")]
    for index, scene in enumerate(scenes):
        write_tiles(here, make_part, scene, np.array([[0, 1]]), index)
    left = [Path(here.path, folder, f"{TEMPORARY}0") for folder in ("", "maps")]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half of a map")
    write_maps(here, scenes, "tile")
    assert not [path for path in left if path.exists()]


def test_scenes_of_one_name_get_files_of_different_names() -> None:
    grid = square_grid(10, 10, 10, 0, 10)
    scenes = [
        scene_at(0, 0, grid, name) for name in ("2016/m_1", "2018/m_1", "M_1.TIF", "a b,c.v2")
    ]
    assert file_names([scene.name for scene in scenes]) == ["m_1", "m_1-2", "M_1-3", "a_b_c.v2"]


@pytest.mark.parametrize("count", [100, pytest.param(500, marks=pytest.mark.faults)])
def test_an_index_of_hundreds_of_overlapping_scenes_shows_every_pixel_of_one_map_of_them_all(
    here: RunDirectory, make_part: MakePart, count: int
) -> None:
    rng = np.random.default_rng(4)
    expected, scenes = np.full((300, 400), 255, np.uint8), []
    for number in range(count):
        row, col = (0, 0) if number == 0 else (int(rng.integers(276)), int(rng.integers(376)))
        codes = rng.choice([20, 30, 40, 255], (24, 24)).astype(np.uint8)
        scene = scene_at(1000 + col, 5000 - row, square_grid(24, 24, 24, 0, 24), f"{number}.tif")
        write_pixels(here, make_part, scene, codes, number)
        seen = expected[row : row + 24, col : col + 24]
        seen[:] = np.where(seen == 255, codes, seen)  # the first listed wins
        scenes.append(scene)
    assert write_maps(here, scenes, "pixel", "index").files[0] == "map.vrt"
    shown = read(here, "map.vrt")
    np.testing.assert_array_equal(shown, expected[: shown.shape[0], : shown.shape[1]])
    with rasterio.open(here.storage.where("map.vrt")) as file:
        assert file.colormap(1)[20] == (0xEB, 0, 0, 255)
        assert file.colormap(1)[21] == (0, 0, 0, 0)
        assert file.nodata == 255


@pytest.mark.parametrize("mosaic", ["index", "cog"])
def test_scenes_on_both_sides_of_the_antimeridian_meet_the_shorter_way_round(
    here: RunDirectory, make_part: MakePart, mosaic: Form
) -> None:
    grid = square_grid(40, 20, 20, 0, 20)
    west = scene_at(179.9, -17.0, grid, "west.tif", 0.001, "EPSG:4326")
    east = scene_at(-179.98, -17.0, grid, "east.tif", 0.001, "EPSG:4326")
    zone = scene_at(818_000, 8_118_000, grid, "zone.tif", 100.0, "EPSG:32760")
    for number, (scene, code) in enumerate(((west, 20), (east, 40), (zone, 30))):
        write_pixels(here, make_part, scene, np.full((20, 40), code, np.uint8), number)
    maps = write_maps(here, [west, east, zone], "pixel", mosaic)
    data = read(here, maps.files[0])
    assert data.shape[1] < 200
    assert (data == 20).sum() == (data == 40).sum() == 800
    assert (data == 30).sum() > 400


def test_a_scene_on_both_ends_of_the_first_ones_crs_is_no_reason_to_go_round_the_world(
    here: RunDirectory, make_part: MakePart
) -> None:
    grid = square_grid(40, 20, 20, 0, 20)
    first = scene_at(2.0e7, -1.9e6, grid, "first.tif", 100.0, "EPSG:3857")
    zone = scene_at(818_000, 8_118_000, grid, "zone.tif", 100.0, "EPSG:32760")
    for number, scene in enumerate((first, zone)):
        write_pixels(here, make_part, scene, np.full((20, 40), 20, np.uint8), number)
    maps = write_maps(here, [first, zone], "pixel")
    assert maps.note is not None and "both ends of the CRS" in maps.note
    assert maps.files == ("maps/first.tif", "maps/zone.tif")
