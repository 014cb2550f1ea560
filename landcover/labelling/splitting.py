"""Which split a tile belongs to, by the ground that it shows; tiles of two splits keep their distance.

Distances are measured in one plane (:mod:`landcover.labelling.plane`), so that scenes of several CRSs are
split alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import shapely

from landcover.labelling.chance import key_of, numbers, shares
from landcover.labelling.plane import Outlines
from landcover.tiles.regions import RegionAt

Splits = npt.NDArray[np.int8]
"""Of tiles: the place of their split in ``SPLITS``; -1 for those that are left out."""

# Blocks are dealt out in groups of so many a side, each by its shares.
_SIDE = 4
# Outlines are taken to be smaller by this share: edges that are those of the ground lie in it.
_SLACK = 1e-3
# How far edges of regions may be off in the plane, as a share of tiles: well within the slack, so that
# it does not matter which tiles are looked at together.
_TOLERANCE = _SLACK / 10


class Splitting(Protocol):
    """Says which split tiles belong to; a few bytes that pickle."""

    def of(self, outlines: Outlines, own: int) -> Splits:
        """The splits of tiles: dims (tile,).

        Args:
            outlines: of the tiles.
            own: the split that their scene belongs to; -1 where scenes are not split.
        """
        ...


@dataclass(frozen=True)
class Blocks:
    """Squares of ground, dealt out at random; a tile belongs to the one in which its centre lies.

    Args:
        size: metres along the side of one, more than a tile and the buffer.
        buffer: metres between tiles of different splits, at least.
        shares: by place in ``SPLITS``, with a sum of 1.
        seed: another one deals in another way.
    """

    size: float
    buffer: float
    shares: tuple[float, ...]
    seed: int

    def of(self, outlines: Outlines, own: int) -> Splits:
        """The splits of tiles; those that come too near to a block of another one are left out."""
        low = outlines.min(axis=1) - self.buffer / 2
        high = outlines.max(axis=1) + self.buffer / 2
        found = self._dealt((low + high) / 2)
        for x in (low, high):
            for y in (low, high):
                corner = self._dealt(np.column_stack([x[:, 0], y[:, 1]]))
                found[corner != found] = -1
        return found

    def _dealt(self, points: npt.NDArray[np.float64]) -> Splits:
        """The split of the block in which each point lies: dims (point,)."""
        col, row = np.floor(points / self.size).astype(np.int64).T
        place = np.arange(_SIDE**2)
        top, left = row // _SIDE * _SIDE, col // _SIDE * _SIDE
        key = key_of(self.seed, "blocks")
        all_of_group = numbers(key, top[:, None] + place // _SIDE, left[:, None] + place % _SIDE)
        rank = (all_of_group < numbers(key, row, col)[:, None]).sum(axis=1)
        # Shares of a group's 16 are no whole numbers: where they begin is another one in each.
        begin = shares(numbers(key_of(self.seed, "groups"), top, left))
        at = (rank + begin) / _SIDE**2
        ends = np.cumsum(self.shares)[:-1]
        found: Splits = np.searchsorted(ends, at, side="right").astype(np.int8)
        return found


@dataclass(frozen=True)
class Grounds:
    """Ground that belongs to splits: polygons, or the scenes of each.

    Args:
        plane: the CRS of outlines.
        buffer: metres between tiles of different splits, at least.
        areas: by place in ``SPLITS``; None for a split without ground of its own.
        rest: the split of tiles outside of all of them; -1: they are left out.
    """

    plane: str
    buffer: float
    areas: tuple[RegionAt | None, ...]
    rest: int

    def of(self, outlines: Outlines, own: int) -> Splits:
        """The splits of tiles that lie in the ground of one, and far enough from that of the others."""
        centres = outlines.mean(axis=1, keepdims=True)
        tiles = shapely.polygons(centres + (1 - _SLACK) * (outlines - centres))
        frame = shapely.box(*shapely.total_bounds(tiles)).buffer(self.buffer + 1)
        tolerance = _TOLERANCE * float(shapely.length(tiles).min()) / 4
        found = np.full(len(tiles), own if own >= 0 else self.rest, np.int8)
        near = np.zeros((len(self.areas), len(tiles)), bool)
        for place, at in enumerate(self.areas):
            if at is None:
                continue
            area = _near(at, self.plane, frame.bounds, tolerance)
            near[place] = shapely.dwithin(area, tiles, self.buffer)
            if own < 0:
                found[shapely.covers(area, tiles)] = place
        others = near & (np.arange(len(self.areas))[:, None] != found)
        found[others.any(axis=0)] = -1
        return found


@lru_cache(maxsize=64)
def _near(
    at: RegionAt, plane: str, bounds: tuple[float, float, float, float], tolerance: float
) -> Any:
    """The ground of a split in the plane, around some tiles."""
    return at.region().near(plane, bounds, tolerance)
