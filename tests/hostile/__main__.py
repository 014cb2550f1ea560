"""Tries the corpus: ``python -m hostile [--only KIND] [--every N] [--jobs 2]``; the exit code says whether all ended well."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

import click

from hostile.corpus import corpus
from hostile.judging import judged


def main() -> int:
    parser = argparse.ArgumentParser(prog="hostile", description=__doc__)
    parser.add_argument("--only", default="", help="cases whose kind and name hold this")
    parser.add_argument("--every", type=int, default=1, help="one case of so many")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    chosen = [case for case in corpus() if asked.only in f"{case.kind} {case.name}"][:: asked.every]
    began, ends = time.monotonic(), Counter[tuple[str, str]]()
    for verdict in judged(chosen, asked.jobs):
        ends[verdict.case.kind, verdict.ended if verdict.good else "bad"] += 1
        if not verdict.good:
            said = " / ".join(verdict.said.splitlines())[:500]
            click.echo(f"{verdict.case.kind}: {verdict.case.name}: {verdict.ended}: {said}")
    for (kind, ended), count in sorted(ends.items()):
        click.echo(f"{kind:10} {ended:10} {count}")
    click.echo(f"{len(chosen)} cases in {time.monotonic() - began:.0f} s")
    return int(any(ended == "bad" for _, ended in ends))


if __name__ == "__main__":
    sys.exit(main())
