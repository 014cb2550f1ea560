"""Which of the tiles that have a label are written: drawn at random, without replacement.

Every tile has a number of its own (:mod:`landcover.labelling.chance`); of a class in a split, those with
the smallest are drawn. So what is drawn can be told by one number a class and split, on every worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from landcover.labelling.chance import Numbers
from landcover.labelling.settings import DrawSettings

Cell = tuple[int, int]
"""The places of a split and of a class."""

# Numbers that are held beyond those that are wanted, before the largest are dropped.
_ROOM = 2**16


def sizes_of(found: Mapping[Cell, int], settings: DrawSettings) -> dict[Cell, int]:
    """How many tiles are drawn of each class in each split.

    Args:
        found: how many have a label.
        settings: whether as many of each class, and how many at most.
    """
    drawn = dict(found)
    splits = {split for split, _ in found}
    for split in splits if settings.balance == "equal" else ():
        least = min(count for (of, _), count in found.items() if of == split)
        drawn.update({cell: least for cell in found if cell[0] == split})
    if settings.most is None:
        return drawn
    held = {split: sum(n for (of, _), n in drawn.items() if of == split) for split in splits}
    largest = max(held.values(), default=0)
    for cell, count in drawn.items():
        most = max(1, round(settings.most * held[cell[0]] / largest))
        drawn[cell] = min(count, most)
    return drawn


@dataclass(frozen=True)
class Draw:
    """What is drawn.

    Args:
        limits: by split and class: the largest number of a tile that is drawn; those without one are
            drawn as a whole.
    """

    limits: Mapping[Cell, int] = field(default_factory=dict)

    def drawn(
        self, splits: npt.NDArray[np.int8], labels: npt.NDArray[np.int16], chance: Numbers
    ) -> npt.NDArray[np.bool_]:
        """Which of some tiles are drawn: dims (tile,)."""
        found = np.ones(len(labels), bool)
        for (split, label), limit in self.limits.items():
            found[(splits == split) & (labels == label) & (chance > np.uint64(limit))] = False
        return found


class Lots:
    """Finds what is drawn while tiles come by, with no more of their numbers held than are drawn.

    Args:
        found: how many tiles there are, by split and class.
        drawn: how many of them are drawn.
    """

    def __init__(self, found: Mapping[Cell, int], drawn: Mapping[Cell, int]) -> None:
        self._wanted = {cell: n for cell, n in drawn.items() if n < found[cell]}
        self._held: dict[Cell, list[Numbers]] = {cell: [] for cell in self._wanted}

    def add(
        self, splits: npt.NDArray[np.int8], labels: npt.NDArray[np.int16], chance: Numbers
    ) -> None:
        """Take some more tiles into account."""
        for (split, label), held in self._held.items():
            held.append(chance[(splits == split) & (labels == label)])
            wanted = self._wanted[split, label]
            if sum(map(len, held)) > 2 * wanted + _ROOM:
                held[:] = [_least(held, wanted)]

    def draw(self) -> Draw:
        """What is drawn of all that came by."""
        least = {cell: _least(held, self._wanted[cell]) for cell, held in self._held.items()}
        return Draw({cell: int(numbers.max()) for cell, numbers in least.items()})


def _least(held: Iterable[Numbers], wanted: int) -> Numbers:
    every = np.concatenate(list(held))
    return every if len(every) <= wanted else np.partition(every, wanted - 1)[:wanted]
