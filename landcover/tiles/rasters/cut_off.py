"""Whether all of a raster file is there: GDAL opens a GeoTIFF by its head alone."""

from __future__ import annotations

from typing import Any

_LOOKED_AT = 4096  # blocks; those at a raster's end may not be stored, as they hold nothing


def cut_off(dataset: Any, size: int) -> str:
    """What is missing of a GeoTIFF that was cut off while it was copied.

    Args:
        dataset: opened.
        size: bytes of its file.

    Returns:
        how a sentence about the file goes on; "" where nothing is missing, or it is no GeoTIFF.
    """
    if dataset.driver != "GTiff":
        return ""
    end = max(_end(dataset, band) for band in {1, dataset.count})
    if end <= size:
        return ""
    return f"is cut off: it ends after {size} bytes, its last block after {end}; copy it again"


def _end(dataset: Any, band: int) -> int:
    """The byte behind the last block of a band that is stored; 0 where none is seen."""
    height, width = dataset.block_shapes[band - 1]
    across, down = -(-dataset.width // width), -(-dataset.height // height)
    total = across * down
    for number in range(total - 1, max(total - _LOOKED_AT, 0) - 1, -1):
        block = f"{number % across}_{number // across}"
        offset, length = (
            dataset.get_tag_item(f"BLOCK_{what}_{block}", "TIFF", bidx=band)
            for what in ("OFFSET", "SIZE")
        )
        if offset and length:
            return int(offset) + int(length)
    return 0
