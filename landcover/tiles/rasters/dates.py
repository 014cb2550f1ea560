"""When a scene was taken, as its file says it: nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date as calendar_date
from pathlib import PurePosixPath

from landcover.config import BESIDE, DateSettings
from landcover.errors import SourceError
from landcover.tiles.rasters.metadata import Metadata
from landcover.tiles.rasters.stac_items import Items, date_beside

_IN_A_NAME = re.compile(r"(?<!\d)(?:19|20)\d\d([-_.]?)\d\d\1\d\d(?!\d)")
_WRITTEN = re.compile(r"(\d{4})(?:[-_.:/]?(\d\d)(?:[-_.:/]?(\d\d)(?:[T ].*)?)?)?")
_EXAMPLE = r"source.date: '_(?P<date>\d{8})_'"


class Dates:
    """The dates of scenes.

    Args:
        wanted: where they stand.

    Raises:
        SourceError: they stand in a document of STAC that cannot be read.
    """

    def __init__(self, wanted: DateSettings) -> None:
        self._wanted = wanted
        listed = wanted.stac not in (None, BESIDE)
        self._items = Items(str(wanted.stac)) if listed else None

    def of(self, metadata: Metadata) -> str:
        """The date of a scene: "2016", "2016-09" or "2016-09-15".

        Args:
            metadata: of its first file.

        Raises:
            SourceError: if there is none, or several that differ.
        """
        if self._wanted.tag is not None:
            return _of_tag(metadata, self._wanted.tag)
        if self._wanted.pattern is not None:
            return _of_pattern(metadata.file, self._wanted.pattern)
        if self._items is not None:
            return self._items.date(metadata.file)
        return date_beside(metadata.file) if self._wanted.stac else _of_name(metadata.file)


def _of_name(file: str) -> str:
    found = sorted({one for one in map(iso_date, _dates_in(PurePosixPath(file).name)) if one})
    if not found:
        reason = f"its name holds no date such as 20160915 or 2016-09-15; say where one is ({_EXAMPLE}, a tag, or STAC)"
        raise SourceError(file, reason)
    if len(found) > 1:
        reason = f"its name holds several dates ({', '.join(found)}); say which is meant, such as {_EXAMPLE}"
        raise SourceError(file, reason)
    return found[0]


def _of_tag(metadata: Metadata, tag: str) -> str:
    text = metadata.tags.get(tag)
    if text is None:
        held = ", ".join(list(metadata.tags)[:8]) or "none"
        raise SourceError(metadata.file, f"has no tag {tag!r} (source.date.tag); there are: {held}")
    return _checked(metadata.file, text)


def _of_pattern(file: str, pattern: str) -> str:
    found = re.search(pattern, file)
    if found is None or found["date"] is None:
        reason = (
            f"its path holds no date as source.date asks for it ({pattern!r}); mend the pattern, or "
            "leave the file out"
        )
        raise SourceError(file, reason)
    return _checked(file, found["date"])


def _checked(file: str, text: str) -> str:
    date = iso_date(text)
    if date is None:
        reason = f"its date {text!r} (source.date) is none: YYYY, YYYYMM, YYYYMMDD or the like is"
        raise SourceError(file, reason)
    return date


def _dates_in(name: str) -> Iterable[str]:
    return (found[0] for found in _IN_A_NAME.finditer(name))


def iso_date(text: str) -> str | None:
    """A date as ISO 8601 has it, as exact as it is written; None where it is none."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        return None
    numbers = [int(part) for part in found.groups() if part is not None]
    try:
        calendar_date(*numbers, *[1] * (3 - len(numbers)))
    except ValueError:
        return None
    return "-".join(part for part in found.groups() if part is not None)
