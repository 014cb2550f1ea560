from __future__ import annotations

import threading
from itertools import count

from landcover.backends.threads import in_threads


def test_ending_early_drops_waiting_items_and_hurries_the_one_being_worked_on() -> None:
    hurry, begun = threading.Event(), list[int]()

    def work(item: int) -> int:
        begun.append(item)
        if item:
            assert hurry.wait(30)
        return item

    results = in_threads(work, count(), 1, lambda: 4, hurry.set)
    assert next(results) == 0
    results.close()
    assert begun in ([0], [0, 1])


def test_what_runs_is_hurried_when_the_stream_ends_early() -> None:
    hurry, begun, hurried = threading.Event(), threading.Event(), list[bool]()

    def work(item: int) -> int:
        if item:
            begun.set()
            hurried.append(hurry.wait(30))
        return item

    results = in_threads(work, count(), 1, lambda: 4, hurry.set)
    assert next(results) == 0
    assert begun.wait(30)
    results.close()
    assert hurried == [True]


def test_nothing_is_pulled_while_more_is_under_way_than_the_window_allows() -> None:
    pulled, windows = list[int](), iter([5, 1, 1, 1, 1])
    items = (pulled.append(item) or item for item in range(20))  # type: ignore[func-returns-value]
    results = in_threads(abs, items, 2, lambda: next(windows, 1))
    assert sorted(next(results) for _ in range(5)) == pulled == [0, 1, 2, 3, 4]
    assert sorted(results) == list(range(5, 20))


def test_the_window_may_shrink_while_items_are_under_way() -> None:
    windows = iter([5, 1, 1, 1])
    results = in_threads(abs, range(8), 2, lambda: next(windows, 1))
    assert sorted(results) == list(range(8))
