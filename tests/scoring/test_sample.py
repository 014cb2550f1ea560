"""Tiles that are drawn from a plan."""

from __future__ import annotations

import numpy as np
import pytest
from support.colours import blobs, write_scene

from landcover.contracts import Strip, Tile
from landcover.scoring.sample import Sample, draw
from landcover.tiles.rasters import RasterSource


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RasterSource:
    """40 x 40 tiles, of which those of the left half hold nothing."""
    pixels = blobs(3, 640, 640)
    pixels[:, :, :320] = 0
    scene = write_scene(tmp_path_factory.mktemp("sample") / "scene.tif", pixels, nodata=0)
    bands = (1, 2, 3)
    return RasterSource(
        (str(scene),), tile=16, stride=None, halo=0, resolution=None, bands=bands, mask=False
    )


def _names(sample: Sample) -> tuple[list[str], list[str]]:
    parts = (sample.chosen_by, sample.judged_by)
    first, second = ([t.tile for strip in part for t in strip.tiles] for part in parts)
    return first, second


def test_the_same_plan_gives_the_same_tiles_in_two_parts_that_share_none(
    source: RasterSource,
) -> None:
    one, other = draw(source, 1600, 100), draw(source, 1600, 100)
    chosen, judged = _names(one)
    assert (len(chosen), len(judged)) == (20, 80)
    assert len({*chosen, *judged}) == 100
    assert _names(other) == (chosen, judged) and other.digest == one.digest
    assert draw(source, 1600, 90).digest != one.digest


def test_tiles_come_from_all_over_the_plan_and_hold_data(source: RasterSource) -> None:
    sample = draw(source, 1600, 100)
    tiles = [t for part in (sample.chosen_by, sample.judged_by) for s in part for t in s.tiles]
    rows, cols = (np.array([getattr(tile, key) for tile in tiles]) for key in ("row", "col"))
    assert cols.min() >= 20
    for places, low, high in ((rows, 0, 40), (cols, 20, 40)):
        share = np.histogram(places, 4, (low, high))[0] / len(tiles)
        assert share.min() > 0.1


def test_a_small_plan_is_drawn_whole(source: RasterSource) -> None:
    chosen, judged = _names(draw(source, 1600, 5000))
    assert len({*chosen, *judged}) == len(chosen) + len(judged) == 800


def test_samples_of_the_same_pixels_differ_where_other_pixels_count() -> None:
    pixels = np.zeros((1, 3, 4, 4), np.uint8)
    valid = np.arange(16).reshape(1, 4, 4) % 3 > 0
    tiles = (Tile("a", "scene", 0, 0),)
    strips = [Strip(tiles, pixels, seen) for seen in (None, valid, ~valid)]
    digests = {Sample((one,), (two,)).digest for one in strips for two in strips}
    assert len(digests) == 9
