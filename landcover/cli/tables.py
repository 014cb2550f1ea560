"""Tables on the terminal, and as wide as they need to be elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table

from landcover.cli.saying import LONGEST
from landcover.redaction import printable, shortened

# Where there is no terminal, lines are not folded at 80 characters: other programs read them.
_WIDTH_ELSEWHERE = 200


class _Table(Table):
    """Cells are often names from files."""

    def add_row(self, *cells: RenderableType | None, **how: Any) -> None:
        told = (shortened(printable(x), LONGEST) if isinstance(x, str) else x for x in cells)
        super().add_row(*told, **how)


def new_table(left: tuple[str, ...], right: tuple[str, ...]) -> Table:
    """An empty table.

    Args:
        left: headings of columns of words, which come first.
        right: headings of columns of numbers.
    """
    table = _Table(box=None, pad_edge=False, header_style="bold")
    for heading in left:
        table.add_column(heading, overflow="fold")
    for heading in right:
        table.add_column(heading, justify="right")
    return table


def show(table: Table) -> None:
    """Print a table to standard output."""
    width = None if sys.stdout.isatty() else _WIDTH_ELSEWHERE
    Console(highlight=False, markup=False, width=width).print(table)
