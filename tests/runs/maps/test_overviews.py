"""Maps that are made in pieces are those that GDAL makes as a whole, byte by byte."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.grids import square_grid
from support.maps import gdal_map, levels, write_maps

from landcover.classes import LandClass, Scheme, classes_of, scheme
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Area, Size
from landcover.runs.map_format.grid import SceneGrid
from landcover.runs.map_format.overviews import reduced, sources
from landcover.runs.maps.layout import Layout
from landcover.runs.parts import Part, write_part
from landcover.runs.pixels import PixelBlock

CRS = "EPSG:26914"
MakePart = Callable[..., Part]
Pixels = npt.NDArray[np.unsignedinteger]


def patches(seed: int, height: int, width: int, classes: Scheme) -> Pixels:
    """Patches of classes of many sizes, with gaps and single pixels in between."""
    rng = np.random.default_rng(seed)
    codes = np.array([*classes.codes, classes.nodata], classes.dtype)
    coarse = rng.choice(codes, (height // 37 + 2, width // 41 + 2))
    found = coarse.repeat(37, axis=0).repeat(41, axis=1)[5 : 5 + height, 9 : 9 + width].copy()
    single = rng.random(found.shape) < 0.05
    found[single] = rng.choice(codes, int(single.sum()))
    return found


def written(
    folder: Path, make_part: MakePart, codes: Pixels, classes: Scheme, task: tuple[int, int]
) -> RunDirectory:
    """A run of one scene whose tasks label so many rows and columns each."""
    run = RunDirectory(str(folder), classes)
    run.storage.prepare("tiles", "quarantine", "pixels")
    scene = scene_of(codes)
    a, _, c, _, e, f = scene.transform
    height, width = codes.shape
    index = 0
    for row in range(0, height, task[0]):
        for col in range(0, width, task[1]):
            placed = (a, 0.0, c + a * col, 0.0, e, f + e * row)
            values = codes[row : row + task[0], col : col + task[1]]
            block = PixelBlock(scene.name, values, row, col, placed, CRS)
            write_part(run, make_part(index, [], pixels=block))
            index += 1
    maps = write_maps(run, [scene], "pixel")
    found, counts = np.unique(codes, return_counts=True)
    assert maps.counts == dict(zip(found.tolist(), counts.tolist(), strict=True))
    return run


def scene_of(codes: Pixels) -> SceneGrid:
    height, width = codes.shape
    return SceneGrid(
        "a.tif", CRS, (0.6, 0.0, 4e5, 0.0, -0.6, 5.2e6), square_grid(width, height, 64, 0, 64)
    )


many = classes_of([f"class {n}" for n in range(300)])
odd = Scheme("odd", tuple(LandClass(code, f"<{code}>", f"#0000{code:02x}") for code in (3, 0, 254)))


@pytest.mark.parametrize(
    ("shape", "task", "classes"),
    [
        ((1501, 1203), (512, 1024), scheme("nlcd6")),  # on the blocks of the map
        ((1501, 1203), (448, 672), odd),  # across them
        ((700, 900), (100, 900), many),
        ((2049, 513), (2049, 100), scheme("nlcd")),
        ((3, 2600), (3, 700), scheme("nlcd3")),
        ((300, 200), (64, 64), scheme("cdl")),
    ],
)
def test_a_map_of_parts_has_the_bytes_of_one_that_gdal_makes_of_all_pixels(
    tmp_path: Path,
    make_part: MakePart,
    shape: tuple[int, int],
    task: tuple[int, int],
    classes: Scheme,
) -> None:
    codes = patches(1, *shape, classes)
    run = written(tmp_path / "run", make_part, codes, classes, task)
    whole = gdal_map(tmp_path / "whole.tif", codes, scene_of(codes).map_grid("pixel"), classes)
    made = levels(run.storage.where("map.tif"))
    for level, expected in zip(made, levels(whole), strict=True):
        np.testing.assert_array_equal(level, expected)
    assert run.storage.read("map.tif") == whole.read_bytes()


@pytest.mark.parametrize("shape", [(8300, 1100), (1301, 17_001)])  # also odd, in chunks of GDAL's
def test_a_map_of_more_pieces_than_one_has_the_bytes_of_one_that_gdal_makes_of_all_pixels(
    tmp_path: Path, make_part: MakePart, shape: tuple[int, int]
) -> None:
    codes = patches(2, *shape, scheme("nlcd6"))
    run = written(tmp_path / "run", make_part, codes, scheme("nlcd6"), (4100, 6144))
    grid = scene_of(codes).map_grid("pixel")
    whole = gdal_map(tmp_path / "whole.tif", codes, grid, scheme("nlcd6"))
    assert run.storage.read("map.tif") == whole.read_bytes()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40_000),
    st.integers(1, 40_000),
    st.integers(0, 2**32 - 1),
)
def test_every_block_of_every_level_is_made_by_one_piece(
    height: int, width: int, seed: int
) -> None:
    layout = Layout("0", Size(height, width))
    made: dict[int, list[tuple[int, int]]] = {level: [] for level in range(len(layout.sizes))}
    for base in layout.bases:
        for piece in layout.pieces(base).cells():
            for level, blocks in layout.owned(base, *piece).items():
                assert layout.base_of(level) == base
                made[level] += blocks.cells()
    for level, blocks in made.items():
        assert sorted(blocks) == list(layout.sizes[level].area.blocks().cells())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1), st.booleans())
def test_pieces_of_overviews_are_those_of_the_whole(
    height: int, width: int, seed: int, gaps: bool
) -> None:
    """Any part of a level, from no more than the pixels that are said to be needed."""
    rng = np.random.default_rng(seed)
    codes = rng.choice([0, 1, 2, 255] if gaps else [0, 1, 2], (height, width)).astype(np.uint8)
    sizes = [Size(height, width), Size(max(1, height // 2), max(1, width // 2))]
    sizes.append(Size(max(1, sizes[1].height // 2), max(1, sizes[1].width // 2)))
    whole = [codes]
    for size, following in pairwise(sizes):
        whole.append(slow(whole[-1], following))
        made = reduced(whole[-2], size.area, following.area, size, following, 255)
        np.testing.assert_array_equal(made, whole[-1])
    row, col = rng.integers(sizes[2].height), rng.integers(sizes[2].width)
    area = Area(row, int(rng.integers(row, sizes[2].height)) + 1, col, sizes[2].width)
    below = sources(area, sizes[1], sizes[2])
    part = reduced(whole[1][below.within(sizes[1].area)], below, area, sizes[1], sizes[2], 255)
    np.testing.assert_array_equal(part, whole[2][area.within(sizes[2].area)])


def slow(codes: Pixels, size: Size) -> Pixels:
    """The most frequent code of the pixels that each one touches, counted one by one."""
    found = np.empty(size, codes.dtype)
    for row, col in np.ndindex(*size):
        rows = touched(row, codes.shape[0], size.height)
        cols = touched(col, codes.shape[1], size.width)
        counts: dict[int, int] = {}
        best = 255
        for code in codes[rows, cols].ravel().tolist():
            if code != 255:
                counts[code] = counts.get(code, 0) + 1
                best = code if counts[code] > counts.get(best, 0) else best
        found[row, col] = best
    return found


def touched(index: int, count: int, following: int) -> slice:
    return slice(index * count // following, -(-(index + 1) * count // following))
