"""How a run was made, in words and figures, as its ``run.json`` tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DIGEST = 12  # characters of a digest that people compare


def facts(said: Mapping[str, Any]) -> dict[str, str]:
    """What ``run.json`` says of how a run was made, by what it is; "" where it says nothing.

    Args:
        said: what ``run.json`` says.
    """
    return {
        "Status": _text(said, "status"),
        "Finished": _text(said, "finished").replace("T", " ").removesuffix("+00:00"),
        "Imagery": _imagery(said),
        "Model": _text(said, "model", "path"),
        "Digest of the model": _text(said, "model", "digest")[:_DIGEST],
        "Runtime": _runtime(said),
        "Labels": {"tile": "tiles", "pixel": "pixels"}.get(_text(said, "model", "output"), ""),
        "Resolution": _with(_number(said, "fingerprint", "resolution"), "m"),
        "Tile": _with(_number(said, "fingerprint", "tile"), "pixels"),
        "Tiles planned": _number(said, "tiles", "planned"),
        "Tiles scored": _number(said, "tiles", "scored"),
        "Tiles without data": _number(said, "tiles", "skipped"),
        "Tiles in quarantine": _number(said, "tiles", "quarantined"),
        "Backend": _text(said, "config", "backend", "name"),
        "Workers": _number_of(said, "workers"),
        "Devices": ", ".join(sorted(map(str, _mapping(said, "devices")))),
        "Models loaded": _number(said, "model_loads"),
        "Tiles a second": _number(said, "tiles_per_second"),
        "Seconds": _number(said, "seconds"),
        "landcover": _text(said, "versions", "landcover"),
        "Fingerprint": _text(said, "fingerprint", "digest")[:_DIGEST],
        "Smoothed from": _text(said, "smoothed", "from"),
        "Note": _text(said, "note"),
    }


def _runtime(said: Mapping[str, Any]) -> str:
    name, precision = _text(said, "model", "runtime"), _text(said, "model", "precision")
    found = " ".join(filter(None, (name, _text(said, "versions", name))))
    return ", ".join(filter(None, (found, precision)))


def _imagery(said: Mapping[str, Any]) -> str:
    listed = _at(said, "config", "source", "rasters") or _at(said, "config", "source", "images")
    names = listed if isinstance(listed, list) else [listed] if listed else []
    shown = [", ".join(map(str, name)) if isinstance(name, list) else str(name) for name in names]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3:,} more" if shown[3:] else "")


def _at(said: Any, *keys: str) -> Any:
    for key in keys:
        said = said.get(key) if isinstance(said, Mapping) else None
    return said


def _mapping(said: Any, *keys: str) -> Mapping[str, Any]:
    found = _at(said, *keys)
    return found if isinstance(found, Mapping) else {}


def _text(said: Any, *keys: str) -> str:
    found = _at(said, *keys)
    return found if isinstance(found, str) else ""


def _number(said: Any, *keys: str) -> str:
    found = _at(said, *keys)
    return f"{found:,}" if isinstance(found, (int, float)) else ""


def _number_of(said: Any, *keys: str) -> str:
    found = _mapping(said, *keys)
    return f"{len(found):,}" if found else ""


def _with(number: str, unit: str) -> str:
    return f"{number} {unit}" if number else ""
