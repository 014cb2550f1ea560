"""Conditions in SQL by which features are chosen: comparisons of columns, which end."""

from __future__ import annotations

import re
from typing import Final

# Texts, quoted names, words, and all else.
_TOKEN: Final = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]|[^\W\d]\w*|/\*|--|\s+|.", re.DOTALL
)
_WORD: Final = re.compile(r"[^\W\d]\w*")
# What may stand before a parenthesis that calls no function, and what begins a question within one.
_BEFORE: Final = frozenset(["and", "or", "not", "in", "like", "ilike", "between", "is", "escape"])
_ASKING: Final = frozenset(["select", "values", "with"])


def objection(condition: str) -> str | None:
    """Why a condition is more than comparisons of columns; None where it is not.

    Questions within it and functions may run without end, and take any memory.
    """
    tokens = [found for found in _TOKEN.findall(condition) if not found.isspace()]
    if {"/*", "--"} & {*tokens}:
        return "holds a comment, and must compare columns alone"
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        if _WORD.fullmatch(token) is None:
            continue
        if token.lower() in _ASKING:
            return f'holds {token!r}, and must compare columns alone (a column of that name in quotes: "{token}")'
        if following == "(" and token.lower() not in _BEFORE:
            return f"calls {token!r}, and must compare columns alone"
    return None
