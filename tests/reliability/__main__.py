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
from dataclasses import dataclass
from pathlib import Path

import psutil

from reliability.faults import MAPS
from reliability.trying import BACKENDS, Place, healthy, prepared

_PATIENCE = 600.0
_ENDED = "ended before"


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


@dataclass(frozen=True)
class Moment:
    """When to kill.

    Args:
        seconds: after the start of the command.
        of_maps: they are counted from when it begins to make maps.
    """

    seconds: float
    of_maps: bool = False


@dataclass(frozen=True)
class Lengths:
    """How many seconds a run takes that nothing happens to, and how many its maps."""

    whole: float
    maps: float

    def drawn(self, dice: random.Random) -> list[Moment]:
        """Moments of one run: a third in the first second, a third in the maps; the others anywhere."""
        first = dice.choice([Moment(dice.uniform(0, 1)), self._in_maps(dice), self._anywhere(dice)])
        further = [self._anywhere(dice) for _ in range(dice.randrange(3))]
        return [first, *further]

    def _anywhere(self, dice: random.Random) -> Moment:
        return Moment(dice.uniform(0, self.whole))

    def _in_maps(self, dice: random.Random) -> Moment:
        return Moment(dice.uniform(0, self.maps), of_maps=True)


def _kill_all(place: Place, backend: str, count: int, dice: random.Random) -> int:
    """Kill until that has been done so often; how many runs ended wrong."""
    whole, wrong, killed = healthy(place), 0, 0
    lengths = _measured(place, backend)
    assert place.content() == whole
    stages: Counter[str] = Counter()
    while killed < count:
        place.begin_anew()
        moments = lengths.drawn(dice)
        for moment in moments:
            stage = _killed(place, backend, moment, dice)
            if stage == _ENDED:
                break
            stages[stage] += 1
            killed += 1
        code = place.start(backend).wait(_PATIENCE)
        right = code == 0 and place.content() == whole
        wrong += not right
        if not right:
            _say(f"WRONG after kills at {moments}: code {code}, {place.said()}")
        told = ", ".join(f"{stage} {number}" for stage, number in sorted(stages.items()))
        _say(f"{backend}: {killed} of {count} kills, {wrong} runs wrong ({told})")
    return wrong


def _measured(place: Place, backend: str) -> Lengths:
    """Let a run be, and see how long it takes."""
    place.begin_anew()
    started = time.monotonic()
    process = place.start(backend)
    assert place.wait_for(MAPS, process), place.said()
    begun = time.monotonic()
    while any(place.run.glob(MAPS[0])):
        time.sleep(0.005)
    maps = time.monotonic() - begun
    assert process.wait(_PATIENCE) == 0, place.said()
    return Lengths(time.monotonic() - started, maps)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _killed(place: Place, backend: str, moment: Moment, dice: random.Random) -> str:
    """Start a command and kill it, or one of what it has started; which stage it was in."""
    process = place.start(backend)
    if moment.of_maps and not place.wait_for(MAPS, process):
        return _ENDED
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment.seconds)
        return _ENDED
    stage = _stage(place.run)
    victims = [process.pid]
    if dice.random() < 1 / 3:
        started = psutil.Process(process.pid).children(recursive=True)
        victims = [dice.choice([one.pid for one in started] or victims)]
    for pid in victims:
        try:
            psutil.Process(pid).send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            return _ENDED
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
    if any(run.glob(MAPS[0])):
        return "maps"
    return "after the maps" if (run / "map.tif").exists() else "tasks"


if __name__ == "__main__":
    main()
