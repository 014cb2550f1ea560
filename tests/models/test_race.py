"""Ways that are measured in rounds until it is clear which is the fastest."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from landcover.models.comparison.race import Race, fastest_of


class Ways:
    """Ways with known speeds, one a turn, and a clock that goes on by a second a turn."""

    def __init__(self, **speeds: list[float]) -> None:
        self._speeds: dict[str, Iterator[float]] = {k: iter(v) for k, v in speeds.items()}
        self.order: list[str] = []

    def turn(self, way: str) -> float:
        self.order.append(way)
        return next(self._speeds[way])

    @property
    def clock(self) -> Callable[[], float]:
        return lambda: float(len(self.order))


def _race(ways: Ways, names: str, rounds: int = 4, seconds: float = 100, **more: bool) -> Race[str]:
    return Race(names.split(), ways.turn, rounds, seconds, ways.clock, **more)


def test_ways_take_turns_and_one_that_is_far_behind_has_no_second() -> None:
    ways = Ways(a=[10, 11, 10, 11], b=[9, 10.5, 10, 10], c=[5])
    turns = _race(ways, "a b c").run()
    assert ways.order[:5] == ["a", "b", "c", "a", "b"]
    assert turns["c"].speeds == [5] and turns["c"].out == "far behind after 1 round"
    assert fastest_of(turns, "abc") == ("a", ["b"]), "10 of b is as fast as 10 of a"


def test_it_ends_when_no_other_can_win_any_more() -> None:
    ways = Ways(a=[10, 11, 10, 11], b=[9, 8, 9, 9])
    turns = _race(ways, "a b").run()
    assert ways.order == ["a", "b"] * 3
    assert turns["b"].out == "clearly slower after 3 rounds"
    assert fastest_of(turns, "ab") == ("a", [])


def test_two_turns_are_not_enough_to_be_clear() -> None:
    turns = _race(Ways(a=[10, 11], b=[9, 8]), "a b", rounds=2).run()
    assert fastest_of(turns, "ab") == ("a", ["b"])


def test_no_turn_begins_when_time_is_over_and_it_is_said() -> None:
    ways = Ways(a=[10], b=[10], c=[10])
    turns = _race(ways, "a b c", seconds=2).run()
    assert ways.order == ["a", "b"]
    assert turns["c"].out == "time was over before its turn"
    assert not turns["a"].out
    assert fastest_of(turns, "ab") == ("a", ["b", "c"]), "the other might be as fast"


def test_what_cannot_run_does_not_stop_the_others() -> None:
    turns = _race(Ways(a=[0], b=[3, 3, 3, 3]), "a b").run()
    assert turns["a"].out == "it cannot run" and turns["b"].speeds == [3, 3, 3]
    assert fastest_of(turns, "ab") == ("b", [])


def test_all_go_all_the_way_where_all_are_to_be_compared() -> None:
    turns = _race(Ways(a=[10] * 4, b=[1] * 4), "a b", all_the_way=True).run()
    assert [len(one.speeds) for one in turns.values()] == [4, 4]
    assert turns["b"].spread == 0


def test_one_turn_is_not_enough_however_far_the_others_are_behind() -> None:
    turns = _race(Ways(a=[10, 10, 10], b=[1]), "a b", rounds=1).run()
    assert fastest_of(turns, "ab") == ("a", ["b"])
    turns = _race(Ways(a=[10, 10, 10], b=[1]), "a b", rounds=3).run()
    assert fastest_of(turns, "ab") == ("a", [])
