"""PNGs are decoded by GDAL where that is the same: never other pixels, never a damaged file."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.rasters import RGBA, imagery, write

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


def test_what_stands_around_the_pixels_of_a_png_is_checked_bit_by_bit() -> None:
    content, pixels = _png("RGB")
    data = content.index(b"IDAT")
    around = [*range(8, data + 6), *range(len(content) - 16, len(content))]
    for place in around:
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            _same_or_refused(bytes(damaged), pixels)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


@pytest.mark.parametrize("depth", [8, 16])
def test_damage_that_only_the_checksum_of_a_chunk_tells_is_refused(depth: int) -> None:
    """Three bytes that move by 1, -2 and 1 leave the sums of Adler-32 as they were."""
    pixels = imagery(3, EDGE, EDGE, "uint8" if depth == 8 else "uint16") * (depth // 8)
    rows = np.moveaxis(pixels, 0, 2).astype(f">u{depth // 8}")
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 0)  # stored as it is
    size = EDGE.to_bytes(4, "big")
    head = _chunk(b"IHDR", size + size + bytes([depth, 2, 0, 0, 0]))
    content = b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    told = Expected(Wanted(Size.of(EDGE)), 3, str(pixels.dtype))
    assert np.array_equal(decode(content, told), pixels)
    start = content.index(data)
    damaged, place = bytearray(content), start + 100
    while not (damaged[place + 1] >= 2 and max(damaged[place : place + 3]) < 255):
        place += 1
    for at, step in enumerate((1, -2, 1)):
        damaged[place + at] = (damaged[place + at] + step) % 256
    stored = damaged[start : start + len(data)]
    assert zlib.decompress(stored) != zlib.decompress(data)
    assert "the checksum of a part tells" in _refusal(bytes(damaged), 3, str(pixels.dtype))
    for end in (len(content) - 12, len(content) - 20):
        if depth == 16:
            assert "its end is missing" in _refusal(content[:end], 3, "uint16")


def _saved(pixels: np.ndarray, kind: str, **told: Any) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind, **told)
    return file.getvalue()


def _refusal(content: bytes, count: int, dtype: str = "uint8") -> str:
    with pytest.raises(Unusable) as told:
        decode(content, Expected(Wanted(Size.of(EDGE)), count, dtype))
    return str(told.value)


@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff"])
def test_an_image_that_is_to_be_turned_first_is_refused_and_one_that_is_not_is_read(
    kind: str,
) -> None:
    pixels = np.moveaxis(imagery(3, EDGE, EDGE), 0, 2)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        told = {"tiffinfo": {0x0112: orientation}} if kind == "tiff" else {"exif": exif}
        content = _saved(pixels, kind, **told)
        if orientation > 1:
            assert f"orientation {orientation}" in _refusal(content, 3)
        elif kind != "jpeg":
            assert np.array_equal(np.moveaxis(_decoded(content, 3), 0, 2), pixels)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
def test_a_tiff_is_read_in_each_of_its_forms(tmp_path: Path, order: str, big: bool) -> None:
    pixels = imagery(5, EDGE, EDGE, "uint16")
    options = {"ENDIANNESS": order, "BIGTIFF": "YES" if big else "NO"}
    content = Path(write(tmp_path / "a.tif", pixels, **options)).read_bytes()
    found = decode(content, Expected(Wanted(Size.of(EDGE)), 5, "uint16"))
    assert np.array_equal(found, pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "bool"])
@pytest.mark.parametrize("bands", [1, 3])
def test_a_colour_that_means_transparent_is_no_data(dtype: str, bands: int) -> None:
    if bands == 3 and dtype != "uint8":
        pytest.skip("Pillow writes no such image")
    pixels = np.moveaxis(imagery(bands, EDGE, EDGE, "uint16"), 0, 2).squeeze()
    pixels = pixels > 100 if dtype == "bool" else (pixels * (257 if dtype == "uint16" else 1))
    pixels = pixels.astype(dtype)
    for row in (0, 5):
        there = pixels[row, 7].tolist()
        content = _saved(pixels, "png", transparency=tuple(there) if bands == 3 else int(there))
        read = "uint16" if dtype == "uint16" else "uint8"
        assert "is transparent in places" in _refusal(content, bands, read)
    if dtype == "uint8":
        away = (250,) * 3 if bands == 3 else 250
        # A colour of which only one band is to be seen is no pixel's.
        beside = (int(pixels[0, 7, 0]), 250, 250) if bands == 3 else 250
        for colour in (away, beside):
            found = _decoded(_saved(pixels, "png", transparency=colour), bands)
            assert np.array_equal(np.moveaxis(found, 0, 2).squeeze(), pixels)


@pytest.mark.parametrize("dtype, opaque", [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_a_mask_that_is_opaque_everywhere_leaves_nothing_out(
    tmp_path: Path, dtype: str, opaque: int
) -> None:
    pixels = imagery(4, EDGE, EDGE, dtype)
    for level in (opaque, opaque // 2):
        pixels[3] = opaque
        pixels[3, 4, 5] = level
        content = Path(write(tmp_path / f"{level}.tif", pixels, colours=RGBA)).read_bytes()
        if level == opaque:
            found = decode(content, Expected(Wanted(Size.of(EDGE)), 3, dtype))
            assert np.array_equal(found, pixels[:3])
        else:
            assert "is transparent in places" in _refusal(content, 3, dtype)


@pytest.mark.parametrize("depth", [2, 4])
def test_a_level_of_few_bits_that_means_transparent_is_no_data(depth: int) -> None:
    levels = np.arange(EDGE * EDGE, dtype=np.uint8).reshape(EDGE, EDGE) % 2**depth
    bits = np.unpackbits(levels[..., None], axis=-1)[..., 8 - depth :].reshape(EDGE, -1)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits)
    size = EDGE.to_bytes(4, "big")
    head = _chunk(b"IHDR", size + size + bytes([depth, 0, 0, 0, 0]))
    rest = _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    see_through = _chunk(b"tRNS", (2).to_bytes(2, "big"))
    content = b"\x89PNG\r\n\x1a\n" + head + see_through + rest
    assert "is transparent in places" in _refusal(content, 1)


def test_a_tiff_of_the_other_byte_order_that_is_to_be_turned_is_refused() -> None:
    pixels = imagery(1, EDGE, EDGE, "uint16")[0].astype(">u2")
    content = _saved(pixels, "tiff", tiffinfo={0x0112: 3})
    assert content.startswith(b"MM") and "orientation 3" in _refusal(content, 1, "uint16")


def test_pixels_of_a_tiff_that_its_mask_leaves_out_are_no_data(tmp_path: Path) -> None:
    seen = np.ones((EDGE, EDGE), bool)
    whole = write(tmp_path / "whole.tif", imagery(3, EDGE, EDGE), mask=seen)
    assert np.array_equal(_decoded(Path(whole).read_bytes(), 3), imagery(3, EDGE, EDGE))
    seen[3, 5] = False
    holed = write(tmp_path / "holed.tif", imagery(3, EDGE, EDGE), mask=seen)
    assert "has a mask that leaves pixels out" in _refusal(Path(holed).read_bytes(), 3)


def test_pixels_of_a_tiff_that_have_the_declared_value_are_no_data(tmp_path: Path) -> None:
    pixels = imagery(2, EDGE, EDGE, "int16")
    pixels[0, 4, 4] = -999  # in one band only: data
    content = Path(write(tmp_path / "data.tif", pixels, nodata=-999)).read_bytes()
    found = decode(content, Expected(Wanted(Size.of(EDGE)), 2, "int16"))
    assert np.array_equal(found, pixels)
    pixels[1, 4, 4] = -999
    content = Path(write(tmp_path / "hole.tif", pixels, nodata=-999)).read_bytes()
    assert "declares -999 for them" in _refusal(content, 2, "int16")


def test_a_tiff_of_nothing_but_fill_is_refused_and_some_fill_of_unsigned_pixels_is_not(
    tmp_path: Path,
) -> None:
    pixels = imagery(1, EDGE, EDGE)
    pixels[:, 3] = 0
    content = Path(write(tmp_path / "some.tif", pixels, nodata=0)).read_bytes()
    assert np.array_equal(_decoded(content, 1), pixels)
    content = Path(write(tmp_path / "all.tif", np.zeros_like(pixels), nodata=0)).read_bytes()
    assert "holds no data" in _refusal(content, 1)


@pytest.mark.parametrize("form", ["CMYK", "CIELAB", "MINISWHITE"])
def test_numbers_that_are_no_brightness_are_refused(tmp_path: Path, form: str) -> None:
    bands = {"CMYK": 4, "CIELAB": 3, "MINISWHITE": 1}[form]
    shape = {"width": EDGE, "height": EDGE, "count": bands, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", photometric=form, **shape) as file:
        file.write(imagery(bands, EDGE, EDGE))
    assert form in _refusal((tmp_path / "a.tif").read_bytes(), bands)


def test_an_image_with_more_pixels_than_a_thread_may_hold_is_refused_before_it_is_decoded() -> None:
    content = bytearray(_png("L")[0])
    content[16:24] = (9000).to_bytes(4, "big") * 2  # width and height, in its header
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    with pytest.raises(Unusable, match="is 9000 x 9000 pixels, more than an image may have"):
        decode(bytes(content), Expected(Wanted(Size.of(EDGE), resize="fit"), 1, "uint8"))


@pytest.mark.parametrize(("bands", "edge"), [(5000, 1), (20, 4000)])
def test_a_tiff_of_more_bands_than_can_be_gone_through_is_refused_before_it_is_decoded(
    tmp_path: Path, bands: int, edge: int
) -> None:
    shape = {"width": edge, "height": edge, "count": bands, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", SPARSE_OK=True, **shape):
        pass
    content = (tmp_path / "a.tif").read_bytes()
    with pytest.raises(Unusable, match=f"has {bands:,} bands .* more than an image may have"):
        decode(content, Expected(Wanted(Size.of(edge), resize="fit"), 1, "uint8"))


def test_a_jpeg_of_scans_without_end_is_refused_before_it_is_decoded() -> None:
    held = BytesIO()
    Image.new("RGB", (70, 70), (9, 9, 9)).save(held, "JPEG", progressive=True)
    whole = held.getvalue()
    wanted = Expected(Wanted(Size(70, 70)), 3, "uint8")
    assert decode(whole, wanted).shape == (3, 70, 70)
    last = whole.rindex(b"\xff\xda")
    with pytest.raises(Unusable, match=r"JPEG of more than 100 scans"):
        decode(whole[:-2] + whole[last:-2] * 200 + b"\xff\xd9", wanted)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_several_images_in_one_file_are_refused(kind: str) -> None:
    pictures = [Image.fromarray(_png("RGB", seed)[1]) for seed in range(3)]
    stream = BytesIO()
    pictures[0].save(stream, kind, save_all=True, append_images=pictures[1:])
    assert _refusal(stream.getvalue(), 3).startswith("holds 3 images")


def test_an_image_is_as_high_as_tiles_have_rows_and_as_wide_as_they_have_columns() -> None:
    wanted = Expected(Wanted(Size(12, 20)), 3, "uint8")
    pixels = np.random.default_rng(1).integers(0, 256, (12, 20, 3), np.uint8)
    assert np.array_equal(decode(_saved(pixels, "png"), wanted), np.moveaxis(pixels, 2, 0))
    with pytest.raises(Unusable, match="is 12 x 20 pixels; the network sees tiles of 20 x 12"):
        decode(_saved(pixels.transpose(1, 0, 2), "png"), wanted)
