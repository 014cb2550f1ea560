"""Labels held against rasters, points and folders, and what is refused as a reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from rasterio.transform import Affine, from_origin
from rasterio.warp import transform as to_crs
from support.finished import pixel_run, tile_run

import landcover
from landcover.analysis import map_blocks, reference_raster
from landcover.analysis.reference import compare
from landcover.analysis.reference_raster import places_across
from landcover.classes import classes_of, scheme
from landcover.contracts import Tile
from landcover.errors import ConfigError, OutputError, SourceError
from landcover.runs.claiming import claim
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.parts import Part, write_part

NLCD, NLCD6 = scheme("nlcd"), scheme("nlcd6")
UTM = "EPSG:26914"
TO_NLCD6 = {21: 20, 22: 20, 23: 20, 24: 20, 31: 30, 41: 40, 42: 40, 43: 40, 90: 40, 52: 50}
TO_NLCD6 |= {71: 70, 81: 80, 82: 80}


def raster(
    path: Path,
    codes: npt.NDArray[Any],
    crs: str | None,
    transform: Affine,
    nodata: int | None = None,
    **tags: str,
) -> Path:
    height, width = codes.shape
    shape = {"height": height, "width": width, "count": 1, "dtype": codes.dtype}
    with rasterio.open(
        path, "w", driver="GTiff", crs=crs, transform=transform, nodata=nodata, **shape
    ) as file:
        file.write(codes, 1)
        file.update_tags(**tags)
    return path


def random_codes(seed: int, shape: tuple[int, int], codes: tuple[int, ...]) -> npt.NDArray[Any]:
    return np.random.default_rng(seed).choice(np.array(codes, np.uint8), shape)


def test_a_coarse_reference_in_another_crs_is_looked_up_at_the_centres_of_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_blocks, "EDGE", 64)
    labels = random_codes(1, (150, 210), NLCD6.codes)
    labels[:20, :30] = 255
    placed = from_origin(600_000, 4_500_000, 10, 10)
    run = pixel_run(tmp_path / "run", NLCD6, [(labels, UTM, tuple(placed)[:6])])
    (x, *_), (y, *_) = to_crs(UTM, "EPSG:5070", [600_000], [4_500_000])
    coarse = from_origin(x - 500, y + 700, 30, 30)
    known = tuple(code for code in TO_NLCD6)
    codes = random_codes(2, (120, 120), (*known, 11, 12))
    path = raster(tmp_path / "nlcd.tif", codes, "EPSG:5070", coarse, nodata=255)
    found = landcover.open_run(run.path).accuracy(path, "nlcd")

    rows, cols = np.mgrid[0:150, 0:210] + 0.5
    xs, ys = to_crs(UTM, "EPSG:5070", *(600_000 + 10 * cols.ravel(), 4_500_000 - 10 * rows.ravel()))
    at = ~coarse * (np.array(xs), np.array(ys))
    truth = codes[np.floor(at[1]).astype(int), np.floor(at[0]).astype(int)].reshape(150, 210)
    names = (*NLCD6.names, "Open Water", "Perennial Ice/Snow")
    assert found.levels["nlcd6"].names == names
    reached = [TO_NLCD6.get(int(code), int(code)) for code in truth.ravel()]
    wanted = [*NLCD6.codes, 11, 12]
    expected = np.zeros((8, 8), np.int64)
    for true, label in zip(reached, labels.ravel().tolist(), strict=True):
        if label != 255:
            expected[wanted.index(true), wanted.index(label)] += 1
    np.testing.assert_array_equal(found.levels["nlcd6"].matrix, expected)
    assert found.levels["nlcd6"].unit == "pixels"
    three = found.levels["nlcd3"]
    assert three.names == ("Developed", "Cultivated", "Undeveloped")
    developed = np.isin(truth, (21, 22, 23, 24)) & (labels != 255)
    assert three.matrix[0].sum() == developed.sum()
    assert three.matrix[0, 0] == (developed & (labels == 20)).sum()
    assert three.total == found.levels["nlcd6"].total == (labels != 255).sum()


def test_planted_classes_above_the_real_nlcd_are_found_to_the_pixel(
    tmp_path: Path, shared: Path
) -> None:
    path = shared / "imagery" / "nlcd-rasters" / "nlcd_durham_NC_epsg5070.tif"
    with rasterio.open(path) as file:
        true, placed = file.read(1), file.transform
        crs = file.crs.to_wkt()
    fine = true.repeat(3, axis=0).repeat(3, axis=1)
    planted = fine.copy()
    planted[100:200, 300:420] = 24
    ten = placed * Affine.scale(1 / 3)
    run = pixel_run(tmp_path / "run", NLCD, [(planted, crs, tuple(ten)[:6])])
    found = compare(run, path)
    assert list(found.levels) == ["nlcd", "nlcd6", "nlcd3"]
    own = found.levels["nlcd"]
    changed = int((planted != fine).sum())
    assert own.total == fine.size
    assert own.matrix.trace() == fine.size - changed
    column = own.names.index("Developed, High Intensity")
    off = own.matrix.copy()
    np.fill_diagonal(off, 0)
    assert off[:, column].sum() == off.sum() == changed


def test_a_raster_that_only_looks_like_nlcd_is_refused(tmp_path: Path, shared: Path) -> None:
    path = shared / "imagery" / "nlcd-rasters" / "nlcd_zion_simplified_8class.tif"
    with rasterio.open(path) as file:
        placed, crs = tuple(file.transform)[:6], file.crs.to_wkt()
    for name in ("nlcd", "nlcd6"):
        labels = random_codes(1, (300, 300), scheme(name).codes)
        run = pixel_run(tmp_path / name, scheme(name), [(labels, crs, placed)])
        with pytest.raises(SourceError, match=f"no codes of scheme '{name}'"):
            compare(run, path)
    own = classes_of([f"class {n}" for n in range(9)])
    labels = random_codes(1, (300, 300), own.codes)
    warned = compare(pixel_run(tmp_path / "own", own, [(labels, crs, placed)]), path)
    assert "codes of the reference were taken for the run's own: 0 is class 0" in warned.note


def test_codes_of_another_scheme_are_refused_with_that_scheme_and_may_be_left_out(
    tmp_path: Path,
) -> None:
    labels = random_codes(1, (40, 40), NLCD6.codes)
    placed = from_origin(0, 400, 10, 10)
    run = pixel_run(tmp_path / "run", NLCD6, [(labels, UTM, tuple(placed)[:6])])
    codes = random_codes(2, (40, 40), (11, 21, 41))
    path = raster(tmp_path / "nlcd.tif", codes, UTM, placed)
    with pytest.raises(
        SourceError, match=r"holds 11, 21, 41, .*all codes here are of scheme .*nlcd"
    ):
        compare(run, path)
    codes[0, :7] = 0
    path = raster(tmp_path / "zero.tif", codes, UTM, placed)
    with pytest.raises(SourceError, match="holds 0, which are no codes of scheme 'nlcd'"):
        compare(run, path, "nlcd")
    assert compare(run, path, "nlcd", ignored=[0]).levels["nlcd6"].without == 7


def test_a_map_whose_codes_stand_for_other_classes_is_refused(tmp_path: Path) -> None:
    own, other = classes_of(["water", "trees"]), classes_of(["trees", "water"])
    placed = tuple(from_origin(0, 100, 1, 1))[:6]
    labels = random_codes(1, (50, 50), (0, 1))
    run = pixel_run(tmp_path / "run", own, [(labels, UTM, placed)])
    theirs = pixel_run(tmp_path / "other", other, [(labels, UTM, placed)])
    with pytest.raises(SourceError, match=r"says that 0 is 'trees'.* that it is 'water'"):
        compare(run, Path(theirs.path, "map.tif"))
    same = compare(run, Path(run.path, "map.tif"))
    assert same.levels["model"].overall == 1 and same.levels["model"].kappa == 1


def test_tiles_are_held_against_what_is_commonest_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_raster, "_SIDE", 64)
    labels = random_codes(1, (12, 15), NLCD6.codes)
    placed = from_origin(5e5, 4.5e6, 1, 1)
    run = tile_run(tmp_path / "run", NLCD6, labels, UTM, tuple(placed)[:6], 32)
    codes = random_codes(2, (12 * 16, 15 * 16), (21, 22, 41, 42, 82, 255))
    codes[:16, :16] = 255
    path = raster(tmp_path / "nlcd.tif", codes, UTM, placed * Affine.scale(2), nodata=255)
    found = compare(run, path, "nlcd")
    tiles = codes.reshape(12, 16, 15, 16).swapaxes(1, 2).reshape(12, 15, 256)
    shares, expected = [], np.zeros((6, 6), np.int64)
    for row, col in np.ndindex(12, 15):
        grouped = [TO_NLCD6[int(code)] for code in tiles[row, col] if code != 255]
        if grouped:
            counts = [grouped.count(code) for code in NLCD6.codes]
            shares.append(max(counts) / len(grouped))
            expected[int(np.argmax(counts)), NLCD6.codes.index(int(labels[row, col]))] += 1
    assert found.levels["nlcd6"].unit == "tiles" and found.levels["nlcd6"].without == 1
    np.testing.assert_array_equal(found.levels["nlcd6"].matrix, expected)
    assert found.agreement["nlcd6"] == pytest.approx(np.mean(shares))
    assert found.agreement["nlcd3"] >= found.agreement["nlcd6"]
    assert "covers" in found.text and json.loads(json.dumps(found.to_json()))["levels"]["nlcd3"]


def test_a_reference_coarser_than_tiles_is_looked_up_at_their_centres(tmp_path: Path) -> None:
    labels = random_codes(1, (30, 30), NLCD6.codes)
    placed = from_origin(5e5, 4.5e6, 1, 1)
    run = tile_run(tmp_path / "run", NLCD6, labels, UTM, tuple(placed)[:6], 16)
    codes = random_codes(2, (10, 10), NLCD6.codes)
    path = raster(tmp_path / "coarse.tif", codes, UTM, placed * Affine.scale(48))
    found = compare(run, path).levels["nlcd6"]
    assert found.overall == (codes.repeat(3, axis=0).repeat(3, axis=1) == labels).mean()


def points(path: Path, labels: list[Any], xy: list[tuple[float, float]], crs: Any = UTM) -> Path:
    x, y = zip(*xy, strict=True)
    where = geopandas.points_from_xy(x, y, crs=UTM).to_crs(crs)
    geopandas.GeoDataFrame({"Label": labels}, geometry=where).to_file(path)
    return path


def test_points_are_held_against_the_pixel_that_they_lie_in(tmp_path: Path) -> None:
    labels = np.full((600, 700), 40, np.uint8)
    labels[:, 513:] = 80
    labels[599, 699] = 255
    run = pixel_run(tmp_path / "run", NLCD6, [(labels, UTM, (10.0, 0, 5e5, 0, -10.0, 4.5e6))])
    xy = [(505_125.0, 4_499_999.0), (505_135.0, 4_499_000.0), (506_995.0, 4_494_005.0), (0.0, 0.0)]
    path = points(tmp_path / "p.geojson", ["forest", "40", "Forest", "Forest"], xy, 4326)
    found = compare(run, path)
    own = found.levels["nlcd6"]
    assert (own.total, own.unit) == (2, "points")
    assert own.matrix[1].tolist() == [0, 1, 0, 1, 0, 0]
    assert found.note == "2 points lie where the map has no class"
    codes = points(tmp_path / "codes.gpkg", [41, 82], xy[:2])
    assert compare(run, codes, "nlcd").levels["nlcd6"].overall == 1


@pytest.mark.parametrize(
    ("labels", "scheme_name", "field", "sentence"),
    [
        (["Forrest"], None, None, "has 'Forrest', which is no class of scheme 'nlcd6'"),
        ([7.5], "nlcd", None, "has '7.5', which is no class of scheme 'nlcd'"),
        (["Forest"], None, "klass", "has no column 'klass'"),
        ([None], None, None, "has gaps in column 'Label'"),
    ],
)
def test_points_with_other_classes_are_refused(
    tmp_path: Path, labels: list[Any], scheme_name: str | None, field: str | None, sentence: str
) -> None:
    ones = np.full((10, 10), 40, np.uint8)
    run = pixel_run(tmp_path / "run", NLCD6, [(ones, UTM, (1.0, 0, 0, 0, -1.0, 10.0))])
    path = points(
        tmp_path / "p.gpkg",
        [*labels, "Forest" if isinstance(labels[0], str) else 41.0][:1],
        [(5.0, 5.0)],
    )
    with pytest.raises(SourceError, match=sentence):
        compare(run, path, scheme_name, field)


def test_what_is_no_reference_is_refused(tmp_path: Path) -> None:
    ones = np.full((10, 10), 40, np.uint8)
    run = pixel_run(tmp_path / "run", NLCD6, [(ones, UTM, (1.0, 0, 0, 0, -1.0, 10.0))])
    with pytest.raises(SourceError, match="cannot be read"):
        compare(run, tmp_path / "nowhere.tif")
    unplaced = raster(tmp_path / "unplaced.tif", ones, None, Affine.identity())
    with pytest.raises(SourceError, match="has no CRS"):
        compare(run, unplaced)
    far = raster(tmp_path / "far.tif", ones, UTM, from_origin(1e6, 1e6, 1, 1))
    with pytest.raises(SourceError, match="no class anywhere under the map"):
        compare(run, far)
    with pytest.raises(ConfigError, match="no way from the classes of scheme 'cdl'"):
        compare(run, far, "cdl")


def image_run(folder: Path, sources: list[str], labels: list[int]) -> RunDirectory:
    with claim(str(folder), {}, NLCD6, {}) as run:
        tiles = [Tile(name, name, 0, 0) for name in sources]
        scores = np.ones(len(tiles), np.float32)
        write_part(run, Part(0, len(tiles), tiles, np.array(labels), scores))
        run.finish({"files": []})
    return run


def test_folders_of_images_are_a_reference_also_if_the_run_did_not_read_them(
    tmp_path: Path,
) -> None:
    names = ["t/41/a.png", "t/deciduous forest/b.png", "t/11/c.png", "t/82/d.png"]
    run = image_run(tmp_path / "run", names, [1, 1, 1, 3])
    found = compare(run, "folders", "nlcd").levels
    assert found["nlcd6"].overall == 0.75
    assert found["nlcd6"].names[-1] == "Open Water"
    assert found["nlcd3"].overall == 1
    with pytest.raises(OutputError, match="no folder of its images is called like a class"):
        compare(image_run(tmp_path / "flat", ["a.png", "b.png"], [0, 1]), "folders")


@pytest.mark.parametrize(
    ("tile", "pixel", "places"),
    [
        (224 * 0.6, (0.6, 0.6), 224),  # which is 224.0000001 of them at these coordinates
        (30.0, (30.0, 30.0), 1),
        (100.0, (30.0, 10.0), 10),
        (100.0, (10.0, 30.0), 10),
        (70.0, (30.0, 30.0), 3),
        (0.5, (30.0, 30.0), 1),
    ],
)
def test_a_tile_is_looked_at_as_finely_as_the_finer_side_of_the_pixels_of_a_raster(
    tmp_path: Path, tile: float, pixel: tuple[float, float], places: int
) -> None:
    codes = np.full((40, 40), 42, np.uint8)
    placed = from_origin(512_345.7, 4_498_765.1, *pixel)
    path = raster(tmp_path / "reference.tif", codes, UTM, placed)
    for left in (512_345.7, 512_400.3, 733_333.1):
        grid = MapGrid(UTM, (tile, 0.0, left, 0.0, -tile, 4_498_765.1), 9, 7)
        with rasterio.open(path) as file:
            assert places_across(file, grid) == places
