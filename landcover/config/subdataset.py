"""Names of the rasters that one file holds several of."""

from __future__ import annotations

import re
from typing import NamedTuple

_SUBDATASET = re.compile(
    r'(?P<driver>[A-Z][A-Z0-9_]{2,}):(?:"(?P<quoted>[^"]+)"|(?P<file>(?!//)[^:"]+))(?P<rest>:.+)',
    re.IGNORECASE,
)


class Subdataset(NamedTuple):
    """One of the rasters that a local file holds, as GDAL names it: ``NETCDF:"a.nc":red``.

    Args:
        driver: of GDAL.
        file: that holds it.
        rest: what tells it from the others, with the colon.
    """

    driver: str
    file: str
    rest: str

    @property
    def text(self) -> str:
        """The name, which GDAL takes without quotes unless the file's has a colon."""
        file = f'"{self.file}"' if ":" in self.file else self.file
        return f"{self.driver}:{file}{self.rest}"


def subdataset(text: str) -> Subdataset | None:
    """Take the name of a subdataset apart; None for a path or URL that is none."""
    found = _SUBDATASET.fullmatch(text)
    return (
        Subdataset(found["driver"], found["quoted"] or found["file"], found["rest"])
        if found
        else None
    )
