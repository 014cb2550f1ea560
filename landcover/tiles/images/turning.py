"""Images that say that they are to be turned or mirrored before anybody looks at them.

Viewers do so, decoders do not, and nobody knows which of the two a network was trained with.
"""

from __future__ import annotations

from struct import error, unpack_from

from PIL import Image

# https://exiftool.org/TagNames/EXIF.html; the same number in TIFF, of which EXIF is made.
_ORIENTATION = 0x0112
_AS_STORED = 1
_TURNED = range(2, 9)


def turned(image: Image.Image | bytes) -> str:
    """Why an image is not to be taken as it is stored; "" where it is.

    Args:
        image: opened by Pillow, not decoded; or the bytes of a TIFF.
    """
    found = _of_tiff(image) if isinstance(image, bytes) else _of_image(image)
    if found not in _TURNED:
        return ""
    return (
        f"is to be turned or mirrored before it is looked at (EXIF orientation {found}); save it "
        "turned, or take the tag out: exiftool -Orientation= FILE"
    )


def _of_image(image: Image.Image) -> int:
    # Otherwise Pillow would decode a PNG to look behind its pixels.
    if not image.info.keys() & {"exif", "xmp"}:
        return _AS_STORED
    return int(image.getexif().get(_ORIENTATION, _AS_STORED))


def _of_tiff(content: bytes) -> int:
    """https://www.awaresystems.be/imaging/tiff/bigtiff.html: the first directory of both forms."""
    order = "<" if content.startswith(b"II") else ">"
    try:
        big = unpack_from(f"{order}H", content, 2)[0] == 43
        wide, entry, first, value = ("Q", 20, 8, 12) if big else ("L", 12, 4, 8)
        at = unpack_from(order + wide, content, first)[0]
        number = unpack_from(order + ("Q" if big else "H"), content, at)[0]
        start = at + (8 if big else 2)
        for place in range(start, min(start + entry * number, len(content)), entry):
            if unpack_from(f"{order}H", content, place)[0] == _ORIENTATION:
                return int(unpack_from(f"{order}H", content, place + value)[0])
    except error:
        pass  # ends early, which its decoder says better
    return _AS_STORED
