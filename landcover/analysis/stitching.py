"""Patches and outlines of strips that know nothing of each other, put together from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.analysis.outlines import Corners, Rings, together
from landcover.analysis.patches import Numbers, joined
from landcover.analysis.traced import Traced

Floats = npt.NDArray[np.float64]
Chain = list["Corners | Chain"]
"""Part of an outline, from the bottom of a strip back to it: corners, and what was known before."""


@dataclass(frozen=True, eq=False)
class Joined:
    """The patches of a strip, of which those are one that rows above it join.

    Args:
        of: dims (patch as it was traced,): which one it is.
        carried: dims (patch of the strip before that reached its last row,): likewise.
        patches: how many there are.
        open: those that may go on below, in ascending order.
        numbers: dims (run,): which of these each run of pixels of the last row is of.
    """

    of: Numbers
    carried: Numbers
    patches: int
    open: Numbers
    numbers: Numbers

    @classmethod
    def with_above(cls, strip: Traced, numbers: Numbers) -> Joined:
        """Join what is one.

        Args:
            strip: the strip.
            numbers: dims (run,): the patch of each run of the row above, numbered from 0.
        """
        order = np.argsort(numbers, kind="stable")
        same = np.diff(numbers[order]) == 0
        runs = strip.above[order]
        roots = joined(len(strip.kinds), runs[:-1][same], runs[1:][same])
        kept, of = np.unique(roots, return_inverse=True)
        carried = np.zeros(int(numbers.max()) + 1, np.intp)
        carried[numbers] = of[strip.above]
        below = of[strip.below]
        reached = np.unique(below)
        return cls(of, carried, len(kept), reached, np.searchsorted(reached, below))

    def added(self, own: npt.NDArray[Any], before: Floats) -> Floats:
        """What patches have, with what those above have that they go on with: dims (patch,).

        Args:
            own: dims (patch as it was traced,).
            before: dims (patch of the strip before that reached its last row,).
        """
        new = np.bincount(self.of, own, self.patches)
        old = np.bincount(self.carried, before, self.patches)
        return (new + old).astype(np.float64)


class Outlines:
    """Outlines that are not closed yet."""

    def __init__(self) -> None:
        # Of each side along which an outline goes up from the last line: what follows there, and the
        # side along which it comes down again.
        self._chains: list[Chain] = []
        self._down: list[int] = []
        self.corners = 0
        """How many corners are kept."""

    def closed(self, strip: Traced, of: Numbers) -> Rings:
        """The outlines that a strip closes; strips are to be given one after the other.

        Args:
            strip: the strip.
            of: dims (patch,): which patch each of its patches is.
        """
        links = _Links(strip, self._chains, self._down)
        found = [links.chain(path) for path in range(strip.paths.above, len(strip.paths.sizes))]
        rings = [strip.rings._replace(patch=of[strip.rings.patch])]
        for side in links.left():
            corners = np.concatenate(list(_flat(links.chain(side)[0])))
            patch = of[strip.sides[[side]]]
            rings.append(Rings(corners, np.array([len(corners)]), patch))
            self.corners -= len(corners)
        self.corners += len(strip.paths.corners)
        self._chains = [_shortened(chain) for chain, _ in found]
        self._down = [end for _, end in found]
        return together(rings)


class _Links:
    """The paths of a strip, and what lies above it between the end of one and the begin of another."""

    def __init__(self, strip: Traced, chains: list[Chain], down: list[int]) -> None:
        self._strip, self._chains, self._down = strip, chains, down
        self._ends = strip.paths.ends.tolist()
        self._cuts = np.append(0, np.cumsum(strip.paths.sizes)).tolist()
        self._below = len(self._ends) - strip.paths.above
        self._known = bytearray(strip.paths.above)

    def chain(self, path: int) -> tuple[Chain, int]:
        """What there is from the begin of a path on; and the side at which it goes down, or that it
        began with."""
        found: Chain = []
        while True:
            first, last = self._cuts[path : path + 2]
            if last > first:
                found.append(self._strip.paths.corners[first:last].copy())
            end = self._ends[path]
            if end < self._below:
                return found, end
            if self._chains[end - self._below]:
                found.append(self._chains[end - self._below])
            path = self._down[end - self._below]
            if self._known[path]:
                return found, path
            self._known[path] = 1

    def left(self) -> Iterator[int]:
        """Of each outline that is closed now, a side along which it comes down from above."""
        for side in range(len(self._known)):
            if not self._known[side]:
                self._known[side] = 1
                yield side


def _shortened(chain: Chain) -> Chain:
    """A chain that is nothing but another one is that one."""
    return chain[0] if len(chain) == 1 and isinstance(chain[0], list) else chain


def _flat(chain: Chain) -> Iterator[Corners]:
    """The corners of a chain of chains, which may be nested as deep as there are strips."""
    waiting: list[Corners | Chain] = [chain]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += reversed(part)
        else:
            yield part
