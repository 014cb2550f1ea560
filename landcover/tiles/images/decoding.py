"""From the bytes of an image file to pixels, without a cast, and without guessing."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from landcover.config import Alpha, Palette, Resize
from landcover.tiles.codecs import jpeg, png
from landcover.tiles.gdal import cause, short_of_memory, unplaced_allowed
from landcover.tiles.grid import Size
from landcover.tiles.images.fetching import Content, Unreachable
from landcover.tiles.images.gaps import gaps_of_colour, gaps_of_tiff, transparent_colour
from landcover.tiles.images.plain import Plain, has_all_rows, plain
from landcover.tiles.images.resizing import resized
from landcover.tiles.images.turning import turned
from landcover.tiles.opening import is_tiff
from landcover.tiles.unlike_numbers import objection

Pixels = npt.NDArray[Any]

# An image is read whole, by several threads at the same time.
_MOST_PIXELS = 2**26
# A TIFF may say that it has 65,535 bands, which GDAL goes through one after the other.
_MOST_BANDS, _MOST_VALUES = 4096, 2**28

# Of a progressive JPEG, each of which goes over all pixels; as many as GDAL takes (its option
# GDAL_JPEG_MAX_ALLOWED_SCAN_NUMBER).
_MOST_SCANS = 100
_SCAN = re.compile(rb"\xff\xda")  # bytes.count takes three times as long for two bytes

_OPAQUE = {"uint8": 255, "uint16": 65535}
# Formats of images: the usual ones, and all whose decoders start no program and open no other file.
_USUAL = ("PNG", "JPEG", "TIFF")
FORMATS = frozenset((*_USUAL, "BMP", "GIF", "JPEG2000", "PCX", "PPM", "SGI", "TGA", "WEBP"))
# The drivers of GDAL for those that may have 16 bits a band.
_DEEP = {"PNG": "PNG"}
# What Pillow opens without loss; other modes (CMYK, YCbCr, LAB, HSV) are no bands of a camera.
_PLAIN = frozenset({"1", "L", "LA", "RGB", "RGBA", "I;16", "I", "F"})

# What decoders raise for damaged files, and for numbers in them that Python's own calls do not take.
_DAMAGED = (
    *(OSError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError),
    *(struct.error, Image.DecompressionBombError),
)


class Unusable(Exception):
    """An image cannot be given to the network; the argument is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run asks of its images.

    Args:
        tile: rows and columns of the network's window.
        bands: which bands are read, from 1, in the order of the network; None: all.
        band_count: how many bands the network reads; None: as many as the images have.
        alpha: what a band that is declared alpha is; None: imagery if it is read, else a mask,
            which must be opaque.
        resize: what to do with images of another size.
        palette: "expand": a TIFF of indices into a palette is read as their colours, as a PNG is.
        formats: what they may be beyond PNG, JPEG and TIFF, as Pillow calls it.
    """

    tile: Size
    bands: tuple[int, ...] | None = None
    band_count: int | None = None
    alpha: Alpha | None = None
    resize: Resize = "none"
    palette: Palette | None = None
    # Tells no images apart: tasks go by what else stands here.
    formats: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Expected:
    """What all images of a run are like.

    Args:
        wanted: what the run asks of them.
        count: how many bands the network gets.
        dtype: of the pixels.
    """

    wanted: Wanted
    count: int
    dtype: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(band, y, x)"""
        return self.count, *self.wanted.tile

    @property
    def bytes(self) -> int:
        """Bytes of the pixels of one image."""
        rows, cols = self.wanted.tile
        return self.count * rows * cols * np.dtype(self.dtype).itemsize


def expected_of(content: Content, wanted: Wanted) -> Expected:
    """Take an image as the measure of all others.

    Args:
        content: the bytes of the file.
        wanted: what the run asks of images.

    Raises:
        Unusable: if it cannot be decoded.
        Unreachable: if there are no bytes.
    """
    pixels = _pixels(content, wanted, max(wanted.bands or (wanted.band_count or 1,)), None)
    count = wanted.band_count
    return Expected(
        wanted, len(wanted.bands or pixels) if count is None else count, str(pixels.dtype)
    )


def decode(content: Content, expected: Expected) -> Pixels:
    """Decode one image.

    Args:
        content: the bytes of the file.
        expected: what it must be like.

    Returns:
        dims (band, y, x)

    Raises:
        Unusable: if it cannot be decoded, or is not what is expected.
        Unreachable: if there are no bytes.
    """
    wanted = expected.wanted
    last = max(wanted.bands or (expected.count,))
    only = wanted.tile if wanted.resize == "none" else None
    pixels = _bands(_pixels(content, wanted, last, only), expected, last)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise Unusable("holds pixels that are NaN or infinite; fill them, or leave it out")
    found = resized(pixels, wanted.tile, wanted.resize)
    if found is None:
        fits = "small" if wanted.resize == "crop" else "large"
        raise Unusable(
            f"is {pixels.shape[2]} x {pixels.shape[1]} pixels, too {fits} for source.resize: "
            f"{wanted.resize} to {wanted.tile.cols} x {wanted.tile.rows}; fit takes any size"
        )
    return found


def _bands(pixels: Pixels, expected: Expected, last: int) -> Pixels:
    """The bands that the network reads."""
    if pixels.dtype != expected.dtype:
        raise Unusable(f"holds {pixels.dtype} pixels, the first images of the run {expected.dtype}")
    if expected.wanted.bands is not None:
        if last > len(pixels):
            raise Unusable(f"has {len(pixels)} band(s), band {last} is wanted")
        if expected.wanted.bands == tuple(range(1, last + 1)):  # the first ones need not be copied
            return pixels[:last]
        return pixels[[band - 1 for band in expected.wanted.bands]]
    if len(pixels) != expected.count:
        raise Unusable(f"has {len(pixels)} band(s), the network reads {expected.count}")
    return pixels


def _pixels(content: Content, wanted: Wanted, last: int, only: Size | None) -> Pixels:
    """The bands of an image, dims (band, y, x), less a mask unless band ``last`` is just that.

    Args:
        content: the bytes of the file.
        wanted: what the run asks of images.
        last: the highest band that is read.
        only: the size that it must have; None: any.
    """
    if isinstance(content, Unreachable):
        raise content
    bands, alpha = _opened(content, wanted, only)
    if not alpha or wanted.alpha == "imagery":
        return bands
    if last >= len(bands):
        if wanted.alpha == "mask":
            raise Unusable(f"band {last} is a mask (source.alpha), and the network reads it")
        return bands
    if (bands[-1] != _OPAQUE.get(bands.dtype.name, bands[-1].max())).any():
        raise Unusable(
            "is transparent in places; flatten it, or leave it out, or set source.alpha: imagery "
            f"if its band {len(bands)} is no mask"
        )
    return bands[:-1]


def _opened(content: bytes, wanted: Wanted, tile: Size | None) -> tuple[Pixels, bool]:
    """All bands of an image, and whether the last is a mask; what it is, its name does not say."""
    try:
        if is_tiff(content):
            _refuse(turned(content))
            return _by_rasterio(content, "GTiff", tile, colours=wanted.palette == "expand")
        _refuse(_without_end(content))
        if found := plain(content):
            return _of_plain(content, found, tile)
        image = Image.open(BytesIO(content), formats=("PNG", "JPEG", *wanted.formats))
        _check_size(image.width, image.height, tile)
        _refuse(turned(image))
        # Beside the picture of a camera (MPO) lies a smaller one, as a rule.
        moves = image.format != "MPO" and getattr(image, "is_animated", False)
        _refuse(_several(getattr(image, "n_frames", 1)) if moves else "")
        colour = transparent_colour(image)
        bands, alpha = _of_image(image, content, tile)
        _refuse(gaps_of_colour(colour, bands))
        return bands, alpha
    except UnidentifiedImageError:
        allowed = ", ".join((*_USUAL, *wanted.formats))
        raise Unusable(
            f"is no image that can be decoded as {allowed} (others: source.formats)"
        ) from None
    except (RasterioError, CPLE_BaseError) as error:
        if short_of_memory(error):
            raise MemoryError(cause(error)) from None
        raise Unusable(f"cannot be decoded: {cause(error)}") from None
    except _DAMAGED as error:
        raise Unusable(f"cannot be decoded: {error}") from None


def _of_image(image: Image.Image, content: bytes, tile: Size | None) -> tuple[Pixels, bool]:
    """All bands of a file that is no TIFF, and whether the last is a mask."""
    whole = image.format != "PNG" or _whole_png(content)
    _refuse(_without_rows(content) if image.format == "PNG" and whole else "")
    if image.mode in ("LA", "RGB", "RGBA") and _deep(image):  # Pillow would cut them down to 8
        _refuse("" if whole else "cannot be decoded: its end is missing")
        return _by_rasterio(content, _DEEP[str(image.format)], tile)
    if whole and _simple_png(image):  # twice as fast as Pillow
        return _by_rasterio(content, "PNG", tile)[0], image.mode in ("LA", "RGBA")
    if image.format == "JPEG" and image.mode in ("L", "RGB"):
        pixels = jpeg(content, gray=image.mode == "L")
        if pixels is not None:
            return pixels.transpose(2, 0, 1), False
    return _by_pillow(image)


def _of_plain(content: bytes, found: Plain, tile: Size | None) -> tuple[Pixels, bool]:
    """All bands of a plain file, and whether the last is a mask, by the fastest decoder there is."""
    _check_size(found.cols, found.rows, tile)
    if found.kind == "PNG":
        pixels = png(content, (found.rows, found.cols, found.bands))
        if pixels is None:  # GDAL is twice as fast as Pillow, but for small ones
            _refuse(_without_rows(content))
            return _by_rasterio(content, "PNG", tile)[0], found.bands in (2, 4)
        return pixels.transpose(2, 0, 1), found.bands in (2, 4)
    pixels = jpeg(content, gray=found.bands == 1)
    if pixels is None:
        return _by_pillow(Image.open(BytesIO(content), formats=("JPEG",)))
    return pixels.transpose(2, 0, 1), False


def _refuse(reason: str) -> None:
    """Refuse an image for a reason; "" is none."""
    if reason:
        raise Unusable(reason)


def _several(count: int) -> str:
    return f"holds {count} images (pages of a TIFF, or an animation); give each a file of its own"


def _by_pillow(image: Image.Image) -> tuple[Pixels, bool]:
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode not in _PLAIN:
        raise Unusable(f"is a {image.mode} image; convert it to RGB")
    if image.mode == "1":
        image = image.convert("L")
    array = np.asarray(image)  # in the order of bytes of this machine, whatever the file has
    bands = array[None] if array.ndim == 2 else np.moveaxis(array, 2, 0)
    return bands, image.mode in ("LA", "RGBA")


def _by_rasterio(
    content: bytes, driver: str, tile: Size | None, *, colours: bool = False
) -> tuple[Pixels, bool]:
    with MemoryFile(content) as file, _unplaced(file, driver) as dataset:
        _check_size(dataset.width, dataset.height, tile)
        _check_bands(dataset)
        if dataset.colorinterp[0] == ColorInterp.palette:
            if colours:
                return _expanded(dataset)
            raise Unusable(
                "holds indices into a palette; where its colours are imagery, set source.palette: expand"
            )
        if driver == "GTiff":
            _refuse(objection(dataset))
            _refuse(_several(len(dataset.subdatasets)) if dataset.subdatasets else "")
        bands = dataset.read()
        if driver == "GTiff":
            _refuse(gaps_of_tiff(dataset, bands))
        alpha = dataset.colorinterp[-1] == ColorInterp.alpha
    if bands.dtype.kind not in "iuf":
        raise Unusable(f"holds {bands.dtype} pixels; the network reads real numbers")
    return bands, alpha


def _expanded(dataset: Any) -> tuple[Pixels, bool]:
    """The colours that indices into a palette stand for, and whether some are transparent."""
    indices, entries = dataset.read(1), dataset.colormap(1)
    table = np.zeros((max(*entries, int(indices.max())) + 1, 4), np.uint8)
    table[list(entries)] = list(entries.values())
    if dataset.nodata in entries:
        table[int(dataset.nodata), 3] = 0
    bands = np.moveaxis(table[indices], 2, 0)
    opaque = bool((bands[3] == _OPAQUE["uint8"]).all())
    return (bands[:3] if opaque else bands), not opaque


def _without_end(content: bytes) -> str:
    """Why an image would take far longer than its size says; "" for one that does not."""
    if not content.startswith(b"\xff\xd8"):
        return ""
    if next(islice(_SCAN.finditer(content), _MOST_SCANS, None), None) is None:
        return ""
    return f"is a JPEG of more than {_MOST_SCANS} scans, as no picture is"


def _without_rows(content: bytes) -> str:
    """Why a PNG would get pixels that it does not hold; "" for one that holds all."""
    return "" if has_all_rows(content) else "cannot be decoded: some of its rows are missing"


def _unplaced(file: MemoryFile, driver: str) -> Any:
    """Open an image that has no place on earth; only the opening takes turns with other threads."""
    with unplaced_allowed():
        return file.open(driver=driver)


def _check_size(width: int, height: int, tile: Size | None) -> None:
    if tile is not None and (height, width) != tile:
        raise Unusable(
            f"is {width} x {height} pixels; the network sees tiles of {tile.cols} x {tile.rows}: "
            "set source.resize to fit, crop or pad"
        )
    if width * height > _MOST_PIXELS:
        raise Unusable(
            f"is {width} x {height} pixels, more than an image may have ({_MOST_PIXELS:,}); give it "
            "as a raster (source.rasters)"
        )


def _check_bands(dataset: Any) -> None:
    count, pixels = dataset.count, dataset.width * dataset.height
    if count > _MOST_BANDS or count * pixels > _MOST_VALUES:
        raise Unusable(
            f"has {count:,} bands of {pixels:,} pixels, more than an image may have "
            f"({_MOST_BANDS:,} bands, {_MOST_VALUES:,} values): give it as a raster (source.rasters)"
        )


def _simple_png(image: Image.Image) -> bool:
    """Whether an image is a PNG of 8 bits a band, in rows, whose bands are its pixels as they are."""
    if image.format != "PNG" or image.info.get("interlace") or "transparency" in image.info:
        return False
    return image.mode in ("L", "LA", "RGB", "RGBA") and _packings(image) == [image.mode]


def _whole_png(content: bytes) -> bool:
    """Whether all chunks of a PNG are there; GDAL does not miss any.

    https://www.w3.org/TR/png-3/#5Chunk-layout: length, type, data, CRC-32 of type and data. Neither
    GDAL nor Pillow looks at the CRC of pixels, whose own checksum (Adler-32) is a weak one.

    Raises:
        Unusable: a chunk has another checksum than it says.
    """
    at = 8
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(content):
            return False
        if zlib.crc32(content[at + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            raise Unusable("cannot be decoded: it is damaged, as the checksum of a part tells")
        if content[at + 4 : at + 8] == b"IEND":
            return True
        at = end + 4
    return False


def _deep(image: Image.Image) -> bool:
    """Whether an image has 16 bits a band."""
    return image.format in _DEEP and any("16" in packing for packing in _packings(image))


def _packings(image: Image.Image) -> list[str]:
    """How the pixels in each part of a file are packed, as Pillow calls it ("RGB", "RGB;16B")."""
    return [str(part[3]) for part in getattr(image, "tile", ())]
