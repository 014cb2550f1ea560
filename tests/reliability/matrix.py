"""The table of faults in docs/reliability.md: written by the suite, from what it has seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reliability.faults import FAULTS
from reliability.trying import BACKENDS, Cell

BEGIN, END = "<!-- made by make faults -->\n", "<!-- end -->\n"

_TOLD = {
    0: "right at once",
    1: "stopped in a sentence",
}


def write_table(document: Path, seen: Mapping[tuple[str, str], Cell]) -> None:
    """Put what was seen into the table of the document; what was not tried stays as it says.

    Args:
        document: with the two marks between which the table stands.
        seen: what became of each fault (its name) on each backend.
    """
    before, _, rest = document.read_text().partition(BEGIN)
    table, _, after = rest.partition(END)
    told = {key: _words(cell) for key, cell in seen.items()}
    document.write_text(before + BEGIN + _table({**_told_before(table), **told}) + END + after)


def _told_before(table: str) -> dict[tuple[str, str], str]:
    rows = [line.strip("| \n").split(" | ") for line in table.splitlines()[2:]]
    return {
        (row[0], one): said for row in rows for one, said in zip(BACKENDS, row[1:], strict=True)
    }


def _table(told: Mapping[tuple[str, str], str]) -> str:
    lines = [f"| fault | {' | '.join(BACKENDS)} |", f"|---|{'---|' * len(BACKENDS)}"]
    for fault in FAULTS:
        cells = (told.get((fault.name, backend), "not tried yet") for backend in BACKENDS)
        lines.append(f"| {fault.name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _words(cell: Cell) -> str:
    if cell.code == 0:
        return _TOLD[0]
    ended = _TOLD.get(cell.code, "ended")
    return f"{ended}; the same command did {cell.again} of {cell.tasks} tasks, and was right"
