"""A sheet made small."""

from __future__ import annotations

from collections.abc import Sequence

from landcover.models.cntk.sheet import Array, Node, Sheet


def simplify(
    sheet: Sheet, outputs: Sequence[str], lrn: str
) -> tuple[list[Node], dict[str, Array]]:
    return sheet.nodes, sheet.constants
