from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine, xy

from landcover.errors import ConfigError
from landcover.tiles.grid import Block, Grid, reflected, spacing

settings.register_profile("unhurried", deadline=None)  # other tests share the processor
settings.load_profile("unhurried")

SIDES = st.integers(1, 300)


@st.composite
def grids(draw: st.DrawFn, exact: bool = False) -> Grid:
    halo = draw(st.integers(0, 10))
    core = draw(st.integers(9, 70))
    stride = core if exact else draw(st.integers(1, core))
    return Grid(draw(SIDES), draw(SIDES), core + 2 * halo, halo, stride)


@given(grids(exact=True))
def test_every_pixel_is_written_exactly_once_when_the_stride_is_the_core(grid: Grid) -> None:
    written = np.zeros((grid.height, grid.width), dtype=int)
    for row in range(grid.rows):
        for col in range(grid.cols):
            y, x = row * grid.stride, col * grid.stride
            written[y : y + grid.core, x : x + grid.core] += 1
    assert (written == 1).all()


@given(grids())
def test_every_pixel_is_covered_whatever_the_stride(grid: Grid) -> None:
    assert (grid.rows - 1) * grid.stride + grid.core >= grid.height
    assert (grid.cols - 1) * grid.stride + grid.core >= grid.width


@given(grids())
def test_every_tile_begins_inside_the_scene(grid: Grid) -> None:
    assert (grid.rows - 1) * grid.stride < grid.height
    assert (grid.cols - 1) * grid.stride < grid.width


@given(grids(), st.data())
def test_bounds_agree_with_the_affine_transform(grid: Grid, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, grid.rows - 1))
    col = data.draw(st.integers(0, grid.cols - 1))
    affine = Affine(0.6, 0, 500000.3, 0, -0.6, 4000000.7)
    y, x = row * grid.stride, col * grid.stride
    xs, ys = xy(affine, [y, y + grid.core], [x, x + grid.core], offset="ul")
    bounds = grid.bounds(row, col, (0.6, 0, 500000.3, 0, -0.6, 4000000.7))
    assert bounds == pytest.approx((xs[0], ys[1], xs[1], ys[0]), abs=1e-6)


@given(grids(), st.integers(1, 9), st.integers(1, 9))
def test_blocks_hold_every_tile_once_in_row_major_order(grid: Grid, rows: int, cols: int) -> None:
    blocks = list(grid.blocks(rows, cols))
    held = [(one.row0, one.col0) for block in blocks for one in block.singles()]
    assert len(held) == len(set(held)) == grid.tiles == sum(block.tiles for block in blocks)
    assert [(b.row0, b.col0) for b in blocks] == sorted((b.row0, b.col0) for b in blocks)


@given(st.integers(-400, 400), st.integers(1, 300), st.integers(1, 50))
def test_reflection_is_that_of_numpy(start: int, length: int, size: int) -> None:
    stop = start + length
    scene = np.arange(size)
    before, after = max(0, -start), max(0, stop - size)
    expected = np.pad(scene, (before, after), mode="reflect")[start + before : stop + before]
    assert (reflected(start, stop, size) == expected).all()


def test_a_span_reaches_from_the_first_halo_to_the_last() -> None:
    grid = Grid(1000, 1000, 100, 10, 80)
    assert grid.span(0, 1) == (-10, 90)
    assert grid.span(2, 5) == (150, 410)


def test_what_a_block_writes_ends_with_the_scene() -> None:
    grid = Grid(190, 170, 100, 10, 80)
    assert grid.written(Block(0, 3, 1, 3)) == (0, 80, 170, 110)


def test_the_stride_is_what_a_tile_writes_unless_told() -> None:
    assert spacing(224, stride=None, halo=None, exact=False) == (224, 0, 224)
    assert spacing(224, stride=None, halo=16, exact=True) == (224, 16, 192)


def test_a_stride_alone_widens_the_halo_of_networks_that_label_pixels() -> None:
    assert spacing(224, stride=192, halo=None, exact=True) == (224, 16, 192)
    assert spacing(224, stride=192, halo=None, exact=False) == (224, 0, 192)


@pytest.mark.parametrize("stride, halo", [(191, None), (100, 0), (150, 32)])
def test_overlapping_tiles_are_refused_to_networks_that_label_pixels(
    stride: int, halo: int | None
) -> None:
    with pytest.raises(ConfigError, match=r"write each pixel once: .* source.stride is \d+, not"):
        spacing(224, stride=stride, halo=halo, exact=True)


def test_a_stride_that_leaves_gaps_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not cover the scene"):
        spacing(100, stride=101, halo=None, exact=False)


def test_a_halo_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="leaves nothing to write of a tile of 64"):
        spacing(64, stride=None, halo=32, exact=False)
