"""The decoders of JPEG and PNG that the extra "fast" brings: from bytes to pixels, and nothing else.

Both let go of Python while they decode, so that as many threads as there are cores decode at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def jpeg(content: bytes, gray: bool) -> Pixels | None:
    """The pixels of a JPEG by libjpeg-turbo, dims (y, x, band).

    Args:
        content: the file.
        gray: it has one band; otherwise three.

    Returns:
        None where simplejpeg is not installed, or where the library has anything to complain of.
    """
    decode = _decoder()
    try:
        return None if decode is None else decode(content, colorspace="GRAY" if gray else "RGB")
    except (ValueError, RuntimeError, MemoryError):
        return None


def png(content: bytes, shape: tuple[int, int, int]) -> Pixels | None:
    """The pixels of a plain PNG by libspng.

    Args:
        content: the file, of 8 bits a band.
        shape: rows, columns and bands that it has.

    Returns:
        dims (y, x, band); None where imagecodecs is not installed, or where the library has anything to
        complain of.
    """
    decode = _png_decoder()
    try:
        pixels = None if decode is None else decode(content)
    except (ValueError, RuntimeError, MemoryError):
        return None
    if pixels is None or pixels.size != prod(shape) or pixels.dtype != np.uint8:
        return None
    return pixels.reshape(shape)


@cache
def _png_decoder() -> Callable[[bytes], Pixels] | None:
    try:
        from imagecodecs import spng_decode
    except ImportError:
        return None
    decode: Callable[[bytes], Pixels] = spng_decode
    return decode


@cache
def _decoder() -> Callable[..., Pixels] | None:
    try:
        from simplejpeg import decode_jpeg
    except ImportError:
        return None
    return decode_jpeg  # type: ignore[no-any-return]
