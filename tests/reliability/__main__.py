"""Kills commands at random moments, and gives them again: ``make kills WHAT=score COUNT=200 ON=local``."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path
from typing import get_args

from reliability.killing import kill_all
from reliability.making import Made, making
from reliability.scoring import Scoring
from reliability.trying import BACKENDS, prepared


def main() -> None:
    """Kill as often as is asked for; the exit code says whether all ended right."""
    asked = argparse.ArgumentParser(prog="reliability")
    asked.add_argument("--what", choices=("score", *get_args(Made)), default="score")
    asked.add_argument("--count", type=int, default=200)
    asked.add_argument("--backend", choices=BACKENDS, default="local")
    asked.add_argument("--seed", type=int, default=0)
    told = asked.parse_args()
    dice = random.Random(told.seed)
    with tempfile.TemporaryDirectory() as folder:
        if told.what != "score":
            wrong = kill_all(making(Path(folder), told.what), told.what, told.count, dice)
        else:
            with prepared(Path(folder)) as place:
                scoring = Scoring(place, told.backend)
                wrong = kill_all(scoring, told.backend, told.count, dice)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
