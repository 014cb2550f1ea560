"""What libraries under Keras say when they fail, in one line."""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[\d+m")
# Keras says first which layer it was, and what went wrong after that.
_WHERE = "Exception encountered when calling "


def reason_of(error: Exception) -> str:
    """What went wrong: the first line that tells it; where there is none, the error's type.

    Args:
        error: of Keras, or of the library that it computes with.
    """
    said = (line.strip() for line in _COLOURS.sub("", str(error)).splitlines())
    lines = [line for line in said if line] or [type(error).__name__]
    return " ".join(lines[:2]) if lines[0].startswith(_WHERE) else lines[0]
