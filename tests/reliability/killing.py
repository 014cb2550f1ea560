"""A command that is killed at random moments, given again until it is done, and what it leaves compared."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import psutil

from reliability.forking import Forked

PATIENCE = 600.0
"""Seconds until a command that does not get on is given up."""
Process: TypeAlias = Forked | subprocess.Popen[str]
_ENDED = "ended before"


class Killed(Protocol):
    """A command that is killed, and what it leaves."""

    def begin_anew(self) -> None:
        """Leave nothing of what was before."""

    def start(self) -> Process:
        """Give the command, as a process."""

    def victims(self, process: Process, dice: random.Random) -> list[int]:
        """The ids of the processes that are killed together."""

    def is_late(self) -> bool:
        """Whether it makes what comes last, which takes a moment only."""

    def stage(self) -> str:
        """How far it has come, for people."""

    def kept(self) -> Mapping[str, object]:
        """What is done and need not be done again, each with a mark that another one would lack."""

    def content(self) -> dict[str, bytes]:
        """All that it has written, but for what says when and how fast."""

    def said(self) -> str:
        """The last line of what it has said."""


@dataclass(frozen=True)
class Moment:
    """When to kill.

    Args:
        seconds: after the start of the command.
        late: they are counted from when it makes what comes last.
    """

    seconds: float
    late: bool = False


@dataclass(frozen=True)
class Lengths:
    """How many seconds a command takes that nothing happens to, and how many what it makes last."""

    whole: float
    late: float

    def drawn(self, dice: random.Random) -> list[Moment]:
        """Moments of one run: a third in the first second, a third late; the others anywhere."""
        first = dice.choice([Moment(dice.uniform(0, 1)), self._late(dice), self._anywhere(dice)])
        further = [self._anywhere(dice) for _ in range(dice.randrange(3))]
        return [first, *further]

    def _anywhere(self, dice: random.Random) -> Moment:
        return Moment(dice.uniform(0, self.whole))

    def _late(self, dice: random.Random) -> Moment:
        return Moment(dice.uniform(0, self.late), late=True)


def kill_all(killed: Killed, name: str, count: int, dice: random.Random) -> int:
    """Kill until that has been done so often; how many runs ended wrong.

    A run is right if it ends in the same files as one that nothing happens to, and does nothing
    again that had been done.
    """
    whole, lengths = _let_be(killed)
    wrong, kills = 0, 0
    stages: Counter[str] = Counter()
    while kills < count:
        killed.begin_anew()
        moments, kept, again = lengths.drawn(dice), dict[str, Any](), list[str]()
        for moment in moments:
            stage = _killed(killed, moment, dice)
            if stage == _ENDED:
                break
            stages[stage] += 1
            kills += 1
            again += _again(kept, killed.kept())
            kept = dict(killed.kept())
        code = killed.start().wait(PATIENCE)
        again += _again(kept, killed.kept())
        found = killed.content()
        differ = sorted(one for one in {*found, *whole} if found.get(one) != whole.get(one))
        right = code == 0 and not differ and not again
        wrong += not right
        if not right:
            _say(f"WRONG after kills at {moments}: code {code}, {killed.said()}")
            _say(f"differ: {differ[:5]}; done again: {again[:5]}")
        told = ", ".join(f"{stage} {number}" for stage, number in sorted(stages.items()))
        _say(f"{name}: {kills} of {count} kills, {wrong} runs wrong ({told})")
    return wrong


def _again(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """What had been done and has another mark now."""
    return [name for name, mark in before.items() if after.get(name, mark) != mark]


def _let_be(killed: Killed) -> tuple[dict[str, bytes], Lengths]:
    """What a run writes that nothing happens to, and how long it takes."""
    killed.begin_anew()
    started = time.monotonic()
    process = killed.start()
    assert _wait_until_late(killed, process), killed.said()
    begun = time.monotonic()
    while killed.is_late() and process.poll() is None:
        time.sleep(0.005)
    late = time.monotonic() - begun
    assert process.wait(PATIENCE) == 0, killed.said()
    return killed.content(), Lengths(time.monotonic() - started, late)


def _wait_until_late(killed: Killed, process: Process) -> bool:
    until = time.monotonic() + PATIENCE
    while process.poll() is None:
        if killed.is_late():
            return True
        assert time.monotonic() < until, f"it does not get on: {killed.said()}"
        time.sleep(0.005)
    return False


def _killed(killed: Killed, moment: Moment, dice: random.Random) -> str:
    """Start a command and kill it, or one of what it has started; which stage it was in."""
    process = killed.start()
    if moment.late and not _wait_until_late(killed, process):
        return _ENDED
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment.seconds)
        return _ENDED
    stage = killed.stage()
    try:
        victims = killed.victims(process, dice)
        for pid in victims:
            psutil.Process(pid).send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return _ENDED
    itself = process.pid in victims
    try:
        process.wait(0.5 if itself else dice.uniform(0, 3))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return stage if itself else f"{stage} (a child)"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
