"""Where scenes overlap, a map shows one of them at each place: which, a rule says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import pytest
import rasterio
from rasterio.warp import transform_bounds
from support.grids import square_grid
from support.maps import write_maps

from landcover.classes import classes_of
from landcover.contracts import Tile
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import SceneGrid
from landcover.runs.maps.maker import Form
from landcover.runs.parts import Part, write_part
from landcover.runs.pixels import PixelBlock

MakePart = Callable[..., Part]
UTM = "EPSG:26914"
NODATA = 255


@pytest.fixture
def here(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(str(tmp_path), classes_of([f"scene {number}" for number in range(40)]))
    run.storage.prepare("tiles", "quarantine", "pixels")
    return run


def scene_at(
    x: float, y: float, name: str, width: int = 24, height: int = 24, **more: str | float
) -> SceneGrid:
    size = float(more.get("resolution", 1.0))
    grid = square_grid(width, height, max(width, height), 0, max(width, height))
    crs, date = str(more.get("crs", UTM)), str(more.get("date", ""))
    return SceneGrid(name, crs, (size, 0.0, x, 0.0, -size, y), grid, date)


def put(
    run: RunDirectory, make_part: MakePart, scene: SceneGrid, codes: npt.NDArray, at: int
) -> None:
    block = PixelBlock(scene.name, codes, 0, 0, scene.transform, scene.crs)
    write_part(run, make_part(at, [], pixels=block))


def read(run: RunDirectory, name: str) -> npt.NDArray[np.uint8]:
    with rasterio.open(Path(run.path, name)) as file:
        return np.asarray(file.read(1))


@pytest.mark.parametrize("rule", ["centre", "newest", "first"])
@pytest.mark.parametrize("seed", range(2))
def test_every_place_shows_the_scene_of_the_rule_that_has_a_class_there(
    here: RunDirectory, make_part: MakePart, rule: str, seed: int
) -> None:
    """Scenes of many sizes with holes, some of them in the same place: ties go to the first.

    Also where pixels are no whole metres, so that rounding keeps none of two distances the same.
    """
    rng, pixel = np.random.default_rng(seed), (1.0, 0.6)[seed]
    rank = np.full((90, 110, 16), np.inf)  # how far down each scene is where it has a class
    scenes = []
    height = width = row = col = 0
    for number in range(16):
        if number % 7 != 6:  # else another of the same place
            height, width = (int(edge) for edge in rng.integers(5, 40, 2))
            row, col = int(rng.integers(90 - height)), int(rng.integers(110 - width))
        if number == 0:
            row = col = 0
        codes = np.where(rng.random((height, width)) < 0.2, NODATA, number).astype(np.uint8)
        year = 2010 + int(rng.integers(5))
        date = f"{year}" if rule == "newest" else ""
        corner = 1000 + pixel * col, 5000 - pixel * row
        size = {"width": width, "height": height}
        scene = scene_at(*corner, f"{number}", **size, date=date, resolution=pixel)
        put(here, make_part, scene, codes, number)
        scenes.append(scene)
        rows, cols = np.mgrid[0:90, 0:110] + 0.5
        far = (rows - row - height / 2) ** 2 + (cols - col - width / 2) ** 2
        order = {"first": np.zeros_like(far), "newest": np.full_like(far, -year), "centre": far}
        inside = rank[row : row + height, col : col + width, number]
        inside[:] = np.where(codes == NODATA, np.inf, order[rule][row:, col:][:height, :width])
    expected = rank.argmin(axis=-1)
    expected[np.isinf(rank.min(axis=-1))] = NODATA
    form: Form = "index" if seed % 2 else "cog"
    maps = write_maps(here, scenes, "pixel", form, overlap=rule)  # type: ignore[arg-type]
    shown = read(here, maps.files[0])
    assert maps.note is None and maps.dates == {}
    with rasterio.open(here.storage.where(maps.files[0])) as file:
        assert (file.transform.c, file.transform.f) == pytest.approx((1000, 5000))
    np.testing.assert_array_equal(shown, expected[: shown.shape[0], : shown.shape[1]])
    counted = {code: int((expected == code).sum()) for code in np.unique(shown).tolist()}
    del counted[NODATA], maps.counts[NODATA]
    assert maps.counts == counted


def test_scenes_of_two_utm_zones_share_their_ground_by_their_centres_and_lose_none(
    here: RunDirectory, make_part: MakePart
) -> None:
    box = transform_bounds("EPSG:26917", "EPSG:26918", 755_150, 4_059_700, 755_550, 4_060_000)
    scenes = [
        scene_at(755_000, 4_060_000, "17a", 300, 260, crs="EPSG:26917"),
        scene_at(box[0], box[3], "18a", 200, 150, crs="EPSG:26918", resolution=2.0),
        scene_at(755_100, 4_059_900, "17b", 300, 260, crs="EPSG:26917"),
        scene_at(box[0] + 90, box[3] + 60, "18b", 300, 200, crs="EPSG:26918"),
    ]
    for number, scene in enumerate(scenes):
        put(
            here,
            make_part,
            scene,
            np.full((scene.grid.height, scene.grid.width), number, np.uint8),
            number,
        )
    maps = write_maps(here, scenes, "pixel", "index", "centre")
    shown = read(here, maps.files[0])
    with rasterio.open(here.storage.where(maps.files[0])) as file:
        rows, cols = np.mgrid[0 : file.height, 0 : file.width]
        x, y = (np.asarray(one) for one in file.xy(rows.ravel(), cols.ravel()))
    wanted, sure, covered = _by_the_rule(scenes, x, y)
    shown = shown.ravel()
    assert (shown[covered] != NODATA).all()
    np.testing.assert_array_equal(shown[sure], wanted[sure])
    assert {*np.unique(shown[sure])} == {0, 1, 2, 3}
    assert sure.sum() > 0.5 * covered.sum()


def _by_the_rule(
    scenes: list[SceneGrid], x: npt.NDArray, y: npt.NDArray
) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
    """The scene with the nearest centre on the ellipsoid; where that is beyond doubt; where any is."""
    geod, far = pyproj.Geod(ellps="GRS80"), np.full((len(x), len(scenes)), np.inf)
    within = np.zeros((len(x), len(scenes)), bool)
    edge = np.zeros(len(x), bool)
    lon, lat = pyproj.Transformer.from_crs("EPSG:26917", 4269, always_xy=True).transform(x, y)
    for number, scene in enumerate(scenes):
        there = pyproj.Transformer.from_crs("EPSG:26917", scene.crs, always_xy=True)
        back = pyproj.Transformer.from_crs(scene.crs, 4269, always_xy=True)
        grid = scene.map_grid("pixel")
        col, row = grid.pixel(*there.transform(x, y))
        inside = np.minimum(np.minimum(col, grid.width - col), np.minimum(row, grid.height - row))
        within[:, number] = inside > 2
        edge |= np.abs(inside) < 8
        middle = back.transform(*grid.position(grid.width / 2, grid.height / 2))
        ones = np.ones_like(lon)
        far[:, number] = geod.inv(lon, lat, middle[0] * ones, middle[1] * ones)[2]
    far[~within] = np.inf
    ranked = np.sort(far, axis=1)
    with np.errstate(invalid="ignore"):
        doubtful = ranked[:, 1] - ranked[:, 0] < 8  # metres: some pixels of the coarsest
    covered = within.any(axis=1)
    return far.argmin(axis=1), covered & ~edge & ~doubtful, covered


def test_scenes_too_far_apart_for_one_map_share_the_ground_by_the_same_rule(
    here: RunDirectory, make_part: MakePart
) -> None:
    scenes = [scene_at(100, 100, "a"), scene_at(112, 100, "b"), scene_at(90_000, 90_000, "far")]
    for number, scene in enumerate(scenes):
        put(here, make_part, scene, np.full((24, 24), number, np.uint8), number)
    maps = write_maps(here, scenes, "pixel", overlap="centre")
    assert maps.note is not None
    assert (read(here, "maps/a.tif") == NODATA).sum() == 24 * 6
    assert (read(here, "maps/b.tif") == NODATA).sum() == 24 * 6
    newest = [replace(one, date=f"{2010 + number}") for number, one in enumerate(scenes)]
    assert write_maps(here, newest, "pixel", overlap="newest").files == (
        "maps/far.tif",
        "maps/b.tif",
        "maps/a.tif",
    )


def test_maps_of_dates_share_no_ground_with_one_another(
    here: RunDirectory, make_part: MakePart
) -> None:
    scenes = [
        scene_at(100, 100, "a", date="2010"),
        scene_at(112, 100, "b", date="2010"),
        scene_at(106, 100, "later", date="2012"),
    ]
    for number, scene in enumerate(scenes):
        put(here, make_part, scene, np.full((24, 24), number, np.uint8), number)
    maps = write_maps(here, scenes, "pixel", overlap="centre")
    assert list(maps.dates) == ["2010", "2012"]
    assert (read(here, "maps/2010.tif")[0] == [0] * 18 + [1] * 18).all()
    assert (read(here, "maps/later.tif") == 2).all()


def test_labels_of_tiles_follow_the_rule_as_those_of_pixels_do(
    here: RunDirectory, make_part: MakePart
) -> None:
    grid, scenes = square_grid(80, 10, 10, 0, 10), []
    for number, (name, x) in enumerate((("a", 0.0), ("b", 40.0))):
        scene = SceneGrid(name, UTM, (1.0, 0.0, x, 0.0, -1.0, 500.0), grid)
        bounds = (grid.bounds(0, col, scene.transform) for col in range(8))
        tiles = [Tile(f"{name}/{col}", name, 0, col, box) for col, box in enumerate(bounds)]
        labels, scores = np.full(8, number), np.ones(8, np.float32)
        write_part(here, make_part(number, tiles, labels=labels, scores=scores))
        scenes.append(scene)
    maps = write_maps(here, scenes, "tile", "index", "centre")
    assert read(here, maps.files[0]).tolist() == [[0] * 6 + [1] * 6]
