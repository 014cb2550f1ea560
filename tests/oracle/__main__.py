"""``python -m oracle``: draw cases and say where the package differs from the reference."""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback
import warnings

from oracle.comparing import differences
from oracle.worlds import draw


def replay(seed: int) -> str:
    """The command that runs a case again."""
    return f"make oracle SEED={seed} CASES=1"


def examine(seed: int) -> list[str]:
    """What is wrong with a case, an exception included."""
    case = draw(seed)
    try:
        return differences(case)
    except Exception as error:  # noqa: BLE001  (whatever it is, it is a difference)
        lines = traceback.format_exception(error)
        return [f"{type(error).__name__}: {error}\n{''.join(lines[-3:])}"]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cases", type=int, default=2000, help="how many cases")
    options.add_argument("--seed", type=int, default=0, help="of the first case")
    options.add_argument("--local", action="store_true", help="leave out clusters")
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    started, bad = time.time(), 0
    for seed in range(chosen.seed, chosen.seed + chosen.cases):
        if chosen.local and draw(seed).backend != "local":
            continue
        found = examine(seed)
        if found:
            bad += 1
            told = (f"  {what}" for what in [*found, f"again: {replay(seed)}"])
            _say(f"case {seed}: {draw(seed)}", *told)
    _say(f"{chosen.cases} cases, {bad} with differences, {time.time() - started:.0f} s")
    return int(bad > 0)


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
