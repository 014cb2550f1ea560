"""``python -m simulation``: let worlds be, one a seed, and say which of them did not end as they must."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from multiprocessing import get_context

from simulation.world import lived

_CHUNK = 50
_SHOWN = 40  # lines of what happened last in a world that failed


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=10_000, help="how many")
    options.add_argument("--seed", type=int, default=0, help="the first")
    options.add_argument("--jobs", type=int, default=2, help="processes")
    options.add_argument("--trace", action="store_true", help="say all that happens")
    chosen = options.parse_args()
    started, bad, seen = time.perf_counter(), 0, Counter[str]()
    starts = range(chosen.seed, chosen.seed + chosen.seeds, _CHUNK)
    chunks = [range(at, min(at + _CHUNK, chosen.seed + chosen.seeds)) for at in starts]
    with get_context("spawn").Pool(chosen.jobs) as pool:
        for results in pool.imap_unordered(lived, chunks):
            for seed, problems, happened, trace in results:
                seen.update(happened)
                if problems or chosen.trace:
                    _say(*trace[0 if chosen.trace else -_SHOWN :])
                    _say(*(f"seed {seed}: {problem}" for problem in problems))
                bad += bool(problems)
    seconds = time.perf_counter() - started
    _say(f"{chosen.seeds:,} worlds in {seconds:.0f} s, {1000 * seconds / chosen.seeds:.0f} ms each")
    _say("worlds by what went wrong in them: " + ", ".join(f"{k} {n}" for k, n in seen.items()))
    _say(f"{bad} did not end as they must; again: make simulate SEEDS=1 SEED=n")
    return int(bool(bad))


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
