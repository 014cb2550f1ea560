from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine, xy

from landcover.errors import ConfigError
from landcover.tiles.grid import (
    Block,
    Grid,
    Rectangle,
    Size,
    reflected,
    spacing,
    with_mirrored,
)

settings.register_profile("unhurried", deadline=None)  # other tests share the processor
settings.load_profile("unhurried")

SIDES = st.integers(1, 300)


@st.composite
def grids(draw: st.DrawFn, exact: bool = False) -> Grid:
    halo = draw(st.integers(0, 10))
    core = Size(draw(st.integers(9, 70)), draw(st.integers(9, 70)))
    steps = [edge if exact else draw(st.integers(1, edge)) for edge in core]
    before = Size(*(draw(st.integers(0, step - 1)) for step in steps))
    return Grid(draw(SIDES), draw(SIDES), core.less(-halo), halo, Size(*steps), before)


@given(grids(exact=True))
def test_every_pixel_is_written_exactly_once_when_the_stride_is_the_core(grid: Grid) -> None:
    written = np.zeros((grid.height, grid.width), dtype=int)
    for one in Block(0, grid.rows, 0, grid.cols).singles():
        row0, row1, col0, col1 = grid.written(one)
        assert 0 <= row0 < row1 and 0 <= col0 < col1
        written[row0:row1, col0:col1] += 1
    assert (written == 1).all()


@given(grids())
def test_every_pixel_is_covered_whatever_the_stride(grid: Grid) -> None:
    row, col = grid.corner(grid.rows - 1, grid.cols - 1)
    assert row + grid.core.rows >= grid.height and col + grid.core.cols >= grid.width


@given(grids())
def test_every_tile_has_a_part_of_the_scene(grid: Grid) -> None:
    first, last = grid.corner(0, 0), grid.corner(grid.rows - 1, grid.cols - 1)
    assert first[0] <= 0 and first[1] <= 0
    assert first[0] + grid.core.rows > 0 and first[1] + grid.core.cols > 0
    assert last[0] < grid.height and last[1] < grid.width


@given(grids(), st.data())
def test_bounds_agree_with_the_affine_transform(grid: Grid, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, grid.rows - 1))
    col = data.draw(st.integers(0, grid.cols - 1))
    affine = Affine(0.6, 0, 500000.3, 0, -0.7, 4000000.7)
    y, x = grid.corner(row, col)
    xs, ys = xy(affine, [y, y + grid.core.rows], [x, x + grid.core.cols], offset="ul")
    bounds = grid.bounds(row, col, (0.6, 0, 500000.3, 0, -0.7, 4000000.7))
    assert bounds == pytest.approx((xs[0], ys[1], xs[1], ys[0]), abs=1e-6)


@given(grids(), st.integers(1, 9), st.integers(1, 9))
def test_blocks_hold_every_tile_once_in_row_major_order(grid: Grid, rows: int, cols: int) -> None:
    blocks = list(grid.blocks(rows, cols))
    held = [(one.row0, one.col0) for block in blocks for one in block.singles()]
    assert len(held) == len(set(held)) == grid.tiles == sum(block.tiles for block in blocks)
    assert [(b.row0, b.col0) for b in blocks] == sorted((b.row0, b.col0) for b in blocks)


@given(st.integers(-400, 400), st.integers(1, 300), st.integers(1, 50))
def test_a_scene_is_mirrored_at_its_outermost_pixels(start: int, length: int, size: int) -> None:
    def stands_for(place: int) -> int:
        while not 0 <= place < size:
            place = -place if place < 0 else 2 * (size - 1) - place
        return place

    expected = [stands_for(place) if size > 1 else 0 for place in range(start, start + length)]
    assert reflected(start, start + length, size).tolist() == expected


def test_a_block_reads_from_the_first_halo_to_the_last() -> None:
    grid = Grid(1000, 1000, Size(100, 120), 10, Size(80, 100), Size(7, 9))
    assert grid.read(Block(0, 1, 2, 5)) == (-17, 83, 181, 501)


def test_what_a_block_writes_ends_with_the_scene() -> None:
    grid = Grid(190, 170, Size.of(100), 10, Size.of(80))
    assert grid.written(Block(0, 3, 1, 3)) == (0, 170, 80, 190)


def test_the_mirror_shows_pixels_inside_the_scene() -> None:
    scene = Rectangle(0, 50, 0, 200)
    assert with_mirrored(Rectangle(-10, 20, 150, 260), scene) == (-10, 20, 139, 260)
    assert with_mirrored(Rectangle(45, 90, 3, 9), scene) == (9, 90, 3, 9)
    assert with_mirrored(Rectangle(-10, 5, -7, 2), scene) == (-10, 11, -7, 8)


def test_rectangles_that_lie_beside_each_other_share_nothing() -> None:
    one = Rectangle(0, 5, 0, 7)
    assert one.common(Rectangle(5, 9, 0, 7)) is None is one.common(Rectangle(0, 5, 7, 9))
    assert one.common(Rectangle(4, 9, 6, 9)) == (4, 5, 6, 7)


def test_a_rectangle_outside_another_is_cut_in_four() -> None:
    parts = list(Rectangle(-5, 30, -4, 20).outside(Rectangle(0, 25, 0, 10)))
    whole = np.zeros((40, 40), int)
    for row0, row1, col0, col1 in [*parts, Rectangle(0, 25, 0, 10)]:
        whole[row0 + 5 : row1 + 5, col0 + 4 : col1 + 4] += 1
    assert (whole[:35, :24] == 1).all() and whole.sum() == 35 * 24


def test_the_stride_is_what_a_tile_writes_unless_told() -> None:
    wide = Size(48, 80)
    assert spacing(wide, stride=None, halo=None, exact=False) == (wide, 0, wide)
    assert spacing(wide, stride=None, halo=16, exact=True) == (wide, 16, (16, 48))
    assert spacing(wide, stride=40, halo=None, exact=False) == (wide, 0, (40, 40))


def test_a_stride_alone_widens_the_halo_of_networks_that_label_pixels() -> None:
    tile = Size.of(224)
    assert spacing(tile, stride=192, halo=None, exact=True) == (tile, 16, (192, 192))
    assert spacing(tile, stride=192, halo=None, exact=False) == (tile, 0, (192, 192))


def test_one_stride_does_not_fit_windows_of_pixels_that_are_no_squares() -> None:
    for stride in (48, 40):
        with pytest.raises(
            ConfigError, match=r"48 x 80 .* source.stride is left out \(48 x 80\), not 4"
        ):
            spacing(Size(48, 80), stride=stride, halo=None, exact=True)


@pytest.mark.parametrize("stride, halo, fits", [(191, None, 224), (100, 0, 224), (150, 32, 160)])
def test_overlapping_tiles_are_refused_to_networks_that_label_pixels(
    stride: int, halo: int | None, fits: int
) -> None:
    with pytest.raises(
        ConfigError, match=f"write each pixel once: .* source.stride is {fits}, not"
    ):
        spacing(Size.of(224), stride=stride, halo=halo, exact=True)


def test_a_stride_that_leaves_gaps_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not cover the scene"):
        spacing(Size.of(100), stride=101, halo=None, exact=False)


def test_a_halo_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="leaves nothing to write of a tile of 64"):
        spacing(Size.of(64), stride=None, halo=32, exact=False)
