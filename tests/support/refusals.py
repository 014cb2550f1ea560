"""Where modules refuse a network, and which of these places tests have met."""

from __future__ import annotations

import ast
import re
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

Met: TypeAlias = set[tuple[str, int]]


def places(error: BaseException) -> Met:
    """The file and line of all that was under way when an error was raised."""
    found, one = set(), error
    while one is not None:
        found |= {(f.filename, f.lineno or 0) for f in traceback.extract_tb(one.__traceback__)}
        one = one.__context__  # type: ignore[assignment]
    return found


def left(modules: Iterable[Path], met: Met, but: Iterable[str] = ()) -> list[str]:
    """The refusals of modules that no test has met.

    Args:
        modules: their files.
        met: files and lines that were reached.
        but: what the text of a refusal may hold that need not be met.
    """
    return [
        f"{path.name}:{first}: {text}"
        for path in modules
        for first, last, text in _refusals(path)
        if not any((str(path), line) in met for line in range(first, last + 1))
        and not any(word in text for word in but)
    ]


def _refusals(path: Path) -> Iterator[tuple[int, int, str]]:
    """First and last line, and what stands there, of each ``raise`` of a module."""
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise):
            text = ast.get_source_segment(source, node) or ""
            assert node.end_lineno is not None
            if "ModelError(" in text:
                yield node.lineno, node.end_lineno, re.sub(r"\s+", " ", text)
