"""Figures: that they show what they should, as far as pixels can tell."""

from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image
from support.maps import gdal_map

from landcover.analysis.accuracy import Accuracy
from landcover.classes import Scheme, classes_of, scheme
from landcover.report.figures import confusion_figure, map_figure
from landcover.report.legend import NODATA, draw_legend
from landcover.report.matrix import Look, draw_cells
from landcover.report.scale_bar import bar_length, draw_scale, ground_width
from landcover.runs.map_format.grid import MapGrid

UTM = (30.0, 0.0, 400_000.0, 0.0, -30.0, 5_200_000.0)


def make_map(folder: Path, codes: npt.NDArray[np.integer], classes: Scheme) -> Path:
    grid = MapGrid("EPSG:26914", UTM, codes.shape[1], codes.shape[0])
    return gdal_map(folder / "map.tif", codes, grid, classes)


def counted(codes: npt.NDArray[np.integer]) -> dict[int, int]:
    return dict(
        zip(*(found.tolist() for found in np.unique(codes, return_counts=True)), strict=True)
    )


def colors_in(path: Path) -> dict[tuple[int, ...], int]:
    with Image.open(path) as image:
        counted = image.convert("RGB").getcolors(maxcolors=1 << 24)
    assert counted is not None
    return {tuple(color): count for count, color in counted}  # type: ignore[arg-type]


def test_a_map_shows_its_classes_in_their_colours_and_tells_their_shares(tmp_path: Path) -> None:
    codes = np.full((300, 400), 40)
    codes[:, :100] = 20
    codes[:150, 300:] = 255
    path = make_map(tmp_path, codes, scheme("nlcd6"))
    shares = map_figure(path, scheme("nlcd6"), counted(codes), tmp_path / "map.png", "A county")
    assert shares == pytest.approx({"Forest": 75 / 105, "Developed": 30 / 105})
    colors = colors_in(tmp_path / "map.png")
    shown = {name: colors[scheme("nlcd6").by_name[name].rgb] for name in ("Forest", "Developed")}
    assert shown["Forest"] / shown["Developed"] == pytest.approx(75 / 30, rel=0.02)
    assert scheme("nlcd6").by_name["Shrub"].rgb not in colors


def test_a_map_behind_a_url_is_drawn_too(tmp_path: Path) -> None:
    codes = np.full((30, 40), 40)
    path = make_map(tmp_path, codes, scheme("nlcd6"))
    filesystem = fsspec.filesystem("memory")
    filesystem.put_file(str(path), "/figures/map.tif")
    drawn = map_figure(
        "memory://figures/map.tif", scheme("nlcd6"), counted(codes), tmp_path / "map.png"
    )
    filesystem.rm("/figures", recursive=True)
    assert drawn == {"Forest": 1}


def test_a_map_without_any_class_is_drawn_empty(tmp_path: Path) -> None:
    codes = np.full((20, 30), 255)
    path = make_map(tmp_path, codes, scheme("nlcd6"))
    assert map_figure(path, scheme("nlcd6"), counted(codes), tmp_path / "map.png") == {}
    assert colors_in(tmp_path / "map.png")[255, 255, 255] > 500_000


def test_a_map_of_more_classes_than_a_legend_holds_is_drawn(tmp_path: Path) -> None:
    many = classes_of([f"class {n}" for n in range(300)])
    codes = np.arange(300).reshape(15, 20)
    path = make_map(tmp_path, codes, many)
    assert len(map_figure(path, many, counted(codes), tmp_path / "map.png")) == 300


def test_a_large_map_is_drawn_no_larger_than_a_small_one(tmp_path: Path) -> None:
    codes = np.full((3000, 3000), 40)
    path = make_map(tmp_path, codes, scheme("nlcd6"))
    map_figure(path, scheme("nlcd6"), counted(codes), tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as image:
        assert max(image.size) < 2000


@pytest.mark.parametrize(
    ("width", "length"),
    [(40, 10), (2000, 500), (7999, 1000), (8000, 2000), (19_999, 2000), (99_999, 20_000)],
)
def test_the_scale_bar_has_a_round_length_of_at_most_a_quarter(width: float, length: float) -> None:
    assert bar_length(width) == length


@pytest.mark.parametrize(("metres", "told"), [(3999, "500 m"), (4000, "1 km"), (99_999, "20 km")])
def test_the_scale_bar_says_its_length_in_metres_or_kilometres(metres: float, told: str) -> None:
    axes = Figure(figsize=(4, 1)).subplots()
    draw_scale(axes, metres, "EPSG:26914")
    assert [text.get_text() for text in axes.texts[1:]] == ["0", told]
    assert axes.texts[0].get_text() == "NAD83 / UTM zone 14N (EPSG:26914)"


def test_distances_on_the_ground_are_right_in_degrees_too() -> None:
    utm = MapGrid("EPSG:26914", UTM, 1000, 1000)
    assert ground_width(utm) == pytest.approx(30_000, rel=1e-3)
    degrees = MapGrid("EPSG:4326", (0.001, 0.0, -100.0, 0.0, -0.001, 60.5), 1000, 1000)
    assert ground_width(degrees) == pytest.approx(111_320 * 0.5, rel=5e-3)  # at 60 degrees north


def test_a_confusion_matrix_is_blue_where_right_and_red_where_wrong(tmp_path: Path) -> None:
    confusion_figure(np.diag([50, 50]), ["a", "b"], tmp_path / "right.png")
    confusion_figure(np.array([[0, 50], [50, 0]]), ["a", "b"], tmp_path / "wrong.png")
    blue, red = (0x2B, 0x6C, 0xA3), (0xC8, 0x55, 0x3D)
    right, wrong = colors_in(tmp_path / "right.png"), colors_in(tmp_path / "wrong.png")
    assert blue in right and red not in right
    assert red in wrong and blue not in wrong


def test_cells_are_as_strong_as_their_share_of_the_reference_class() -> None:
    found = Accuracy(("a", "b"), np.array([[30, 10], [0, 20]]))
    axes = Figure().add_subplot()
    draw_cells(axes, found, Look.of(2))
    (cells,) = axes.get_images()
    wrong = np.array([0xC8, 0x55, 0x3D])
    found_cell = np.asarray(cells.get_array())[0, 1]
    assert found_cell == pytest.approx(255 - 0.25 * (255 - wrong), abs=1)


def test_classes_without_tiles_are_left_out_of_the_matrix(tmp_path: Path) -> None:
    matrix = np.zeros((6, 6), int)
    matrix[1, 1] = matrix[4, 4] = 3
    confusion_figure(matrix, scheme("nlcd6").names, tmp_path / "some.png")
    confusion_figure(np.diag([3, 3]), ["Forest", "Herbaceous"], tmp_path / "two.png")
    with Image.open(tmp_path / "some.png") as some, Image.open(tmp_path / "two.png") as two:
        assert some.size == two.size


def test_a_matrix_of_many_classes_is_drawn_and_one_of_none_refused(tmp_path: Path) -> None:
    confusion_figure(np.ones((60, 60), int), [str(n) for n in range(60)], tmp_path / "60.png")
    with pytest.raises(ValueError, match="without tiles"):
        confusion_figure(np.zeros((2, 2), int), ["a", "b"], tmp_path / "none.png")


LOCAL = 'LOCAL_CS["a site",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
MOON = "+proj=longlat +R=1737400 +no_defs"
CAMERA = "+proj=geos +h=35785831 +lon_0=0 +datum=WGS84 +units=m"


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:4326", (9.0, 0.0, -180.0, 0.0, -6.0, 90.0)),  # all of the world
        (LOCAL, (1.0, 0.0, 0.0, 0.0, -1.0, 30.0)),
        (MOON, (0.1, 0.0, 10.0, 0.0, -0.1, 5.0)),
        (CAMERA, (3e5, 0.0, -6e6, 0.0, -3e5, 4.5e6)),  # its edges show the sky
    ],
    ids=["world", "site", "moon", "camera"],
)
def test_a_map_of_unknown_width_is_drawn_without_a_scale_bar(
    tmp_path: Path, crs: str, transform: tuple[float, ...]
) -> None:
    codes = np.full((30, 40), 40)
    grid = MapGrid(crs, transform, 40, 30)  # type: ignore[arg-type]
    path = gdal_map(tmp_path / "map.tif", codes, grid, scheme("nlcd6"))
    assert ground_width(grid) is None
    assert map_figure(path, scheme("nlcd6"), counted(codes), tmp_path / "map.png") == {"Forest": 1}


def test_a_legend_lists_the_largest_class_first_with_shares_in_percent() -> None:
    axes = Figure(figsize=(4, 4)).subplots()
    classes = scheme("nlcd6")
    shares = dict(zip(classes.codes, (0.1, 0.5, 0.0004, 0.3, 0.0996, 0), strict=False))
    draw_legend(axes, classes, shares, gaps=True)
    told = [text.get_text() for text in axes.texts]
    ordered = sorted(shares, key=lambda code: -shares[code])
    names = [classes.by_code[code].name for code in ordered]
    assert told[0:12:2] == names and told[12] == "no data"
    assert told[1:5:2] == ["50.0%", "30.0%"] and told[9] == "< 0.1%"
    colors = [classes.by_code[code].color for code in ordered]
    assert [to_hex(patch.get_facecolor()) for patch in axes.patches] == [*colors, NODATA]


def test_a_legend_of_many_classes_says_what_share_the_others_have() -> None:
    axes = Figure(figsize=(4, 8)).subplots()
    classes = classes_of([f"class {number}" for number in range(30)])
    shares = {code: (30 - n) / 465 for n, code in enumerate(classes.codes)}
    draw_legend(axes, classes, shares, gaps=False)
    told = [text.get_text() for text in axes.texts]
    assert told[-2:] == ["12 other classes", "16.8%"]  # 78 of 465
