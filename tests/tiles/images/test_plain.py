"""Fast decoders give the pixels of the careful ones, or nothing: held against Pillow and GDAL."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from landcover.tiles.grid import Size
from landcover.tiles.images import decoding
from landcover.tiles.images.decoding import Expected, Unusable, Wanted, decode
from landcover.tiles.images.plain import Plain, has_all_rows, plain

# How many files are generated: 10,000 in the long form.
FILES = int(os.environ.get("LANDCOVER_IMAGES", "240"))

Rng = np.random.Generator


def _pixels(rng: Rng, bands: int, deep: bool = False) -> Any:
    """Noise, a gradient, or one colour: what compresses differently."""
    rows, cols = (int(n) for n in rng.integers(1, 50, 2))
    most = 65536 if deep else 256
    noise = rng.integers(0, most, (rows, cols, bands))
    kind = rng.integers(0, 3)
    if kind == 1:
        noise = (np.add.outer(np.arange(rows), np.arange(cols))[..., None] * (bands + 1)) % most
        noise = np.broadcast_to(noise, (rows, cols, bands))
    if kind == 2:
        noise = np.broadcast_to(noise[0, 0], (rows, cols, bands))
    return np.ascontiguousarray(
        noise.astype(np.uint16 if deep else np.uint8).squeeze(2)
        if bands == 1
        else noise.astype(np.uint16 if deep else np.uint8)
    )


def _saved(image: Image.Image, kind: str, **told: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **told)
    return file.getvalue()


def _jpeg(rng: Rng) -> bytes:
    mode = str(rng.choice(["L", "RGB", "RGB", "RGB", "CMYK", "YCbCr"]))
    bands = {"L": 1, "CMYK": 4}.get(mode, 3)
    told: dict[str, Any] = {
        "quality": int(rng.integers(1, 101)),
        "progressive": bool(rng.integers(2)),
        "optimize": bool(rng.integers(2)),
    }
    if bands == 3:
        told["subsampling"] = int(rng.integers(3))
    if rng.integers(4) == 0:
        exif = Image.Exif()
        exif[0x0112] = int(rng.integers(1, 9))
        told["exif"] = exif
    if rng.integers(5) == 0:
        told["comment"] = "a comment"
    if rng.integers(5) == 0:
        told["restart_marker_rows"] = 1
    if rng.integers(6) == 0:
        told["icc_profile"] = bytes(rng.integers(0, 256, 300, np.uint8))
    if mode == "RGB" and rng.integers(8) == 0:
        told |= {"keep_rgb": True, "subsampling": 0}
    return _saved(Image.fromarray(_pixels(rng, bands), mode), "jpeg", **told)


def _png(rng: Rng) -> bytes:
    kind = str(rng.choice(["L", "LA", "RGB", "RGB", "RGBA", "P", "1", "deep", "trns", "laced"]))
    if kind == "deep":
        bands = int(rng.choice([1, 2, 3, 4]))
        return _written(_pixels(rng, bands, deep=True).reshape(-1, 1, bands), 16)
    if kind == "laced":
        return _written(np.full((1, 1, 3), rng.integers(0, 256), np.uint8), 8, laced=True)
    bands = {"LA": 2, "RGB": 3, "RGBA": 4, "trns": 3}.get(kind, 1)
    pixels = _pixels(rng, bands)
    if kind in ("LA", "RGBA") and rng.integers(2):
        pixels[..., -1] = 255
    image = Image.fromarray(pixels)
    if kind in ("P", "1"):
        image = image.convert("RGB").quantize(16) if kind == "P" else image.convert("1")
    told: dict[str, Any] = {"compress_level": int(rng.integers(10))}
    if kind == "trns":
        told["transparency"] = tuple(int(n) for n in pixels[0, 0])
    if rng.integers(5) == 0:
        told["dpi"] = (72, 72)
    if rng.integers(8) == 0:
        exif = Image.Exif()
        exif[0x0112] = int(rng.integers(1, 9))
        told["exif"] = exif
    return _saved(image, "png", **told)


def _written(pixels: Any, depth: int, laced: bool = False) -> bytes:
    """A PNG that Pillow does not write; rows without filters."""
    rows, cols, bands = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[bands]
    head = b"".join(n.to_bytes(4, "big") for n in (cols, rows)) + bytes([depth, kind, 0, 0, laced])
    data = b"".join(b"\0" + row.astype(f">u{depth // 8}").tobytes() for row in pixels)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")
        for name, body in chunks
    )


def _damaged(rng: Rng, content: bytes) -> bytes:
    """Cut short, or with bytes that are not as they were."""
    if rng.integers(2):
        return content[: int(rng.integers(len(content)))]
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        changed[int(rng.integers(len(changed)))] = int(rng.integers(256))
    return bytes(changed)


def files(count: int) -> Iterator[bytes]:
    rng = np.random.default_rng(2026)
    for _ in range(count):
        content = (_jpeg if rng.integers(2) else _png)(rng)
        yield _damaged(rng, content) if rng.integers(4) == 0 else content


def _outcome(content: bytes, band_count: int | None) -> Any:
    """The pixels of a file, or the sentence that refuses it."""
    try:
        size = decoding._opened(content, Wanted(Size(1, 1)), None)[0].shape
        wanted = Wanted(Size(*size[1:]), band_count=band_count)
        return np.array(decode(content, Expected(wanted, size[0], "uint8")))
    except Unusable as error:
        return str(error)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return type(one) is type(other) and one == other
    return one.dtype == other.dtype and np.array_equal(one, other)


def test_generated_files_give_the_same_pixels_or_the_same_refusal() -> None:
    pytest.importorskip("simplejpeg")
    pytest.importorskip("imagecodecs")
    fast = 0
    for number, content in enumerate(files(FILES)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = _outcome(content, None)
            fast += plain(content) is not None
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(decoding, "plain", lambda content: None)
                patch.setattr(decoding, "jpeg", lambda content, gray: None)
                patch.setattr(decoding, "png", lambda content, shape: None)
                expected = _outcome(content, None)
        assert _same(found, expected), (number, content[:64])
    assert fast > FILES / 4


def test_without_a_fast_decoder_the_pixels_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [content for content in files(60) if plain(content) is not None]
    before = [_outcome(content, None) for content in some]
    monkeypatch.setattr("landcover.tiles.codecs._decoder", lambda: None)
    monkeypatch.setattr("landcover.tiles.codecs._png_decoder", lambda: None)
    assert all(_same(_outcome(c, None), b) for c, b in zip(some, before, strict=True))


def test_whatever_is_not_plain_is_left_to_the_careful_decoders() -> None:
    """By one byte: what a fast decoder might read otherwise, or read in spite of all."""
    png = _saved(Image.new("RGB", (5, 3), (9, 8, 7)), "PNG")
    assert plain(png) == Plain("PNG", 3, 5, 3)
    assert png[24:29] == bytes((8, 2, 0, 0, 0))  # bits, colours, compression, filter, interlace
    for at, value in ((24, 16), (24, 4), (25, 3), (26, 1), (27, 1), (28, 1)):
        head = png[12:at] + bytes((value,)) + png[at + 1 : 29]
        checked = png[:12] + head + zlib.crc32(head).to_bytes(4, "big") + png[33:]
        assert plain(checked) is None
    assert plain(png[:-12]) is None  # without its end
    assert plain(png[:-14] + b"\0" + png[-13:]) is None  # a checksum of another
    jpeg = _saved(Image.new("RGB", (5, 3), (9, 8, 7)), "JPEG")
    frame = jpeg.index(b"\xff\xc0")
    assert plain(jpeg) == Plain("JPEG", 3, 5, 3)
    for value in (12, 16):
        assert plain(jpeg[: frame + 4] + bytes((value,)) + jpeg[frame + 5 :]) is None


# Colour types with the numbers of a pixel, and the bits that they may have.
_KINDS = {0: (1, (1, 2, 4, 8, 16)), 2: (3, (8, 16)), 3: (1, (1, 2, 4, 8)), 4: (2, (8, 16))}
_KINDS[6] = (4, (8, 16))
_STARTS = ["0 0 8 8", "0 4 8 8", "4 0 8 4", "0 2 4 4", "2 0 4 2", "0 1 2 2", "1 0 2 1"]


def _raw(rows: int, cols: int, bits: int, laced: bool) -> bytes:
    """Pixels of 0 as they are compressed, by the picture of a pass that numpy draws."""
    picture, data = np.zeros((rows, cols)), b""
    for top, left, down, right in (map(int, one.split()) for one in _STARTS if laced):
        part = picture[top::down, left::right]
        data += b"\0" * (part.shape[0] * (1 + -(-part.shape[1] * bits // 8)) if part.size else 0)
    return data if laced else b"\0" * (rows * (1 + -(-cols * bits // 8)))


def _of_zeros(head: tuple[int, ...], data: bytes) -> bytes:
    rows, cols, depth, kind, laced = head
    told = b"".join(n.to_bytes(4, "big") for n in (cols, rows)) + bytes([depth, kind, 0, 0, laced])
    chunks = [(b"IHDR", told), (b"PLTE", b"\1\2\3" * 2), (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")
        for name, body in chunks
        if name != b"PLTE" or kind == 3
    )


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(sorted(_KINDS)), st.data())
def test_a_png_without_all_of_its_rows_is_refused(
    rows: int, cols: int, kind: int, data: st.DataObject
) -> None:
    """All parts are sound; decoders would fill up what is missing, or leave there what was in memory."""
    channels, depths = _KINDS[kind]
    depth, laced = data.draw(st.sampled_from(depths)), data.draw(st.booleans())
    raw, head = _raw(rows, cols, channels * depth, laced), (rows, cols, depth, kind, int(laced))
    content = _of_zeros(head, zlib.compress(raw))
    assert has_all_rows(content)
    assert np.asarray(Image.open(BytesIO(content))).shape[:2] == (rows, cols)
    short = raw[: data.draw(st.sampled_from([0, len(raw) // 2, len(raw) - 1]))]
    lacking = _of_zeros(head, zlib.compress(short))
    assert not has_all_rows(lacking)
    with pytest.raises(Unusable):
        decode(
            lacking, Expected(Wanted(Size(rows, cols)), 3 if kind in (2, 3) else channels, "uint8")
        )


@pytest.mark.parametrize("fast", [True, False])
def test_a_png_without_all_of_its_rows_says_so(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not fast:
        monkeypatch.setattr("landcover.tiles.codecs._png_decoder", lambda: None)
    lacking = _of_zeros((9, 9, 8, 2, 0), zlib.compress(_raw(9, 9, 24, False)[:-1]))
    with pytest.raises(Unusable, match="some of its rows are missing"):
        decode(lacking, Expected(Wanted(Size(9, 9)), 3, "uint8"))
    torn = _of_zeros((9, 9, 8, 2, 0), zlib.compress(_raw(9, 9, 24, False))[:-9])
    with pytest.raises(Unusable):
        decode(torn, Expected(Wanted(Size(9, 9)), 3, "uint8"))
