"""A backend of somebody else: in the caller's thread, a few items at a time, the last one first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Self


class BackwardsBackend:
    """Takes items in handfuls and works on each handful from its end.

    Args:
        handful: how many items are pulled at a time.
    """

    def __init__(self, handful: int = 3) -> None:
        self.slots = handful
        self.threads = 1

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Yield ``function(item)`` for every item."""
        remaining = iter(items)
        while handful := list(islice(remaining, self.slots)):
            yield from map(function, reversed(handful))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing was started."""
