"""PNG and JPEG files that hold pixels and nothing that changes them: most tiles of most runs.

What a file holds is read part by part. Whatever is not of a short list (a palette, a transparent colour,
EXIF, more than 8 bits a band, rows that are interlaced, colours of print) leaves it to the careful
decoders, and so does whatever a fast one complains of: their checks and their sentences count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import unpack
from typing import Literal
from zlib import crc32, decompressobj
from zlib import error as zlib_error

# https://www.w3.org/TR/png-3/#11IHDR: colour types, with the bands that they have.
_PNG_BANDS = {0: 1, 2: 3, 4: 2, 6: 4}
# Chunks beside those with pixels that change none of them, nor say how to look at them.
_PNG_KEPT = frozenset(
    (b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"pHYs", b"tIME", b"tEXt")
)
_PALETTE = 3
# https://www.w3.org/TR/png-3/#8Interlace: first row and column of each pass, and steps to the next.
_PASSES = (
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
    *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
)
_PIECE = 2**20  # bytes that are inflated at once
_PNG_START = b"\x89PNG\r\n\x1a\n"

# https://www.w3.org/Graphics/JPEG/itu-t81.pdf, table B.1: frames of Huffman codes, and what stands
# before a scan without changing pixels: tables, comments, JFIF, colour profiles, Adobe's note.
_FRAMES = frozenset((0xC0, 0xC1, 0xC2))
_JPEG_KEPT = frozenset((0xC4, 0xDB, 0xDD, 0xE0, 0xEC, 0xED, 0xEE, 0xFE))
_PROFILE, _SCAN, _APP2 = b"ICC_PROFILE\0", 0xDA, 0xE2


@dataclass(frozen=True, slots=True)
class Plain:
    """What a plain file holds: 8 bits a band, in rows.

    Args:
        kind: what it is.
        rows: of pixels.
        cols: of pixels.
        bands: 1 or 3, or with an alpha band behind them 2 or 4.
    """

    kind: Literal["PNG", "JPEG"]
    rows: int
    cols: int
    bands: int


def plain(content: bytes) -> Plain | None:
    """What a plain file holds; None of any other, as of a PNG that is torn or damaged."""
    if content.startswith(_PNG_START):
        return _plain_png(content)
    return _plain_jpeg(content) if content.startswith(b"\xff\xd8\xff") else None


def _plain_png(content: bytes) -> Plain | None:
    """https://www.w3.org/TR/png-3/#5Chunk-layout: length, type, data, CRC-32 of type and data."""
    if len(content) < 33 or content[8:16] != b"\0\0\0\rIHDR":
        return None
    depth, colours, *methods = content[24:29]
    if depth != 8 or colours not in _PNG_BANDS or any(methods):
        return None
    at, kind = 8, b""
    while at + 12 <= len(content) and kind != b"IEND":
        kind = content[at + 4 : at + 8]
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        if kind not in _PNG_KEPT and at > 8:
            return None
        # libspng passes over the checksum of the last part with pixels.
        if crc32(content[at + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            return None
        at = end + 4
    cols, rows = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    return Plain("PNG", rows, cols, _PNG_BANDS[colours]) if kind == b"IEND" else None


def has_all_rows(content: bytes) -> bool:
    """Whether a PNG whose parts are sound holds as many pixels as it says.

    Decoders fill up what is missing, or leave there what was in memory.
    https://www.w3.org/TR/png-3/#7Scanline (a byte before each row), #8Interlace.

    Raises:
        KeyError: it has colours of no type that there is.
    """
    cols, rows, depth, colours, _, _, interlaced = unpack(">IIBBBBB", content[16:29])
    bits = depth * (1 if colours == _PALETTE else _PNG_BANDS[colours])
    wanted = 0
    for top, left, down, right in _PASSES if interlaced else ((0, 0, 1, 1),):
        high, wide = -(-(rows - top) // down), -(-(cols - left) // right)
        wanted += high * (1 + -(-wide * bits // 8)) if high > 0 and wide > 0 else 0
    inflater, held = decompressobj(), 0
    try:
        for part in _pixel_parts(content):
            while part and held < wanted:
                held += len(inflater.decompress(part, _PIECE))
                part = inflater.unconsumed_tail
        return held + len(inflater.flush(_PIECE)) >= wanted
    except zlib_error:
        return False


def _pixel_parts(content: bytes) -> Iterator[bytes]:
    """What is in the chunks of a PNG that hold its pixels."""
    at = 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        if content[at + 4 : at + 8] == b"IDAT":
            yield content[at + 8 : end]
        at = end + 4


def _plain_jpeg(content: bytes) -> Plain | None:
    found: Plain | None = None
    for marker, data in _segments(content):
        if marker == _SCAN:
            return found
        if marker in _FRAMES and found is None and len(data) >= 6:
            rows, cols = (int.from_bytes(data[at : at + 2], "big") for at in (1, 3))
            if data[0] != 8 or data[5] not in (1, 3) or not rows or not cols:
                return None
            found = Plain("JPEG", rows, cols, data[5])
        elif marker not in _JPEG_KEPT and not (marker == _APP2 and data.startswith(_PROFILE)):
            return None
    return None


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The markers of a JPEG with what follows them, as far as its first scan."""
    at, marker = 2, 0
    while at + 4 <= len(content) and content[at] == 0xFF and marker != _SCAN:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if length < 2:
            return
        yield marker, content[at + 4 : at + 2 + length]
        at += 2 + length
