"""Puts what the benchmarks found into docs/performance.md: ``python -m benchmarks.report``.

Everything between two marks in that page is made from results/*.json: a table of each benchmark's
claims with goal and reached figure, its figures, and the machine, versions and commit it was
measured with.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from benchmarks.measuring import ROOT
from benchmarks.record import RESULTS

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- made by benchmarks/report.py: begin -->", "<!-- end -->"
ORDER = ("limits", "peers", "backends", "scaling", "overhead", "worker", "memory", "cntk", "naip")


@click.command()
@click.option("--page", default=PAGE, type=click.Path(path_type=Path), show_default=True)
def main(page: Path) -> None:
    """Refresh the page."""
    text = page.read_text(encoding="utf-8")
    head, found, rest = text.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if not (found and ended):
        raise click.ClickException(f"{page} must hold the lines {BEGIN!r} and {END!r}")
    records = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    records = [record for record in records if record.get("claims")]
    records.sort(key=lambda record: _place(record["benchmark"]))
    body = "\n".join(section(record) for record in records)
    page.write_text(f"{head}{BEGIN}\n\n{body}\n{END}{tail}", encoding="utf-8")
    click.echo(f"{page}: {sum(len(record['claims']) for record in records)} figures")


def section(record: dict[str, Any]) -> str:
    """The section of one benchmark, in Markdown."""
    name = record["benchmark"]
    lines = [f"### {name}", "", _conditions(record), ""]
    lines += ["| what | reached | goal | |", "|---|---|---|---|"]
    lines += [_row(one) for one in record["claims"]]
    lines.append("")
    for figure in record.get("figures", [f"{name}.png"]):
        if (RESULTS / figure).exists():
            lines += [f"![{name}](../benchmarks/results/{figure})", ""]
    return "\n".join(lines)


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def _row(one: dict[str, Any]) -> str:
    unit = f" {one['unit']}" if one["unit"] else ""
    goal = ""
    if one["goal"] is not None:
        goal = f"{'at most' if one['most'] else 'at least'} {one['goal']:,g}{unit}"
    verdict = {None: "", True: "reached", False: "**missed**"}[one["met"]]
    return f"| {one['question']} | {one['reached']:,.3g}{unit} | {goal} | {verdict} |"


def _conditions(record: dict[str, Any]) -> str:
    machine = record["machine"]
    able = ", ".join(machine["instructions"]) or "no known ones"
    bf16 = "" if "amx_bf16" in machine["instructions"] else " (no AMX: bf16 is slower than with it)"
    versions = ", ".join(
        f"{name} {number}" for name, number in record["versions"].items() if number
    )
    conditions = record.get("conditions", {}).items()
    told = ", ".join(f"{key} {value}" for key, value in conditions if not isinstance(value, dict))
    changed = " with changes" if record["changed_since_commit"] else ""
    return (
        f"`python -m benchmarks.{record['benchmark']}`, {record['measured'][:10]}, commit "
        f"{record['commit'][:7]}{changed}; {machine['processor']}, {machine['cpus']} CPUs, {able}{bf16}, "
        f"{machine['memory_gib']} GiB, Python {machine['python']}; {versions}"
        f"{'; ' if told else ''}{told}."
    )


if __name__ == "__main__":
    main()
