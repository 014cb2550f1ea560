"""Labels that people have made: points and polygons as a reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
from support.rasters import imagery, write
from support.vectors import write_vectors

import landcover as lc
from landcover.errors import LandcoverError

WEST, NORTH = 500000.0, 4000000.0


def _asked(folder: Path, reference: str, **labels: Any) -> dict[str, Any]:
    return {
        "source": {"rasters": write(folder / "scene.tif", imagery(3, 400, 400)), "tile": 20},
        "reference": {"path": reference, "scheme": "nlcd6"},
        "labels": labels,
        "split": {"shares": {"train": 1}},
        "draw": {"balance": "none"},
        "output": str(folder / "out"),
    }


def test_a_tile_has_the_class_of_the_points_in_it(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    x, y = WEST + generator.uniform(0, 400, 300), NORTH - generator.uniform(0, 400, 300)
    classes = generator.choice(["Forest", "Developed", "cultivated"], 300)
    points = geopandas.GeoDataFrame({"class": classes}, geometry=shapely.points(x, y), crs=26914)
    points.to_crs(4326).to_file(tmp_path / "points.geojson")
    tiles = lc.prepare(_asked(tmp_path, str(tmp_path / "points.geojson"))).tiles()
    cells: dict[tuple[int, int], set[str]] = {}
    for col, row, name in zip((x - WEST) // 20, (NORTH - y) // 20, classes, strict=True):
        cells.setdefault((int(col), int(row)), set()).add(name.capitalize())
    expected = {cell: names.pop() for cell, names in cells.items() if len(names) == 1}
    bounds = tiles.geometry.bounds
    places = zip((bounds.minx - WEST) // 20, (NORTH - bounds.maxy) // 20, strict=True)
    assert dict(zip(((int(a), int(b)) for a, b in places), tiles["class"], strict=True)) == expected


@pytest.mark.parametrize(
    ("rule", "share"), [("nine-point", 1.0), ("majority", 0.6), ("centre", 0.0)]
)
def test_a_tile_has_the_class_of_the_polygons_under_it(
    tmp_path: Path, rule: str, share: float
) -> None:
    forest = shapely.box(WEST + 33, NORTH - 310, WEST + 187, NORTH - 45)
    town = shapely.Polygon(
        [(WEST + 150, NORTH - 20), (WEST + 390, NORTH - 150), (WEST + 200, NORTH - 390)]
    )
    path = write_vectors(tmp_path / "land.gpkg", forest, town, label=["40", "20"])
    tiles = lc.prepare(_asked(tmp_path, path, rule=rule, share=share or 1)).tiles()
    assert {*tiles["class"]} == {"Forest", "Developed"}
    shapes = {"Forest": forest - town, "Developed": town - forest}
    for tile in tiles.itertuples():
        shown = shapes[tile._2]
        covered = tile.geometry.intersection(shown).area / tile.geometry.area
        assert covered >= share - 0.05 if rule == "majority" else covered > 0.2
        assert rule != "centre" or shown.buffer(1e-6).contains(tile.geometry.centroid)
    whole = [name for name, shape in shapes.items() for _ in _inside(shape)]
    assert len(tiles) >= len(whole)


def test_ground_of_two_classes_is_of_none_and_of_two_of_one_group_is_of_that(
    tmp_path: Path,
) -> None:
    west, east = (
        shapely.box(WEST + 400 * a, NORTH - 400, WEST + 400 * b, NORTH)
        for a, b in ((0, 0.6), (0.4, 1))
    )
    path = write_vectors(tmp_path / "land.gpkg", west, west, east, label=["41", "42", "21"])
    asked = _asked(tmp_path, path, rule="centre")
    found = lc.prepare({**asked, "reference": path})
    assert found.counts["train"].to_dict() == {"Forest": 160, "Developed": 160}
    assert found.summary["left_out"]["no class"] == 80


def _inside(shape: Any) -> list[Any]:
    every = (
        shapely.box(WEST + x, NORTH - y - 20, WEST + x + 20, NORTH - y)
        for x in range(0, 400, 20)
        for y in range(0, 400, 20)
    )
    return [tile for tile in every if shape.contains(tile)]


BAD = {
    "line": (
        shapely.LineString([(WEST, NORTH), (WEST + 9, NORTH)]),
        {"label": ["Forest"]},
        "has LineString: a",
    ),
    "column": (
        shapely.Point(WEST + 9, NORTH - 9),
        {"kind": ["Forest"]},
        "has no column 'reference'",
    ),
    "class": (shapely.Point(WEST + 9, NORTH - 9), {"label": ["Wood"]}, "'Wood', which is no class"),
    "infinite": (shapely.Point(np.inf, NORTH), {"label": ["Forest"]}, "that are no numbers"),
    "far": (shapely.Point(WEST - 9000, NORTH), {"label": ["Forest"]}, "does not meet the imagery"),
}


@pytest.mark.parametrize("name", BAD)
def test_shapes_that_are_no_reference_are_refused(tmp_path: Path, name: str) -> None:
    shape, columns, sentence = BAD[name]
    path = write_vectors(tmp_path / "shapes.gpkg", shape, **columns)
    with pytest.raises(LandcoverError, match=sentence):
        lc.prepare(_asked(tmp_path, path))
    assert not (tmp_path / "out").exists()
