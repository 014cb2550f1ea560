"""What a run could not score, grouped by why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from landcover.runs.directory import RunDirectory
from landcover.runs.parts import read_parts

_MOST = 50


@dataclass(frozen=True)
class Reason:
    """Why tiles are in quarantine.

    Args:
        text: as the worker said.
        tiles: how many.
        retryable: how many of these may be scored when they are tried again.
        example: one of them.
    """

    text: str
    tiles: int
    retryable: int
    example: str


def reasons(run: RunDirectory) -> tuple[list[Reason], int]:
    """The commonest reasons, and how many tiles have others.

    Raises:
        OutputError: if a part of the quarantine cannot be read.
    """
    tiles: Counter[str] = Counter()
    again: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for table in read_parts(run, "quarantine", ["tile", "reason", "retryable"]):
        for row in table.to_pylist():
            text = str(row["reason"])
            tiles[text] += 1
            again[text] += bool(row["retryable"])
            examples.setdefault(text, str(row["tile"]))
    shown = tiles.most_common(_MOST)
    found = [Reason(text, count, again[text], examples[text]) for text, count in shown]
    return found, tiles.total() - sum(one.tiles for one in found)
