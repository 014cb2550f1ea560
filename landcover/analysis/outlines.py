"""The outlines of the patches of a strip, followed along the sides of pixels.

An outline has its patch on the right, and one corner wherever it turns. A corner's next one is found
line by line: on a line, sides that head the same way neither meet nor overlap, so that the first
corner that is left belongs to the first that is arrived at, the second to the second. Where two
pixels of a patch touch at a corner only, an outline turns right, and passes there twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class Paths(NamedTuple):
    """Parts of outlines that a strip knows neither beginning nor end of.

    They begin at the sides along which outlines come down from above the strip, in the order of
    columns, then at those along which they come up from below.

    Args:
        corners: dims (corner, 2), path after path.
        sizes: dims (path,): how many corners each has.
        ends: dims (path,): which of the sides that go down it ends at; beyond these, which of those
            that go up.
        above: how many of them begin above.
    """

    corners: Corners
    sizes: Numbers
    ends: Numbers
    above: int


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


def outlines(strip: Strip) -> tuple[Rings, Paths]:
    """The outlines of the patches of a strip: those that lie in it as a whole, and parts of others."""
    turns = _turns(strip)
    places = np.column_stack([turns.col, turns.row]).astype(np.int32)
    above, below = (_crossings(strip.classes[row], strip.none) for row in (0, -1))
    following, begins = _following(turns, strip, above, below)
    walk = _walk(following, begins + len(above.down) + len(below.up))
    open_paths, ends = [], []
    for node in range(begins, begins + len(above.down) + len(below.up)):
        path, end = walk(node)
        open_paths.append(path[1:])
        ends.append(end - begins - len(above.down) - len(below.up))
    closed = [path for node in range(begins) if (path := walk(node)[0])]
    order, sizes = _flat(closed)
    rings = Rings(places[order], sizes, turns.patch[order[np.cumsum(sizes) - sizes]])
    order, sizes = _flat(open_paths)
    return rings, Paths(places[order], sizes, np.array(ends, np.intp), len(above.down))


class _Crossings(NamedTuple):
    """Where outlines cross a line between two rows: columns of the map, in ascending order.

    Args:
        up: dims (side,): those that outlines go up along, on the left of a run of pixels.
        down: dims (side,): those that they go down along, on its right.
    """

    up: Numbers
    down: Numbers


def _following(
    turns: _Turns, strip: Strip, above: _Crossings, below: _Crossings
) -> tuple[Numbers, int]:
    """What comes after each corner, each side that comes down from above, each that comes up from below,
    each that goes down and each that goes up (which are themselves: nothing is known yet); and how many
    corners there are."""
    count = len(turns.row)
    sizes = [count, len(above.down), len(below.up), len(below.down), len(above.up)]
    nodes = np.arange(sum(sizes))
    corners, falling, coming, going, rising = np.split(nodes, np.cumsum(sizes)[:-1])
    top, bottom = strip.row - 1, strip.row + strip.rows
    left = _along(
        (corners, turns.goes, turns.row, turns.col),
        (falling, SOUTH, top, above.down),
        (coming, NORTH, bottom, below.up),
    )
    met = _along(
        (corners, turns.comes, turns.row, turns.col),
        (rising, NORTH, top, above.up),
        (going, SOUTH, bottom, below.down),
    )
    following = nodes.copy()
    following[left] = met
    return following, count


def _flat(paths: Sequence[Sequence[int]]) -> tuple[Numbers, Numbers]:
    """The nodes of some paths one after the other, and how many each has."""
    nodes = np.array([node for path in paths for node in path], np.intp)
    return nodes, np.array([len(path) for path in paths], np.intp)


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


def _crossings(row: npt.NDArray[np.uint16], none: int) -> _Crossings:
    """The sides of a row of pixels."""
    known = np.pad(row, 1, constant_values=none)
    differ = known[1:] != known[:-1]
    return _Crossings(
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
