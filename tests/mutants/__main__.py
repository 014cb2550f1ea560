"""``python -m mutants``: plant faults one at a time, and say which of them no test notices."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mutants.faults import Fault
from mutants.planted import matching
from mutants.planting import BrokenTests, Copies, Result


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="", help="a list, or a pattern of 'file: what is wrong'")
    options.add_argument("--jobs", type=int, default=2, help="how many at the same time")
    options.add_argument("--every", type=int, default=3, help="each so many-th of them; 1: all")
    chosen = options.parse_args()
    faults = matching(chosen.only)[:: chosen.every]
    stale = [mistake for fault in faults for mistake in fault.mistakes()]
    if stale or not faults:
        _say(*stale, f"{len(faults)} faults, {len(stale)} of them stale: nothing is run")
        return 2
    started = time.perf_counter()
    try:
        results = _examined(faults, chosen.jobs)
    except BrokenTests as error:
        _say(str(error), "these tests fail without any fault: nothing can be told from them")
        return 2
    return _summed_up(results, time.perf_counter() - started)


def _examined(faults: Sequence[Fault], jobs: int) -> list[Result]:
    found = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = Copies(Path(folder), jobs)
        copies.check(sorted({test for fault in faults for test in fault.tests}))
        for result in copies.examine(faults):
            found.append(result)
            told = f" (without effect: {result.fault.harmless})" if result.fault.harmless else ""
            _say(f"{result.verdict:9} {result.seconds:6.1f} s  {result.fault}{told}")
            if result.verdict == "unclear":
                _say(result.said)
    return found


def _summed_up(results: Sequence[Result], seconds: float) -> int:
    bad = [result for result in results if not result.as_expected]
    real = Counter(result.verdict for result in results if not result.fault.harmless)
    harmless = sum(bool(result.fault.harmless) for result in results)
    _say(*(f"{result.verdict}: {result.fault}" for result in bad))
    counts = ", ".join(f"{number} {verdict}" for verdict, number in sorted(real.items()))
    _say(f"{len(results)} planted: {counts}; {harmless} without effect; {seconds:.0f} s")
    return int(bool(bad))


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
