"""What was found out about a model, remembered on this host: later starts do without opening it for that."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from landcover.machine import machine_facts
from landcover.models.cache import cache_folder, noted
from landcover.small_files import MOST_BYTES, open_regular
from landcover.versions import own_code, versioned

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")

# Libraries that take part in finding out, whatever the runtime.
_BESIDE = ("numpy", "onnx", "tensorflow", "keras")
_OF_OTHERS = 0o022  # permissions to write for any but the owner


def recalled(kind: type[R], what: Mapping[str, Any], libraries: tuple[str, ...]) -> R | None:
    """What was found out before about the same, by the same code on the same kind of processor.

    Args:
        kind: a dataclass whose fields are numbers, texts, None, and tuples of these.
        what: all that decides what is found out, as plain JSON values: digests, not places.
        libraries: distributions whose version does.

    Returns:
        None where nothing is remembered, or nothing that can be trusted: a file that is damaged, or
        that others than this user may have written.
    """
    path = _path(what, libraries)
    digest, _, text = _own(path).partition("\n")
    if digest != _digest(path.name + text):
        return None
    values = json.loads(text)
    if values.keys() != {one.name for one in fields(kind)}:
        return None
    return kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})


def remember(found: DataclassInstance, what: Mapping[str, Any], libraries: tuple[str, ...]) -> None:
    """Keep what was found out; where it cannot be kept, it is found out anew the next time.

    Args:
        found: what :func:`recalled` shall return.
        what: as there.
        libraries: as there.
    """
    path, text = _path(what, libraries), json.dumps(asdict(found))
    noted(path, f"{_digest(path.name + text)}\n{text}")


def _path(what: Mapping[str, Any], libraries: tuple[str, ...]) -> Path:
    versions = [versioned(name) for name in (*libraries, *_BESIDE)]
    held = [what, own_code(), versions, machine_facts()["instructions"]]
    return cache_folder() / "found" / f"{_digest(json.dumps(held, sort_keys=True))}.json"


def _own(path: Path) -> str:
    """The content of a file that none but this user can have written; "" where there is none."""
    try:
        with open_regular(path) as file:
            state = os.fstat(file.fileno())
            if state.st_uid != os.geteuid() or state.st_mode & _OF_OTHERS:
                return ""
            return file.read(MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError):
        return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
