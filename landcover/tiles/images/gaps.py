"""Images in which a mask, a declared value or a transparent colour says that pixels hold no data."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from landcover.tiles.rasters.metadata import has_mask
from landcover.tiles.rasters.reader import differs

Pixels = npt.NDArray[Any]

# Levels of gray of fewer than 8 bits are spread over 0 to 255 where they are decoded, and named as stored.
_SPREAD = {"L;2": 85, "L;4": 17}


def gaps_of_tiff(dataset: Any, bands: Pixels) -> str:
    """Why an image has pixels that no network can be given; "" where it has none.

    Fill values of unsigned pixels come as they are, as in scenes, unless the image holds nothing else.

    Args:
        dataset: of rasterio.
        bands: all it holds, dims (band, y, x).
    """
    if has_mask(dataset):
        whole = bool(dataset.read_masks(1).all())
        return (
            "" if whole else "has a mask that leaves pixels out; fill them, or leave the image out"
        )
    if None in dataset.nodatavals:
        return ""
    valid = differs(bands, dataset.nodatavals)
    if not valid.any():
        return (
            f"holds no data: nothing but the value that it declares for none ({_declared(dataset)})"
        )
    if bands.dtype.kind == "u" or valid.all():
        return ""
    return (
        f"holds pixels without data (it declares {_declared(dataset)} for them); fill them, or leave "
        "it out, or take the declaration off: gdal_edit.py -unsetnodata FILE"
    )


def transparent_colour(image: Image.Image) -> Pixels | None:
    """The colour that means transparent in an image without a band that does, dims (band).

    Args:
        image: opened by Pillow, and not decoded yet.

    Returns:
        None where there is none; that of a palette is among the bands.
    """
    colour = image.info.get("transparency")
    if colour is None or image.mode not in ("1", "L", "I;16", "I", "RGB"):
        return None
    packing = next((str(part[3]) for part in getattr(image, "tile", ())), image.mode)
    return np.atleast_1d(colour) * _SPREAD.get(packing, 1)


def gaps_of_colour(colour: Pixels | None, bands: Pixels) -> str:
    """Why an image with a transparent colour cannot be used; "" where no pixel has it.

    Args:
        colour: that means transparent, dims (band); None: none does.
        bands: all it holds, dims (band, y, x).
    """
    if colour is None or len(colour) != len(bands):
        return ""
    if not (bands == colour[:, None, None]).all(axis=0).any():
        return ""
    return "is transparent in places, where it has the colour that means so; flatten it, or leave it out"


def _declared(dataset: Any) -> str:
    return ", ".join(f"{value:g}" for value in dict.fromkeys(dataset.nodatavals))
