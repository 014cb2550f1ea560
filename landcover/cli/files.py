"""What commands write besides what they print: whole files or none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from landcover.errors import OutputError
from landcover.runs.storage import Storage


def check_places(*paths: str) -> None:
    """Make the folders of files, before the work begins whose results they are to hold.

    Raises:
        OutputError: if one cannot be made or written to, or what is in a file's place is no file.
    """
    for place in map(Path, paths):
        Storage(str(place.parent)).prepare()
        if place.exists() and not place.is_file():
            raise OutputError(str(place), "is no regular file, and is not replaced")


def write_file(path: str, content: bytes) -> None:
    """Write a file: all of it or nothing.

    Raises:
        OutputError: if it cannot be written.
    """
    place = Path(path)
    Storage(str(place.parent)).put(place.name, content)


def plain(values: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of a table as plain JSON values; null for what is not defined."""
    return {str(key): _plain(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    found = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(found, float) and not math.isfinite(found) else found
