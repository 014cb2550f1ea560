"""The list of faults, a module a room."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType

from mutants.faults import Fault
from mutants.planted import (
    answers,
    backends,
    change,
    images,
    maps,
    models,
    protocol,
    report,
    runs,
    scenes,
    scoring,
    shared,
    stores,
    strangers,
    tiles,
)

_LISTS = (
    tiles,
    scenes,
    images,
    models,
    scoring,
    runs,
    maps,
    protocol,
    backends,
    shared,
    change,
    report,
    strangers,
    stores,
    answers,
)


def _of(module: ModuleType) -> Iterator[Fault]:
    for value in vars(module).values():
        if isinstance(value, list):
            yield from value


FAULTS = tuple(fault for module in _LISTS for fault in _of(module))


def matching(pattern: str) -> list[Fault]:
    """The faults of the list of this name, and those whose "file: what is wrong" holds a pattern."""
    return [
        fault
        for module in _LISTS
        for fault in _of(module)
        if module.__name__.endswith(f".{pattern}") or re.search(pattern, str(fault))
    ]
