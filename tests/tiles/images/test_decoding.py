"""PNGs are decoded by GDAL where that is the same: never other pixels, never a damaged file."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from landcover.tiles.grid import Size
from landcover.tiles.images.decoding import Expected, Unusable, Wanted, decode

EDGE = 24
BANDS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


def _png(mode: str, seed: int = 0) -> tuple[bytes, np.ndarray]:
    """A PNG and its pixels, dims (y, x, band); a mask is opaque."""
    pixels = np.random.default_rng(seed).integers(0, 256, (EDGE, EDGE, BANDS[mode]), np.uint8)
    if mode in ("LA", "RGBA"):
        pixels[..., -1] = 255
    file = BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "png")
    assert Image.open(BytesIO(file.getvalue())).mode == mode
    return file.getvalue(), pixels


def _decoded(content: bytes, count: int) -> np.ndarray:
    return decode(content, Expected(Wanted(Size.of(EDGE)), count, "uint8"))


@pytest.mark.parametrize("mode", BANDS)
def test_the_pixels_of_a_png_are_those_that_were_saved(mode: str) -> None:
    content, pixels = _png(mode)
    colours = pixels[..., :-1] if mode in ("LA", "RGBA") else pixels
    found = _decoded(content, colours.shape[2])
    assert np.array_equal(np.moveaxis(found, 0, 2), colours)


def _same_or_refused(damaged: bytes, pixels: np.ndarray) -> None:
    try:
        found = _decoded(damaged, 3)
    except Unusable:
        return
    assert np.array_equal(np.moveaxis(found, 0, 2), pixels)


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_png_that_ends_early_gives_no_other_pixels(share: float) -> None:
    content, pixels = _png("RGB")
    _same_or_refused(content[: int(share * len(content))], pixels)


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_a_flipped_bit_gives_no_other_pixels(place: int, bit: int) -> None:
    content, pixels = _png("RGB")
    damaged = bytearray(content)
    damaged[place % len(content)] ^= 1 << bit
    _same_or_refused(bytes(damaged), pixels)
