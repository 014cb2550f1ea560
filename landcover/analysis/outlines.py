"""The outlines of patches, followed from strip to strip along the sides of pixels.

An outline has its patch on the right, and one corner wherever it turns. A corner's next one is found
line by line: on a line, sides that head the same way neither meet nor overlap, so that the first
corner that is left belongs to the first that is arrived at, the second to the second. Where two
pixels of a patch touch at a corner only, an outline turns right, and passes there twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from landcover.analysis.patches import Numbers, Strip

NORTH, EAST, SOUTH, WEST = range(4)
Corners = npt.NDArray[np.int32]


class Rings(NamedTuple):
    """Closed outlines.

    Args:
        corners: dims (corner, 2): column and row of the map, ring after ring.
        sizes: dims (ring,): how many corners each has; the first is not repeated.
        patch: dims (ring,): the patch of the strip that each belongs to.
    """

    corners: Corners
    sizes: Numbers
    patch: Numbers

    @property
    def begins(self) -> Numbers:
        """The place of the first corner of each ring: dims (ring,)."""
        return np.cumsum(self.sizes) - self.sizes

    def take(self, rings: Numbers) -> Rings:
        """Some of them, in another order."""
        sizes = self.sizes[rings]
        shift = np.repeat(self.begins[rings] - (np.cumsum(sizes) - sizes), sizes)
        return Rings(self.corners[np.arange(len(shift)) + shift], sizes, self.patch[rings])


def together(rings: Sequence[Rings]) -> Rings:
    """Rings of several sets in one."""
    return Rings(*(np.concatenate(parts) for parts in zip(NOTHING, *rings, strict=True)))


NOTHING = Rings(np.zeros((0, 2), np.int32), np.zeros(0, np.intp), np.zeros(0, np.intp))

Chain = list["Corners | Chain"]
"""Part of an outline, from the bottom of a strip back to it: corners, and what was known before."""


class _Turns(NamedTuple):
    """Corners of a strip.

    Args:
        row: dims (corner,): of the map.
        col: likewise.
        comes: the direction in which it is arrived at.
        goes: the direction in which it is left.
        patch: whose corner it is.
    """

    row: Numbers
    col: Numbers
    comes: Numbers
    goes: Numbers
    patch: Numbers


class Outlines:
    """Outlines that are not closed yet."""

    def __init__(self) -> None:
        self._chains: list[Chain] = []
        # Of each chain: the side along which it comes up from the last line, and down to it again.
        self._up = self._down = np.zeros(0, np.intp)
        self.corners = 0
        """How many corners are kept."""

    def closed(self, strip: Strip) -> Rings:
        """The outlines that a strip closes; strips are to be given one after the other."""
        turns = _turns(strip)
        places = np.column_stack([turns.col, turns.row]).astype(np.int32)
        up, down = _crossings(strip.classes[-1], strip.none)
        count, old = len(turns.row), len(self._chains)
        coming, going = count + old, count + old + len(up)
        walk = _walk(self._following(turns, strip, up, down), going)
        chains, ends = [], []
        for node in range(coming, going):
            path, end = walk(node)
            chains.append(self._chain(path[1:], places))
            ends.append(end - going)
        rings: list[Rings] = []
        plain: list[list[int]] = []
        for node in range(coming):
            path, _ = walk(node)
            if path and max(path) < count:
                plain.append(path)
            elif path:
                rings.append(self._ring(path, strip, places))
        order = np.array([node for path in plain for node in path], np.intp)
        sizes = np.array([len(path) for path in plain], np.intp)
        rings.append(Rings(places[order], sizes, turns.patch[order[np.cumsum(sizes) - sizes]]))
        self._chains, self._up, self._down = chains, up, down[np.array(ends, np.intp)]
        found = together(rings)
        self.corners += count - len(found.corners)
        return found

    def _following(self, turns: _Turns, strip: Strip, up: Numbers, down: Numbers) -> Numbers:
        """What comes after each corner, each chain, each side that comes up from below the strip,
        and each that goes down there (which is itself: nothing is known yet)."""
        nodes = np.arange(len(turns.row) + len(self._chains) + 2 * len(up))
        corners, chains, coming, going = np.split(
            nodes, np.cumsum([len(turns.row), len(self._chains), len(up)])
        )
        top, bottom = strip.row - 1, strip.row + strip.rows
        left = _along(
            (corners, turns.goes, turns.row, turns.col),
            (chains, SOUTH, top, self._down),
            (coming, NORTH, bottom, up),
        )
        met = _along(
            (corners, turns.comes, turns.row, turns.col),
            (chains, NORTH, top, self._up),
            (going, SOUTH, bottom, down),
        )
        following = nodes.copy()
        following[left] = met
        return following

    def _chain(self, path: Sequence[int], places: Corners) -> Chain:
        parts = list(self._parts(path, places))
        return parts[0] if len(parts) == 1 and isinstance(parts[0], list) else parts

    def _parts(self, path: Sequence[int], places: Corners) -> Iterator[Corners | Chain]:
        """The corners along a path, and the chains among them."""
        for is_chain, nodes in groupby(path, lambda node: node >= len(places)):
            if is_chain:
                yield from filter(None, (self._chains[node - len(places)] for node in nodes))
            else:
                yield places[list(nodes)]

    def _ring(self, path: Sequence[int], strip: Strip, places: Corners) -> Rings:
        """An outline that strips before have known parts of."""
        corners = np.concatenate(list(_flat(list(self._parts(path, places)))))
        side = self._up[max(path) - len(places)]
        patch = strip.patch_of_run[strip.run[0, side]]
        return Rings(corners, np.array([len(corners)]), np.array([patch]))


def _walk(following: Numbers, end: int) -> Callable[[int], tuple[list[int], int]]:
    """Walks along what follows on what, everywhere once.

    Returns:
        what takes a place, and returns those from there on that are new, and the first that is not.
    """
    to = following.tolist()
    known = bytearray(len(to))
    known[end:] = b"\1" * (len(to) - end)

    def walk(node: int) -> tuple[list[int], int]:
        path = []
        while not known[node]:
            known[node] = 1
            path.append(node)
            node = to[node]
        return path, node

    return walk


def _flat(chain: Chain) -> Iterator[Corners]:
    """The corners of a chain of chains, which may be nested as deep as there are strips."""
    waiting: list[Corners | Chain] = [chain]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += reversed(part)
        else:
            yield part


def _along(*groups: tuple[Numbers, Any, Any, Numbers]) -> Numbers:
    """Nodes of some groups, way by way, line by line, in the order of their places on the line.

    Args:
        groups: of each the nodes, the ways, the rows and the columns.
    """
    node, way, row, col = (
        np.concatenate([np.broadcast_to(group[part], group[0].shape) for group in groups])
        for part in range(4)
    )
    flat = way % 2 == 1  # east and west, along a row
    order = np.lexsort((np.where(flat, col, row), np.where(flat, row, col), way))
    found: Numbers = node[order]
    return found


def _crossings(last: npt.NDArray[np.uint16], none: int) -> tuple[Numbers, Numbers]:
    """The sides of a row of pixels, by the column of the map on their right: those that outlines come
    up along, and those that they go down along."""
    known = np.pad(last, 1, constant_values=none)
    differ = known[1:] != known[:-1]
    return (
        np.flatnonzero(differ & (known[1:] != none)),
        np.flatnonzero(differ & (known[:-1] != none)),
    )


def _turns(strip: Strip) -> _Turns:
    """The corners on the upper lines of the rows of a strip."""
    none = strip.none
    known = np.pad(strip.classes, ((0, 0), (1, 1)), constant_values=none)
    across, along = known[:, 1:] != known[:, :-1], known[1:] != known[:-1]
    row, col = np.nonzero((across[:-1] | across[1:]) & (along[:, :-1] | along[:, 1:]))
    # The pixels around: south-east, south-west, north-west, north-east.
    around = [known[row + down, col + right] for down, right in _AROUND]
    found = []
    for way, (down, right) in enumerate(_AROUND):
        own, beside = around[way], (around[way - 3], around[way - 1])
        classed = own != none
        convex = classed & (own != beside[0]) & (own != beside[1])
        concave = classed & (own == beside[0]) & (own == beside[1]) & (own != around[way - 2])
        after = (way + 1) % 4
        for bent, comes, goes in ((convex, way, after), (concave, after, way)):
            at = np.flatnonzero(bent)
            run = strip.run[row[at] + down, col[at] + right - 1]
            ways = np.full(len(at), comes), np.full(len(at), goes)
            found.append((row[at] + strip.row, col[at], *ways, strip.patch_of_run[run]))
    return _Turns(*(np.concatenate(part) for part in zip(*found, strict=True)))


_AROUND = (1, 1), (1, 0), (0, 0), (0, 1)
