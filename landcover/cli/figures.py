"""What a run takes, in lines: as planned, and as it came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def figure_lines(planned: Mapping[str, Any], took: Mapping[str, Any]) -> Iterator[str]:
    """A line a figure.

    Args:
        planned: as :meth:`landcover.scoring.costs.Figures.told` has it; empty: nothing was.
        took: likewise, of a run that is done; empty: there is none.
    """
    for key, name in _NAMES.items():
        there = [
            (words, _told(key, found))
            for words, found in (("planned", planned), ("run", took))
            if found.get(key) is not None
        ]
        if there:
            yield f"{name:9}" + ", ".join(
                text if words == "planned" and not took else f"{text} ({words})"
                for words, text in there
            )


_NAMES = {
    "bytes": "to read",
    "workers": "workers",
    "peak_memory": "memory",
    "seconds": "time",
    "cost": "cost",
    "kwh": "energy",
}


def _told(key: str, found: Mapping[str, Any]) -> str:
    value = found[key]
    if key in ("bytes", "peak_memory"):
        return size(value) + (" a worker" if key == "peak_memory" else "")
    if key == "seconds":
        return duration(value)
    if key == "cost":
        return f"{value:,.4g} {found.get('currency', '')}".strip()
    return f"{value:,.4g} kWh" if key == "kwh" else f"{value:,}"


def size(value: float) -> str:
    """Bytes, as "1.2 GB"."""
    unit = 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as "0:03:20"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
