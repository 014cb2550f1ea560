from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.io import MemoryFile
from rasterio.transform import Affine, from_origin
from rasterio.vrt import WarpedVRT
from rasterio.warp import Resampling
from support.rasters import imagery

from landcover.tiles.rasters.reader import MaskedPixels
from landcover.tiles.rasters.resampling import Axis, resample


def axes(shape: tuple[int, ...], ratio: float) -> tuple[Axis, Axis]:
    vertical, horizontal = (Axis(max(1, round(n / ratio)), n, ratio) for n in shape[-2:])
    return vertical, horizontal


def resampled(
    source: npt.NDArray[Any],
    ratio: float,
    ys: tuple[int, int] | None = None,
    xs: tuple[int, int] | None = None,
    valid: npt.NDArray[np.bool_] | None = None,
) -> MaskedPixels:
    vertical, horizontal = axes(source.shape, ratio)

    def read(rows: tuple[int, int], cols: tuple[int, int]) -> MaskedPixels:
        within = (slice(*rows), slice(*cols))
        return MaskedPixels(
            source[(slice(None), *within)], None if valid is None else valid[within]
        )

    whole = ((0, vertical.size), (0, horizontal.size))
    return resample(read, vertical, horizontal, ys or whole[0], xs or whole[1])


@settings(deadline=None, max_examples=60)
@given(st.floats(0.2, 12), st.integers(1, 90), st.integers(1, 90), st.booleans(), st.data())
def test_a_window_is_that_part_of_the_whole_to_the_bit(
    ratio: float, height: int, width: int, holes: bool, data: st.DataObject
) -> None:
    source = imagery(2, height, width)
    valid = np.random.default_rng(1).random((height, width)) < 0.7 if holes else None
    vertical, horizontal = axes(source.shape, ratio)
    whole = resampled(source, ratio, valid=valid)
    y0 = data.draw(st.integers(0, vertical.size - 1))
    x0 = data.draw(st.integers(0, horizontal.size - 1))
    y1 = data.draw(st.integers(y0 + 1, vertical.size))
    x1 = data.draw(st.integers(x0 + 1, horizontal.size))
    part = resampled(source, ratio, (y0, y1), (x0, x1), valid)
    assert (part.pixels == whole.pixels[:, y0:y1, x0:x1]).all()
    mask = np.ones(part.pixels.shape[1:], dtype=bool)
    expected = mask if whole.valid is None else whole.valid[y0:y1, x0:x1]
    assert ((mask if part.valid is None else part.valid) == expected).all()


@pytest.mark.parametrize("ratio", [1 / 0.6, 0.6, 2.7])
@pytest.mark.parametrize("corner", [(3, 41), (41, 3), (37, 22)])
def test_windows_off_the_diagonal_are_those_parts_of_the_whole(
    ratio: float, corner: tuple[int, int]
) -> None:
    rng = np.random.default_rng(5)
    source, valid = rng.normal(0, 1, (2, 150, 170)).astype("float32"), rng.random((150, 170)) < 0.7
    whole = resampled(source, ratio, valid=valid)
    (y, x), size = corner, 9
    part = resampled(source, ratio, (y, y + size), (x, x + size), valid)
    assert whole.valid is not None and part.valid is not None
    assert (part.valid == whole.valid[y : y + size, x : x + size]).all()
    expected = whole.pixels[:, y : y + size, x : x + size]
    np.testing.assert_allclose(part.pixels, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("ratio", [1 / 0.6, 0.6, 2.7, 10.0])
def test_even_imagery_stays_as_it_is(ratio: float) -> None:
    for dtype, value in (("uint8", 255), ("uint16", 65535), ("int16", -7), ("int32", 2**30 + 1)):
        source = np.full((1, 120, 110), value, dtype=dtype)
        pixels = resampled(source, ratio).pixels
        assert pixels.dtype == dtype and (pixels == value).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("ratio", [1 / 0.6, 0.6, 2.7, 10.0])
def test_the_kernel_is_that_of_gdals_warper(ratio: float, dtype: str) -> None:
    source = imagery(2, 240, 260, dtype)
    pixels = resampled(source, ratio).pixels
    where = from_origin(5e5, 4e6, 1, 1)
    shape = {"count": 2, "height": 240, "width": 260, "dtype": dtype}
    target = {"height": pixels.shape[1], "width": pixels.shape[2]}
    with (
        MemoryFile() as file,
        file.open(driver="GTiff", crs="EPSG:26914", transform=where, **shape) as made,
    ):
        made.write(source)
        made.close()
        with (
            rasterio.open(file.name) as opened,
            WarpedVRT(
                opened,
                crs=opened.crs,
                transform=where @ Affine.scale(ratio),
                resampling=Resampling.bilinear,
                XSCALE=1 / ratio,  # unless told, GDAL estimates it anew for each chunk
                YSCALE=1 / ratio,
                **target,
            ) as warped,
        ):
            expected = warped.read().astype(float)
    difference = np.abs(pixels - expected)
    assert difference.max() <= (0.01 if dtype == "float32" else 1)
    assert (difference >= 1).mean() < 0.01


def test_a_hole_is_as_large_as_its_pixels_and_its_fill_does_not_bleed() -> None:
    source, valid = imagery(3, 60, 60), np.ones((60, 60), dtype=bool)
    valid[20:40, 10:30] = False
    source[:, ~valid] = 255
    pixels, kept = resampled(source, 0.5, valid=valid)
    assert kept is not None and (kept == valid.repeat(2, 0).repeat(2, 1)).all()
    assert pixels[:, kept].max() <= 199 and (pixels[:, ~kept] == 0).all()


@pytest.mark.parametrize(("pixel", "target"), [(0.75, 0.6), (0.375, 0.3), (0.75, 0.3)])
def test_a_centre_on_a_border_is_of_the_later_pixel_wherever_the_scene_lies(
    pixel: float, target: float
) -> None:
    exact = round(1000 * target), round(1000 * pixel)
    whole = [(2 * place + 1) * exact[0] // (2 * exact[1]) for place in range(400)]
    for ratio in (target / pixel, np.nextafter(target / pixel, 0), target / pixel - 1e-12):
        assert Axis(400, 1000, float(ratio)).nearest(0, 400).tolist() == whole
