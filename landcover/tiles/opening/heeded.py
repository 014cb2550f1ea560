"""Whether GDAL has heeded what lies beside a remote raster: it takes for absent what its store does not give."""

from __future__ import annotations

import math
import re
from pathlib import PurePosixPath
from typing import Any

from landcover.stores.urls import in_archive, is_remote
from landcover.tiles.opening.content import head_of_remote, text_of
from landcover.tiles.opening.raster import NOTES

_MOST = 2**24  # bytes of notes, which may hold a table of attributes
_PLACE = re.compile(rb"<GeoTransform>([^<]*)</GeoTransform>")


def heeded(dataset: Any, file: str) -> bool:
    """Whether a dataset has the mask and the notes that lie beside its file.

    Args:
        dataset: of rasterio.
        file: from which it was opened.

    Raises:
        OSError: (one of FAILURES) something cannot be read.
    """
    if not is_remote(file) or in_archive(file):
        return True
    names = {PurePosixPath(one).name for one in dataset.files}
    mask = file + ".msk"
    if head_of_remote(mask) is not None and PurePosixPath(mask).name not in names:
        return False
    if head_of_remote(file + NOTES) is None:
        return True
    notes = text_of(file + NOTES, _MOST)
    if b"<NoDataValue" in notes and set(dataset.nodatavals) == {None}:
        return False
    if b"<SRS" in notes and not (dataset.crs or dataset.gcps[1]):
        return False
    place = _PLACE.search(notes)
    return place is None or _is(dataset.get_transform(), place[1])


def _is(transform: list[float], told: bytes) -> bool:
    try:
        numbers = [float(one) for one in told.split(b",")]
    except ValueError:
        return True
    return all(map(math.isclose, numbers, transform))
