"""Hectares of maps: against the whole map in memory, and against geodesics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import geometry_mask
from rasterio.transform import Affine, from_origin
from support.finished import pixel_run

import landcover
from landcover.analysis import map_blocks
from landcover.analysis.areas import areas
from landcover.analysis.ground import Ground
from landcover.classes import classes_of, scheme
from landcover.errors import LandcoverError, OutputError, SourceError
from landcover.runs.claiming import claim
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import MapGrid

NLCD6 = scheme("nlcd6")
UTM = "EPSG:26914"
Scene = tuple[npt.NDArray[Any], str, tuple[float, ...]]


def codes(seed: int, height: int, width: int, gaps: float = 0.1) -> npt.NDArray[np.uint8]:
    """Random classes of nlcd6, some pixels without any."""
    rng = np.random.default_rng(seed)
    found = rng.choice(np.array(NLCD6.codes, np.uint8), (height, width))
    found[rng.random((height, width)) < gaps] = 255
    return found


def scene(
    seed: int, height: int, width: int, x: float, y: float, size: float = 1.0, crs: str = UTM
) -> Scene:
    return codes(seed, height, width), crs, tuple(from_origin(x, y, size, size))[:6]


def whole_map_hectares(run: RunDirectory, pixel: float) -> dict[str, float]:
    """Counted in the map as rasterio reads it at once."""
    found = landcover.open_run(run.path).map().to_numpy()
    return {item.name: float((found == item.code).sum()) * pixel / 1e4 for item in NLCD6}


def test_hectares_of_a_projected_map_are_those_of_its_pixels(tmp_path: Path) -> None:
    run = pixel_run(tmp_path / "run", NLCD6, [scene(1, 300, 400, 5e5, 4.5e6, 30.0)])
    found = landcover.open_run(run.path).areas()
    assert list(found.index) == list(NLCD6.names)
    assert found["hectares"].to_dict() == pytest.approx(whole_map_hectares(run, 900.0))
    assert found["share"].sum() == pytest.approx(1)
    assert found["code"].tolist() == list(NLCD6.codes)


@settings(max_examples=8, deadline=None)
@given(
    data=st.lists(
        st.tuples(st.integers(1, 90), st.integers(1, 90), st.integers(0, 80), st.integers(0, 80)),
        min_size=2,
        max_size=3,
    )
)
def test_ground_of_several_scenes_counts_once_whatever_the_size_of_blocks(
    tmp_path_factory: pytest.TempPathFactory, data: list[tuple[int, int, int, int]]
) -> None:
    scenes = [
        scene(number, height, width, 5e5 + 2 * x, 4.5e6 - 2 * y, 2.0)
        for number, (height, width, x, y) in enumerate(data)
    ]
    run = pixel_run(tmp_path_factory.mktemp("several") / "run", NLCD6, scenes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(map_blocks, "EDGE", 64)
        found = areas(run)
    assert found["hectares"].to_dict() == pytest.approx(whole_map_hectares(run, 4.0))


def test_scenes_too_far_apart_for_one_map_count_once_where_they_overlap(tmp_path: Path) -> None:
    scenes = [
        scene(1, 100, 100, 5e5, 4.5e6),
        scene(2, 100, 100, 7e5, 4.6e6),
        scene(3, 100, 100, 5e5 + 40, 4.5e6 - 30),
    ]
    run = pixel_run(tmp_path / "run", NLCD6, scenes)
    assert "far apart" in run.manifest()["note"]
    hidden = scenes[2][0].copy()
    hidden[:70, :60][scenes[0][0][30:, 40:] != 255] = 255
    seen = np.concatenate([scenes[0][0].ravel(), scenes[1][0].ravel(), hidden.ravel()])
    found = areas(run)
    assert found["pixels"].tolist() == [int((seen == code).sum()) for code in NLCD6.codes]


def geodesic(grid: MapGrid, row0: int, row1: int) -> float:
    """Square metres of rows of a grid, by geodesics along its densified outline."""
    own = pyproj.CRS.from_user_input(grid.crs)
    steps = np.linspace(0, 1, 2001)
    cols = np.concatenate([steps, np.ones(2001), steps[::-1], np.zeros(2001)]) * grid.width
    down = np.concatenate([np.zeros(2001), steps, np.ones(2001), steps[::-1]])
    x, y = grid.position(cols, row0 + down * (row1 - row0))  # type: ignore[arg-type]
    lon, lat = pyproj.Transformer.from_crs(own, own.geodetic_crs, always_xy=True).transform(x, y)
    geod, geodetic = own.get_geod(), own.geodetic_crs
    assert geod is not None and geodetic is not None
    degrees = np.degrees(geodetic.axis_info[0].unit_conversion_factor)
    lon, lat = lon * degrees, lat * degrees
    return abs(float(geod.polygon_area_perimeter(lon, lat)[0]))


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:4326", (0.01, 0.0, -100.0, 0.0, -0.02, 62.0)),
        ("EPSG:4326", (0.01, 0.0, 178.0, 0.0, -0.02, 62.0)),
        ("EPSG:4807", (0.01, 0.0, 1.0, 0.0, -0.01, 52.0)),  # grads from Paris
        ("EPSG:3857", (500.0, 0.0, -11e6, 0.0, -500.0, 7e6)),
        ("EPSG:3857", (100.0, 0.0, 0.0, 0.0, -100.0, 10_000.0)),  # on the equator
        ("EPSG:3347", (1000.0, 0.0, 5e6, 0.0, -1000.0, 3e6)),  # Canada, Lambert conformal conic
    ],
)
def test_pixels_have_the_area_that_geodesics_enclose(
    crs: str, transform: tuple[float, float, float, float, float, float]
) -> None:
    grid = MapGrid(crs, transform, 400, 200)
    ground = Ground(grid)
    assert ground.planar is None
    found = ground.pixels(0, 0, 400, 200)
    assert found.shape == (200, 400)
    for row0, row1 in ((0, 200), (0, 20), (180, 200)):
        assert found[row0:row1].sum() == pytest.approx(geodesic(grid, row0, row1), rel=2e-6)
    np.testing.assert_allclose(ground.pixels(70, 50, 100, 40), found[50:90, 70:170], rtol=1e-6)


@pytest.mark.parametrize("crs", [UTM, "EPSG:5070", "EPSG:2249", "EPSG:26986"])
def test_projected_crss_that_keep_areas_are_taken_at_their_word(crs: str) -> None:
    middle = pyproj.CRS.from_user_input(crs).area_of_use
    assert middle is not None
    lon, lat = (middle.west + middle.east) / 2, (middle.south + middle.north) / 2
    x, y = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
    metres = pyproj.CRS.from_user_input(crs).axis_info[0].unit_conversion_factor
    assert Ground(MapGrid(crs, (2.0, 0.0, x, 0.0, -2.0, y), 500, 500)).planar == pytest.approx(
        4 * metres**2
    )


def test_the_same_ground_has_the_same_hectares_in_degrees_and_in_web_mercator(
    tmp_path: Path,
) -> None:
    values = np.full((120, 150), 40, np.uint8)
    values[:60] = 80
    found = {}
    for crs in ("EPSG:4326", "EPSG:3857", "EPSG:26914"):
        to = pyproj.Transformer.from_crs(4326, crs, always_xy=True)
        (x0, y0), (x1, y1) = to.transform(-99.0, 45.0), to.transform(-98.97, 44.98)
        placed = ((x1 - x0) / 150, 0.0, x0, 0.0, (y1 - y0) / 120, y0)
        run = pixel_run(tmp_path / crs[5:], NLCD6, [(values, crs, placed)])
        found[crs] = areas(run).loc["Forest", "hectares"]
    assert found["EPSG:3857"] == pytest.approx(found["EPSG:4326"], rel=1e-4)
    assert found["EPSG:26914"] == pytest.approx(found["EPSG:4326"], rel=2e-3)


def zones_file(path: Path, shapes: list[Any], names: list[Any] | None, crs: Any = UTM) -> Path:
    columns = {} if names is None else {"Name": names}
    geopandas.GeoDataFrame(columns, geometry=shapes, crs=crs).to_file(path)
    return path


def test_zones_hold_the_pixels_whose_centres_lie_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_blocks, "EDGE", 64)
    run = pixel_run(tmp_path / "run", NLCD6, [scene(1, 200, 250, 5e5, 4.5e6, 10.0)])
    corner = np.array([5e5, 4.5e6])
    shapes = [
        shapely.Polygon(corner + np.array([[113, -87], [1904, -120], [1500, -1707]])),
        shapely.Point(5e5 + 1300, 4.5e6 - 900).buffer(777),  # overlaps the first one
        shapely.Polygon(corner + np.array([[-500, 500], [90, 500], [90, -90], [-500, -90]])),
        shapely.Point(14e5, 4.5e6).buffer(500),
    ]
    names = ["10", "2", "edge", "elsewhere"]
    path = zones_file(tmp_path / "zones.gpkg", shapes, names)
    found = landcover.open_run(run.path).areas(by=path)
    assert list(found.index.get_level_values("zone").unique()) == names
    values = landcover.open_run(run.path).map().to_numpy()
    placed = Affine(10.0, 0, 5e5, 0, -10.0, 4.5e6)
    for name, shape in zip(names, shapes, strict=True):
        inside = geometry_mask([shape], values.shape, placed, invert=True)
        expected = [int((values[inside] == code).sum()) for code in NLCD6.codes]
        assert found.loc[name, "pixels"].tolist() == expected
        assert found.loc[name, "hectares"].tolist() == pytest.approx(np.array(expected) / 100)
    assert found.loc["elsewhere", "share"].isna().all()


def test_zones_in_another_crs_and_of_one_name_are_put_together(tmp_path: Path) -> None:
    run = pixel_run(tmp_path / "run", NLCD6, [scene(1, 100, 100, 5e5, 4.5e6, 10.0)])
    halves = [
        shapely.box(5e5, 4.499e6, 5.005e5, 4.5e6),
        shapely.box(5.003e5, 4.499e6, 5.01e5, 4.5e6),
    ]
    shapes = geopandas.GeoSeries(halves, crs=UTM).segmentize(10).to_crs(4326)
    path = zones_file(tmp_path / "zones.geojson", list(shapes), ["all", "all"], 4326)
    found = areas(run, path)
    pd.testing.assert_series_equal(
        found.loc["all", "pixels"], areas(run)["pixels"], check_names=False
    )


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("zones.geojson", {}),
        ("zones.shp", {}),
        ("latin.shp", {"encoding": "ISO-8859-1"}),
        ("zones.fgb", {}),
        ("zones.parquet", None),
    ],
)
def test_zones_are_those_of_the_file_whatever_its_format(
    tmp_path: Path, name: str, written: dict[str, str] | None
) -> None:
    run = pixel_run(tmp_path / "run", NLCD6, [scene(1, 200, 200, 5e5, 4.5e6)])
    boxes = [shapely.box(5e5, 4.5e6 - 200, 5e5 + 90, 4.5e6), shapely.box(5e5, 4e6, 5e5 + 50, 5e6)]
    package = zones_file(tmp_path / "zones.gpkg", boxes, ["Middlesex", "Åse"])
    frame = geopandas.read_file(package)
    if written is None:
        frame.to_parquet(tmp_path / name)
    else:
        frame.to_file(tmp_path / name, **written)
    found, expected = areas(run, tmp_path / name), areas(run, package)
    pd.testing.assert_frame_equal(found, expected, check_like=True)  # FlatGeobuf has its own order


def test_zones_without_names_are_numbered(tmp_path: Path) -> None:
    run = pixel_run(tmp_path / "run", NLCD6, [scene(1, 20, 20, 5e5, 4.5e6)])
    boxes = [shapely.box(5e5, 4.49999e6, 5e5 + n, 4.5e6) for n in range(1, 13)]
    found = areas(run, zones_file(tmp_path / "zones.gpkg", boxes, None))
    assert list(found.index.get_level_values("zone").unique()) == list(range(1, 13))


@pytest.mark.parametrize(
    ("shapes", "crs", "field", "sentence"),
    [
        ([shapely.Point(5e5, 4.5e6)], UTM, None, "zones are polygons"),
        ([shapely.box(0, 0, 1, 1)], None, None, "has no CRS"),
        (
            [shapely.box(0, 0, 1, 1)],
            UTM,
            "county",
            "no column 'county' to name a zone: there is 'Name'",
        ),
        ([shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])], UTM, None, "cross themselves"),
    ],
)
def test_zones_that_make_no_sense_are_refused(
    tmp_path: Path, shapes: list[Any], crs: str | None, field: str | None, sentence: str
) -> None:
    run = pixel_run(tmp_path / "run", NLCD6, [scene(1, 20, 20, 5e5, 4.5e6)])
    path = zones_file(tmp_path / "zones.gpkg", shapes, ["a"], crs)
    with pytest.raises(SourceError, match=sentence):
        areas(run, path, field)


@pytest.mark.parametrize("letter", ["x", "7"])
def test_names_of_zones_have_an_end(letter: str, tmp_path: Path) -> None:
    run = pixel_run(tmp_path / "run", NLCD6, [scene(1, 20, 20, 5e5, 4.5e6)])
    boxes = [
        shapely.box(5e5, 4.5e6 - 20, 5e5 + 10, 4.5e6),
        shapely.box(5e5, 4.5e6 - 9, 5e5 + 20, 4.5e6),
    ]
    path = zones_file(tmp_path / "zones.gpkg", boxes, [letter * 500, "a"])
    assert {*areas(run, path).index.get_level_values("zone")} == {letter * 500, "a"}
    path = zones_file(tmp_path / "more.gpkg", boxes, [letter * 5_000, "a"])
    with pytest.raises(SourceError, match=r"by 5,000 characters in column 'Name'; the most is 500"):
        areas(run, path)


def test_runs_without_a_whole_map_are_refused(tmp_path: Path) -> None:
    with claim(str(tmp_path / "unfinished"), {}, NLCD6, {}) as unfinished:
        pass
    with pytest.raises(OutputError, match="is not done"):
        areas(unfinished)
    with claim(str(tmp_path / "images"), {}, NLCD6, {}) as images:
        images.finish({"files": []})
    with pytest.raises(OutputError, match="image files have no place on the ground"):
        areas(images)


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _of_others(path: Path) -> None:
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.write(np.full((1, 16, 16), 77, np.uint8), window=((0, 16), (0, 16)))


@pytest.mark.parametrize("harm", [_cut_short, _emptied, Path.unlink, _of_others])
def test_a_damaged_map_is_an_error_that_names_it(tmp_path: Path, harm: Any) -> None:
    run = pixel_run(tmp_path / "run", NLCD6, [scene(1, 300, 300, 5e5, 4.5e6)])
    harm(tmp_path / "run" / "map.tif")
    with pytest.raises(LandcoverError, match=r"map\.tif"):
        areas(run)


def test_a_map_of_several_scenes_of_which_one_is_gone_is_an_error(tmp_path: Path) -> None:
    scenes = [scene(1, 100, 100, 5e5, 4.5e6), scene(2, 100, 100, 5e5 + 100, 4.5e6)]
    run = pixel_run(tmp_path / "run", NLCD6, scenes)
    (tmp_path / "run" / "maps" / "scene1.tif").unlink()
    with pytest.raises(OutputError, match=r"map\.vrt: cannot be read"):
        areas(run)


def test_classes_with_codes_of_sixteen_bits_are_counted(tmp_path: Path) -> None:
    many = classes_of([f"class {n}" for n in range(300)])
    values = np.arange(400, dtype=np.uint16).reshape(20, 20) % 300
    values[0, :5] = 65535
    run = pixel_run(tmp_path / "run", many, [(values, UTM, (1.0, 0, 5e5, 0, -1.0, 4.5e6))])
    found = areas(run)
    assert found.loc["class 3", "pixels"] == 1 and found.loc["class 299", "pixels"] == 1
    assert json.loads(found.to_json())["pixels"]["class 10"] == 2
