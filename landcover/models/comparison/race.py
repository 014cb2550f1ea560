"""Ways to do one thing, measured in interleaved rounds until it is clear which is the fastest."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

# After the first round, what is slower than this share of the fastest is out: no noise of a machine
# that is used by others as well makes up for so much.
_FAR_BEHIND = 0.6
# Ranges that do not overlap say something only from so many turns on.
_FEWEST = 3

_NO_TURN = "time was over before its turn"


@dataclass
class Turns:
    """What was measured of one way.

    Args:
        speeds: one a turn, more is better.
        out: why it had no more turns; "" where it had as many as any.
    """

    speeds: list[float] = field(default_factory=list)
    out: str = ""

    @property
    def middle(self) -> float:
        """The median of its turns; 0 where it had none."""
        return median(self.speeds) if self.speeds else 0.0

    @property
    def spread(self) -> float:
        """How far its turns are from one another, as a share of the median."""
        return (max(self.speeds) - min(self.speeds)) / self.middle if self.middle else 0.0

    def clearly_faster(self, other: Turns) -> bool:
        """Whether its slowest turn was faster than the fastest of another; neither had but a few."""
        enough = min(len(self.speeds), len(other.speeds)) >= _FEWEST
        return enough and min(self.speeds) > max(other.speeds)


class Race(Generic[K]):
    """Gives each way a turn in each round, so that other work of the machine hits all alike.

    It ends after some rounds, or when time is over; a way that is far behind after its first turn, or
    clearly slower than the fastest later, has no more turns.

    Args:
        ways: in the order of their turns.
        turn: measures one of them once and returns its speed; 0 where it cannot run.
        rounds: at most.
        seconds: after so many, no turn begins.
        clock: tells seconds.
        all_the_way: every way has all turns, however slow it is.
    """

    def __init__(
        self,
        ways: Sequence[K],
        turn: Callable[[K], float],
        rounds: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        all_the_way: bool = False,
    ) -> None:
        self._turn, self._rounds, self._clock = turn, rounds, clock
        self._all_the_way = all_the_way
        self._ends = clock() + seconds
        self.turns: dict[K, Turns] = {way: Turns() for way in ways}

    def run(self) -> dict[K, Turns]:
        """Hold the race; what was measured of each way."""
        for number in range(self._rounds):
            for way in self._running():
                if self._clock() >= self._ends:
                    return self._ended()
                self._have_turn(way)
            if not self._all_the_way:
                self._drop(number + 1)
            if number + 1 >= _FEWEST and len(self._running()) == 1:
                break
        return self.turns

    def _running(self) -> list[K]:
        return [way for way, turns in self.turns.items() if not turns.out]

    def _have_turn(self, way: K) -> None:
        speed = self._turn(way)
        if speed > 0:
            self.turns[way].speeds.append(speed)
        else:
            self.turns[way].out = "it cannot run"

    def _drop(self, rounds: int) -> None:
        """Take out what cannot win any more."""
        running = [turns for turns in self.turns.values() if not turns.out]
        leader = max(running, key=lambda turns: turns.middle, default=None)
        for turns in running:
            if leader is None or turns is leader:
                continue
            if turns.middle < _FAR_BEHIND * leader.middle:
                turns.out = f"far behind after {_counted(rounds)}"
            elif leader.clearly_faster(turns):
                turns.out = f"clearly slower after {_counted(rounds)}"

    def _ended(self) -> dict[K, Turns]:
        for turns in self.turns.values():
            if not turns.out and not turns.speeds:
                turns.out = _NO_TURN
        return self.turns


def _counted(rounds: int) -> str:
    return f"{rounds} round{'s' if rounds > 1 else ''}"


def fastest_of(turns: Mapping[K, Turns], among: Collection[K]) -> tuple[K, list[K]]:
    """The way with the highest median, and those that may be as fast, as far as is known.

    Args:
        turns: what was measured.
        among: the ways that may be taken, of which at least one had a turn.
    """
    ran = [way for way in turns if way in among and turns[way].speeds]
    best = max(ran, key=lambda way: turns[way].middle)
    return best, [way for way in turns if way != best and _may_win(way, best, turns, ran)]


def _may_win(way: K, best: K, turns: Mapping[K, Turns], ran: Collection[K]) -> bool:
    if way not in ran:
        return turns[way].out == _NO_TURN
    enough = len(turns[best].speeds) >= _FEWEST
    behind = turns[way].out.startswith("far behind")
    return not (enough and (behind or turns[best].clearly_faster(turns[way])))
