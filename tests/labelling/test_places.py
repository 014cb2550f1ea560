"""Known classes at known coordinates are found under the right tile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from support.ground import around, codes_at, squares, write_codes
from support.rasters import imagery, write

from landcover.analysis.reference_raster import ReferenceRaster
from landcover.classes import scheme
from landcover.labelling.plane import outlines_of, plane_of
from landcover.labelling.reference import RasterReference
from landcover.labelling.rules import REASONS, Asked, legend_of
from landcover.labelling.settings import LabelSettings
from landcover.labelling.splitting import Grounds
from landcover.tiles.grid import Block, Size
from landcover.tiles.rasters import RasterSource
from landcover.tiles.regions import Region, known

GROUPS = {21: 20, 24: 20, 41: 40, 82: 80, 71: 70}
SINUSOIDAL = "+proj=sinu +lon_0=-97 +R=6371007 +units=m"
# Imagery in a CRS, at a resolution in metres; a reference in another, at its own resolution.
CASES = [
    ("EPSG:26914", (500000, 4000000), 1.0, "EPSG:5070", 30.0),
    ("EPSG:26914", (500000, 4000000), 0.6, "EPSG:26914", 10.0),
    ("EPSG:32615", (210000, 5000000), 2.0, SINUSOIDAL, 30.0),
    ("EPSG:5070", (-90000, 1500000), 1.0, "EPSG:4326", 1 / 3600),
    ("EPSG:3857", (-10800000, 8400000), 1.0, "EPSG:26914", 25.0),
    ("EPSG:4326", (-99.0, 36.1), 1e-5, "EPSG:5070", 30.0),
]


def _scene(folder: Path, crs: str, corner: tuple[float, float], pixel: float, **how: Any) -> Any:
    from rasterio.transform import from_origin

    path = write(
        folder / "scene.tif",
        imagery(1, 420, 380),
        crs=crs,
        transform=from_origin(*corner, pixel, pixel),
    )
    [scene] = RasterSource([path], tile=20, **how).scenes()
    return scene


def _reference(path: str, rule: str, **more: Any) -> RasterReference:
    settings = LabelSettings(rule=rule, **more)
    nlcd = scheme("nlcd")
    raster = ReferenceRaster(path, nlcd)
    return RasterReference(raster, legend_of(settings, nlcd), Asked.of(settings))


def _places(scene: Any, steps: int) -> tuple[Any, Any]:
    """x and y of places in all tiles: dims (tile, place)."""
    a, _, c, _, e, f = scene.transform
    grid, size = scene.grid, scene.grid.tile.rows
    at = (np.arange(steps) + 0.5) / steps * size
    row, col, y, x = np.meshgrid(range(grid.rows), range(grid.cols), at, at, indexing="ij")
    shape = grid.tiles, steps * steps
    x = c + a * (col * grid.stride.cols + x)
    y = f + e * (row * grid.stride.rows + y)
    return x.reshape(shape), y.reshape(shape)


def _labels(reference: RasterReference, scene: Any) -> Any:
    names = reference.legend.scheme.codes
    with reference.opened() as opened:
        found = opened.labels(scene, Block(0, scene.grid.rows, 0, scene.grid.cols)).ravel()
    return np.array([names[one] if one >= 0 else 0 for one in found])


@pytest.mark.parametrize(("steps", "rule"), [(3, "nine-point"), (1, "centre")])
@pytest.mark.parametrize(("crs", "corner", "pixel", "of", "resolution"), CASES)
@pytest.mark.parametrize("stride", [20, 13])
def test_a_tile_has_the_class_of_the_ground_at_its_points(
    tmp_path: Path,
    crs: str,
    corner: tuple[float, float],
    pixel: float,
    of: str,
    resolution: float,
    rule: str,
    steps: int,
    stride: int,
) -> None:
    scene = _scene(tmp_path, crs, corner, pixel, stride=stride)
    middle = corner[0] + 187.3 * pixel, corner[1] - 211.9 * pixel
    metres = resolution * (111_320 if of == "EPSG:4326" else 1)
    path = write_codes(
        tmp_path / "codes.tif",
        squares(60, 2),
        of,
        around(of, *middle, crs, 120 * metres),
        resolution,
    )
    x, y = _places(scene, steps)
    codes, edge = codes_at(path, x, y, crs)
    groups = np.vectorize(lambda code: GROUPS.get(code, 0))(codes)
    same = (groups == groups[:, :1]).all(axis=1)
    expected = np.where(same, groups[:, 0], 0)
    found = _labels(_reference(path, rule), scene)
    sure = (edge > 1e-4).all(axis=1)  # of a pixel
    assert sure.mean() > 0.98 and len({*expected}) >= 3
    np.testing.assert_array_equal(found[sure], expected[sure])


def test_a_majority_is_the_share_of_a_tile_in_pixels_of_the_reference(tmp_path: Path) -> None:
    scene = _scene(tmp_path, "EPSG:26914", (500000, 4000000), 3.0)
    path = write_codes(
        tmp_path / "codes.tif", squares(200, 1), "EPSG:26914", (500000, 4000000), 15.0
    )
    codes = squares(200, 1)[: scene.grid.rows * 4, : scene.grid.cols * 4]
    tiles = codes.reshape(scene.grid.rows, 4, scene.grid.cols, 4).swapaxes(1, 2).reshape(-1, 16)
    groups = np.vectorize(lambda code: GROUPS.get(code, 0))(tiles)
    for share in (0.25, 0.5):
        found = _labels(_reference(path, "majority", share=share), scene)
        most = {g: (groups == g).mean(axis=1) for g in (40, 80, 70, 20)}
        best = np.max(list(most.values()), axis=0)
        assert ((found > 0) == (best >= share)).all()
        for group, part in most.items():
            np.testing.assert_array_less(best[found == group] - 1e-9, part[found == group])


def test_a_label_does_not_depend_on_which_tiles_are_looked_at_together(tmp_path: Path) -> None:
    """Of a scene from 39 to 60 degrees north, in which a degree is 39 to 56 of the reference's pixels."""
    scene = _scene(tmp_path, "EPSG:4326", (-106.0, 60.0), 0.05)
    corner = around("EPSG:5070", -96.5, 49.5, "EPSG:4326", 3_600_000)
    path = write_codes(tmp_path / "codes.tif", squares(900, 1), "EPSG:5070", corner, 4000.0)
    reference = _reference(path, "majority", share=0.18, scheme="nlcd")
    rows, cols = scene.grid.rows, scene.grid.cols
    with reference.opened() as opened:
        together = opened.labels(scene, Block(0, rows, 0, cols))
        apart = [opened.labels(scene, Block(row, row + 1, 0, cols))[0] for row in range(rows)]
    assert len({*together.ravel()}) >= 3
    np.testing.assert_array_equal(together, apart)


def test_tiles_along_the_edge_of_a_region_lie_in_it_whichever_are_looked_at_together(
    tmp_path: Path,
) -> None:
    """Edges of 100 km, straight in UTM and bent in the plane in which tiles are split."""
    scene = _scene(tmp_path, "EPSG:26914", (700_000, 4_000_000), 1.0)
    edge, tile = 100_000, Size(16, 16)
    scene = replace(
        scene, grid=replace(scene.grid, width=edge, height=edge, tile=tile, stride=tile)
    )
    county = shapely.box(700_000, 4_000_000 - edge, 700_000 + edge, 4_000_000)
    region = Region(np.array([county], object), pyproj.CRS.from_user_input(26914), "county")
    plane = plane_of([scene])
    splitting = Grounds(plane, 0.0, (None, known(region), None), 0)
    for block in (Block(0, 1, 0, 6250), Block(6249, 6250, 0, 6250), Block(0, 6250, 0, 1)):
        outlines = outlines_of(scene, block, plane)
        assert (splitting.of(outlines, -1) == 1).all()
        assert (splitting.of(outlines[3000:3007], -1) == 1).all()


def test_pyramids_of_a_reference_change_no_label(tmp_path: Path) -> None:
    import rasterio
    from rasterio.enums import Resampling

    scene = _scene(tmp_path, "EPSG:26914", (500000, 4000000), 10.0)
    path = write_codes(tmp_path / "codes.tif", squares(500, 1), "EPSG:26914", (500000, 4000000), 10)
    before = _labels(_reference(path, "centre"), scene)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4, 8, 16], Resampling.average)
    np.testing.assert_array_equal(_labels(_reference(path, "centre"), scene), before)


def test_why_a_tile_has_no_label_is_told(tmp_path: Path) -> None:
    codes = np.array([[21, 21, 11, 11], [21, 41, 11, 11], [0, 0, 82, 82], [0, 0, 82, 82]], np.uint8)
    scene = _scene(tmp_path, "EPSG:26914", (500000, 4000000), 1.0)
    path = write_codes(tmp_path / "codes.tif", codes, "EPSG:26914", (500000, 4000000), 10.0)
    with _reference(path, "nine-point").opened() as opened:
        found = opened.labels(scene, Block(0, 3, 0, 2)).tolist()
    reasons = [[REASONS[-1 - one] if one < 0 else "" for one in row] for row in found]
    none = "no reference"
    assert reasons == [["mixed", "no class"], [none, ""], [none, none]]


def test_codes_that_are_none_of_the_scheme_are_refused(shared: Path, tmp_path: Path) -> None:
    import rasterio

    path = str(shared / "imagery/nlcd-rasters/nlcd_zion_simplified_8class.tif")
    with rasterio.open(path) as file:
        corner, crs = file.transform @ (400, 400), file.crs.to_string()
    scene = _scene(tmp_path, crs, corner, 10.0)
    with pytest.raises(Exception, match="no codes of scheme 'nlcd'"):
        _labels(_reference(path, "centre"), scene)


@pytest.mark.parametrize(
    "name",
    [
        "nlcd_durham_NC_epsg5070",
        "nlcd_RI_seMA_sinusoidal",
        "nlcd2011_zion_utm12",
        "nlcd_idaho_utm11_10m",
    ],
)
def test_real_nlcd_is_found_under_imagery_in_the_utm_zone_of_the_place(
    shared: Path, tmp_path: Path, name: str
) -> None:
    import pyproj
    import rasterio

    path = str(shared / f"imagery/nlcd-rasters/{name}.tif")
    with rasterio.open(path) as file:
        x, y = file.transform @ (file.width / 2, file.height / 2)
        to_degrees = pyproj.Transformer.from_crs(file.crs.to_wkt(), 4326, always_xy=True)
    lon, lat = to_degrees.transform(x, y)
    utm = f"EPSG:{32601 + int((lon + 180) // 6)}"
    corner = pyproj.Transformer.from_crs(4326, utm, always_xy=True).transform(lon, lat)
    scene = _scene(tmp_path, utm, corner, 8.0)
    x, y = _places(scene, 1)
    codes, edge = codes_at(path, x, y, utm)
    reference = _reference(path, "centre", scheme="nlcd")
    sure = edge[:, 0] > 1e-4
    np.testing.assert_array_equal(
        _labels(reference, scene)[sure], np.where(codes == 255, 0, codes)[sure, 0]
    )
    assert sure.mean() > 0.98 and len({*codes.ravel()}) > 2
