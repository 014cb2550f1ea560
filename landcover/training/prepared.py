"""What ``landcover prepare`` has said of tiles: the network reads imagery as they were cut from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landcover.classes import Scheme, scheme, scheme_names
from landcover.errors import ConfigError, SourceError
from landcover.labelling.folder import MANIFEST
from landcover.small_files import load_json, read_regular


@dataclass(frozen=True)
class Cut:
    """How tiles were cut.

    Args:
        resolution: metres a pixel.
        bands: those of the imagery that the tiles' are, from 1.
        classes: the name of each class by that of its folder, in the order of their scheme.
        scheme: the scheme whose classes all have tiles; None where some have none.
        asked: all classes that were asked for, whose codes those of pixels are.
    """

    resolution: float
    bands: tuple[int, ...]
    classes: dict[str, str]
    scheme: str | None
    asked: Scheme


def as_cut(data: str) -> Cut | None:
    """What stands beside tiles of ``landcover prepare``; None for a folder that others have made.

    Args:
        data: the folder of the tiles.

    Raises:
        SourceError: it cannot be read, or its tiles are not all there yet.
    """
    file = Path(data) / MANIFEST
    if not file.exists():
        return None
    try:
        said: dict[str, Any] = load_json(read_regular(file))
        if said["status"] != "done":
            raise SourceError(
                str(file), "its tiles are not all there yet: run 'landcover prepare' again"
            )
        classes = {str(one["folder"]): str(one["name"]) for one in said["classes"]}
        named, names = said["scheme"], tuple(classes.values())
        whole = named in scheme_names() and scheme(named).names == names
        bands = tuple(map(int, said["bands"]))
        asked = Scheme.from_json(said["asked"])
        return Cut(float(said["resolution"]), bands, classes, named if whole else None, asked)
    except SourceError:
        raise
    except (ConfigError, OSError, ValueError, KeyError, TypeError) as error:
        reason = f"is not what 'landcover prepare' writes ({error!r}): prepare the tiles anew"
        raise SourceError(str(file), reason) from None
