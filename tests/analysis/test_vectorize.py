"""Maps as polygons: rasterized again they are the map, whatever strips it is read in."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas
import numpy as np
import numpy.typing as npt
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import rasterize, shapes
from rasterio.transform import Affine, from_origin
from support.finished import pixel_run, tile_run

import landcover
from landcover.analysis import patches
from landcover.analysis.map_blocks import map_views
from landcover.analysis.polygons import polygons
from landcover.classes import classes_of, scheme
from landcover.errors import OutputError
from landcover.runs.directory import RunDirectory

NLCD6 = scheme("nlcd6")
UTM = "EPSG:26914"
Codes = npt.NDArray[np.uint8]
PLACED = tuple(from_origin(5e5, 4.5e6, 2, 2))[:6]


def found_in(run: RunDirectory, rows: int) -> tuple[list[int], list[int], list[Any]]:
    """Codes, pixels and polygons of the only map of a run, read some rows at a time."""
    codes: list[int] = []
    pixels: list[int] = []
    outlines: list[Any] = []
    with map_views(run) as views, pytest.MonkeyPatch.context() as patch:
        patch.setattr(patches, "PIXELS", rows * views[0].grid.width)
        for some in polygons(views[0]):
            codes += [NLCD6.codes[index] for index in some.classes]
            pixels += some.pixels.tolist()
            outlines += some.shapes.tolist()
    return codes, pixels, outlines


def check(run: RunDirectory, values: Codes, rows: int) -> None:
    codes, pixels, outlines = found_in(run, rows)
    assert shapely.is_valid(outlines).all()
    assert shapely.is_ccw(shapely.get_exterior_ring(outlines)).all()
    assert [shape.area / 4 for shape in outlines] == pixels
    transform = Affine(*PLACED)
    burnt = rasterize(
        zip(outlines, codes, strict=True),
        out_shape=values.shape,
        fill=255,
        transform=transform,
        dtype=np.uint8,
    )
    np.testing.assert_array_equal(burnt, values)
    expected = {
        (int(value), shapely.normalize(shapely.geometry.shape(shape)).wkb)
        for shape, value in shapes(values, values != 255, connectivity=4, transform=transform)
    }
    plain = {
        (code, shapely.normalize(shape).wkb) for code, shape in zip(codes, outlines, strict=True)
    }
    assert plain == expected and len(plain) == len(outlines)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    classes=st.integers(1, 4),
    rows=st.integers(1, 9),
)
def test_polygons_rasterized_again_are_the_map_whatever_the_strips(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    height: int,
    width: int,
    classes: int,
    rows: int,
) -> None:
    rng = np.random.default_rng(seed)
    drawn = np.array([*NLCD6.codes[:classes], 255], np.uint8)
    values = rng.choice(drawn, (height, width))
    run = pixel_run(tmp_path_factory.mktemp("run") / "run", NLCD6, [(values, UTM, PLACED)])
    check(run, values, rows)


def spiral(size: int) -> Codes:
    """One path of a pixel's width from the rim to the middle, with another class between its turns."""
    values = np.full((size, size), 40, np.uint8)
    row, col, turn = 0, -1, 0
    ways = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    length = size
    while length > 0:
        for _ in range(length):
            row, col = row + ways[turn % 4][0], col + ways[turn % 4][1]
            values[row, col] = 80
        turn += 1
        length -= 2 if turn > 2 and turn % 2 == 1 else 0
        if turn == 1:
            length = size - 1
    return values


def comb(size: int) -> Codes:
    """Teeth that meet in the last row only."""
    values = np.full((size, size), 80, np.uint8)
    values[:-1, ::2] = 40
    values[-1] = 40
    return values


def rings(size: int) -> Codes:
    """Holes in holes."""
    away = np.abs(np.indices((size, size)) - size // 2).max(axis=0)
    return np.array([40, 80, 255], np.uint8)[away % 3]


def chessboard(size: int) -> Codes:
    """Pixels that touch at their corners only, within a frame that holds half of them together."""
    values = np.where(np.indices((size, size)).sum(axis=0) % 2, 40, 80).astype(np.uint8)
    values[0] = values[-1] = values[:, 0] = values[:, -1] = 40
    return values


@pytest.mark.parametrize("rows", [1, 3, 100])
@pytest.mark.parametrize("make", [spiral, comb, rings, chessboard])
def test_what_winds_across_strips_is_one_polygon(
    tmp_path: Path, make: Callable[[int], Codes], rows: int
) -> None:
    values = make(41)
    check(pixel_run(tmp_path / "run", NLCD6, [(values, UTM, PLACED)]), values, rows)


def noise(seed: int, height: int, width: int) -> Codes:
    drawn = np.array([*NLCD6.codes[:3], 255], np.uint8)
    return np.random.default_rng(seed).choice(drawn, (height, width))


FORMS = [".gpkg", ".fgb", ".parquet"]


@pytest.mark.parametrize("form", FORMS)
def test_polygons_of_scenes_side_by_side_have_no_seams_and_the_areas_of_the_map(
    tmp_path: Path, form: str
) -> None:
    whole = noise(1, 130, 210)
    scenes = [
        (whole[:, :110], UTM, PLACED),
        (whole[:, 100:], UTM, (2.0, 0.0, 5e5 + 200, 0.0, -2.0, 4.5e6)),
    ]
    run = landcover.open_run(pixel_run(tmp_path / "run", NLCD6, scenes).path)
    told = run.vectorize(tmp_path / f"map{form}")
    frame = opened(tmp_path / f"map{form}")
    assert list(frame.columns) == ["class", "code", "pixels", "hectares", "geometry"]
    assert frame.crs == UTM and frame.is_valid.all()
    pairs = zip(frame.geometry, frame["code"], strict=True)
    burnt = rasterize(
        pairs, out_shape=whole.shape, fill=255, transform=Affine(*PLACED), dtype=np.uint8
    )
    np.testing.assert_array_equal(burnt, whole)
    areas = run.areas()
    mapped = areas[areas["pixels"] > 0]
    by_class = frame.groupby("class")[["pixels", "hectares"]].sum()
    assert by_class["pixels"].to_dict() == mapped["pixels"].to_dict()
    assert by_class["hectares"].to_dict() == pytest.approx(mapped["hectares"].to_dict())
    assert told["hectares"].to_dict() == pytest.approx(areas["hectares"].to_dict())
    assert frame.geometry.area.to_numpy() / 1e4 == pytest.approx(frame["hectares"].to_numpy())
    assert told["polygons"].sum() == len(frame)


def opened(path: Path) -> geopandas.GeoDataFrame:
    if path.suffix == ".parquet":
        return geopandas.read_parquet(path)
    return geopandas.read_file(path, layer=path.stem)


def test_hectares_of_polygons_in_degrees_are_those_on_the_ground(tmp_path: Path) -> None:
    placed = tuple(from_origin(-100, 60, 0.01, 0.02))[:6]
    run = landcover.open_run(
        pixel_run(tmp_path / "run", NLCD6, [(noise(2, 50, 170), "EPSG:4326", placed)]).path
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patches, "PIXELS", 170 * 7)
        told = run.vectorize(tmp_path / "a.parquet")
    assert told["hectares"].to_dict() == pytest.approx(run.areas()["hectares"].to_dict())


def test_small_areas_are_left_out_on_request(tmp_path: Path) -> None:
    run = landcover.open_run(
        pixel_run(tmp_path / "run", NLCD6, [(noise(3, 60, 60), UTM, PLACED)]).path
    )
    told = run.vectorize(tmp_path / "a.fgb", minimum=12)
    frame = opened(tmp_path / "a.fgb")
    assert frame["pixels"].min() == 3 and told["pixels"].sum() == frame["pixels"].sum()


def test_scenes_far_apart_are_outlined_one_by_one_in_the_crs_of_the_first(tmp_path: Path) -> None:
    places = (("EPSG:26914", 2e5), ("EPSG:26919", 5e5))
    scenes = [(noise(4, 30, 40), crs, tuple(from_origin(x, 4.5e6, 2, 2))[:6]) for crs, x in places]
    run = landcover.open_run(pixel_run(tmp_path / "run", NLCD6, scenes).path)
    assert "far apart" in run.summary["note"]
    told = run.vectorize(tmp_path / "a.gpkg")
    frame = opened(tmp_path / "a.gpkg")
    assert frame.crs == UTM and told["pixels"].to_dict() == run.areas()["pixels"].to_dict()
    east = frame[frame.geometry.bounds["minx"] > 1e6].to_crs("EPSG:26919")
    assert east.total_bounds == pytest.approx([5e5, 4.5e6 - 60, 5e5 + 80, 4.5e6], abs=0.01)


def test_tiles_become_polygons_in_the_colours_of_their_classes(tmp_path: Path) -> None:
    odd = classes_of(["<img src=x>", "b & c"])
    values = np.array([[0, 0, 1], [1, 0, 1]])
    run = tile_run(tmp_path / "run", odd, values, UTM, PLACED, 32)
    landcover.open_run(run.path).vectorize(tmp_path / "a.gpkg")
    assert len(opened(tmp_path / "a.gpkg")) == 3
    with closing(sqlite3.connect(tmp_path / "a.gpkg")) as file:
        layer, text, default = file.execute(
            "SELECT f_table_name, styleQML, useAsDefault FROM layer_styles"
        ).fetchone()
    assert layer == "a" and default == 1
    style = ElementTree.fromstring(text)
    names = [item.get("value") for item in style.iter("category")]
    colours = [item.get("value") for item in style.iter("Option") if item.get("name") == "color"]
    assert names == list(odd.names)
    assert colours == [",".join(map(str, (*item.rgb, 255))) for item in odd]


@pytest.mark.parametrize("form", FORMS)
def test_a_map_that_breaks_off_leaves_no_file(tmp_path: Path, form: str) -> None:
    run = pixel_run(tmp_path / "run", NLCD6, [(noise(5, 1100, 600), UTM, PLACED)])
    map_file = tmp_path / "run" / "map.tif"
    content = bytearray(map_file.read_bytes())
    content[-200_000:] = bytes(200_000)
    map_file.write_bytes(bytes(content))
    with pytest.raises(OutputError, match=r"map\.tif: "):
        landcover.open_run(run.path).vectorize(tmp_path / f"a{form}")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_outlines_that_no_file_can_hold_are_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landcover.analysis.polygons.MOST", 100)
    monkeypatch.setattr(patches, "PIXELS", 60 * 10)
    run = pixel_run(tmp_path / "run", NLCD6, [(noise(6, 60, 60), UTM, PLACED)])
    with pytest.raises(OutputError, match="--rule area"):
        landcover.open_run(run.path).vectorize(tmp_path / "a.gpkg")


def test_outlines_that_are_written_count_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.full((60, 20), 255, np.uint8)
    values[2::4, ::5] = 80  # 60 of them, four at a time
    monkeypatch.setattr("landcover.analysis.polygons.MOST", 40)
    monkeypatch.setattr(patches, "PIXELS", 20 * 4)
    run = pixel_run(tmp_path / "run", NLCD6, [(values, UTM, PLACED)])
    told = landcover.open_run(run.path).vectorize(tmp_path / "a.gpkg")
    assert told["polygons"].sum() == 60
