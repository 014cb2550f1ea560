"""Kills a run at random moments, goes on with it, and compares: ``make kills COUNT=200 ON=local``."""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil

from reliability.trying import BACKENDS, Place, healthy, prepared

_PATIENCE = 600.0


def main() -> None:
    """Kill as often as is asked for; the exit code says whether all ended right."""
    asked = argparse.ArgumentParser(prog="reliability")
    asked.add_argument("--count", type=int, default=200)
    asked.add_argument("--backend", choices=BACKENDS, default="local")
    asked.add_argument("--seed", type=int, default=0)
    told = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder)) as place:
        wrong = _kill_all(place, told.backend, told.count, random.Random(told.seed))
    sys.exit(wrong > 0)


def _kill_all(place: Place, backend: str, count: int, dice: random.Random) -> int:
    """Kill until that has been done so often; how many runs ended wrong."""
    whole, wrong, killed = healthy(place), 0, 0
    place.begin_anew()
    started = time.monotonic()
    assert place.start(backend).wait(_PATIENCE) == 0, place.said()
    seconds = time.monotonic() - started
    assert place.content() == whole
    stages: Counter[str] = Counter()
    while killed < count:
        place.begin_anew()
        # A third in the first second; the others anywhere, several times a run.
        moments = [dice.uniform(0, 1 if dice.random() < 1 / 3 else seconds)]
        moments += [dice.uniform(0, seconds) for _ in range(dice.randrange(3))]
        for moment in moments:
            stages[_killed(place, backend, moment, dice)] += 1
            killed += 1
        code = place.start(backend).wait(_PATIENCE)
        right = code == 0 and place.content() == whole
        wrong += not right
        if not right:
            _say(f"WRONG after kills at {moments}: code {code}, {place.said()}")
        told = ", ".join(f"{stage} {number}" for stage, number in sorted(stages.items()))
        _say(f"{backend}: {killed} of {count} kills, {wrong} runs wrong ({told})")
    return wrong


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _killed(place: Place, backend: str, moment: float, dice: random.Random) -> str:
    """Start a command and kill it, or one of what it has started; which stage it was in."""
    process = place.start(backend)
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment)
        return "ended before"
    stage = _stage(place.run)
    victims = [process.pid]
    if dice.random() < 1 / 4:
        started = psutil.Process(process.pid).children(recursive=True)
        victims = [dice.choice([one.pid for one in started] or victims)]
    for pid in victims:
        try:
            psutil.Process(pid).send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            return "ended before"
    try:
        process.wait(0.5 if victims == [process.pid] else dice.uniform(0, 3))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return stage if victims == [process.pid] else f"{stage} (a child)"


def _stage(run: Path) -> str:
    if not run.exists():
        return "before the directory"
    if not any(run.glob("tiles/part-*")):
        return "before the first part"
    return "maps" if (run / ".writing-maps").exists() else "tasks"


if __name__ == "__main__":
    main()
