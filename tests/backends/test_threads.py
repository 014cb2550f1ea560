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


def test_the_window_may_shrink_while_items_are_under_way() -> None:
    windows = iter([5, 1, 1, 1])
    results = in_threads(abs, range(8), 2, lambda: next(windows, 1))
    assert sorted(results) == list(range(8))
