"""Draws the diagrams of docs/architecture.md from the imports of the package.

    python docs/architecture.py            # writes them
    python docs/architecture.py --check    # fails where they are not those of the code

An arrow goes from a room to one that it imports. Arrows that follow from others are left out: where
A uses B, B uses C and A uses C, only the first two are drawn.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"

Graph = Mapping[str, set[str]]


def modules() -> dict[tuple[str, ...], Path]:
    """All modules of the package by the parts of their names; backends/ is landcover.backends."""
    found: dict[tuple[str, ...], Path] = {}
    for folder, prefix in ((ROOT / "landcover", ()), (ROOT / "backends", ("backends",))):
        for path in folder.rglob("*.py"):
            found["landcover", *prefix, *path.relative_to(folder).with_suffix("").parts] = path
    return found


def rooms(within: tuple[str, ...]) -> dict[str, int]:
    """The parts of a package, folders and modules, with how many modules each has."""
    counts: dict[str, int] = {}
    for name in modules():
        if name[: len(within)] == within and name[len(within)] != "__init__":
            counts[name[len(within)]] = counts.get(name[len(within)], 0) + 1
    return dict(sorted(counts.items()))


def uses(within: tuple[str, ...]) -> Graph:
    """Which parts of a package import which others, anywhere in their files."""
    parts, depth = rooms(within), len(within)
    graph: dict[str, set[str]] = {part: set() for part in parts}
    for name, path in modules().items():
        if name[:depth] != within or name[depth] not in parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    used = (*node.module.split("."), alias.name)
                    if used[:depth] == within and used[depth] in parts:
                        graph[name[depth]].add(used[depth])
    return {part: used - {part} for part, used in graph.items()}


def reduced(graph: Graph) -> Graph:
    """The graph without the arrows that follow from others."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        stack = [*graph[start]]
        while stack:
            part = stack.pop()
            if part not in found:
                found.add(part)
                stack.extend(graph[part])
        return found

    return {
        part: {one for one in used if not any(one in reached(other) for other in used - {one})}
        for part, used in graph.items()
    }


def diagram(within: tuple[str, ...], leave_out: frozenset[str] = frozenset()) -> str:
    """A Mermaid diagram of a package's parts."""
    counts = rooms(within)
    graph = {part: used - leave_out for part, used in uses(within).items() if part not in leave_out}
    lines = ["```mermaid", "flowchart TD"]
    for part in graph:
        files = f"<br/>{counts[part]} modules" if counts[part] > 1 else ""
        lines.append(f'    {part}_["{part}{files}"]')
    for part, used in reduced(graph).items():
        lines += [f"    {part}_ --> {one}_" for one in sorted(used)]
    return "\n".join([*lines, "```"])


def page() -> str:
    """The page with its diagrams as the code has them."""
    text = PAGE.read_text(encoding="utf-8")
    drawn = {
        # Everything uses errors, machine and contracts: their arrows would hide the others.
        "package": diagram(
            ("landcover",), frozenset({"redaction", "errors", "machine", "contracts"})
        ),
        "models": diagram(("landcover", "models"), frozenset({"cache"})),
        "runs": diagram(("landcover", "runs")),
    }
    for name, content in drawn.items():
        between = re.compile(rf"(<!-- diagram: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = between.subn(lambda m, c=content: f"{m[1]}{c}\n{m[2]}", text)  # type: ignore[misc]
        if count != 1:
            raise SystemExit(f"{PAGE}: has {count} places for the diagram {name!r}, expected one")
    return text


def main() -> None:
    """Write the page, or compare it."""
    wanted = page()
    if "--check" in sys.argv[1:]:
        if wanted != PAGE.read_text(encoding="utf-8"):
            raise SystemExit(
                f"{PAGE}: is not what the imports say: run python docs/architecture.py"
            )
        return
    PAGE.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
