"""Scenes that lie beside one another: where one ends, the halo is read from the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely

from landcover.tiles.grid import Block, Grid, Rectangle, with_mirrored
from landcover.tiles.rasters.scene import Scene

# Pixels of two scenes may differ in size by this share, and by half a pixel in place: what is read
# from a neighbour is looked at, never written.
_SAME_SIZE = 1e-4
# A scene that covers more than this share of another shows the same place, perhaps in another year:
# it is no neighbour. Quarter quads of NAIP share some hundred metres of several thousand.
_MOST_SHARED = 0.5
# Of a scene's edge: centres that are nearer to one another leave the later scene a strip at most.
_SAME_CENTRE = 1e-3


class Neighbour(NamedTuple):
    """A scene beside another one.

    Args:
        scene: the neighbour.
        row: the row of its upper-left pixel, in the grid of the other.
        col: the column, likewise.
    """

    scene: Scene
    row: int
    col: int

    @property
    def extent(self) -> Rectangle:
        """Where it lies in the grid of the other."""
        grid = self.scene.grid
        return Rectangle(self.row, self.row + grid.height, self.col, self.col + grid.width)


class Neighbourhood:
    """Which scenes of a run lie beside which.

    Args:
        scenes: of the run, in the order of the plan.
    """

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self._scenes = scenes
        self._tree = shapely.STRtree([_outline(scene) for scene in scenes])

    def of(self, place: int) -> tuple[Neighbour, ...]:
        """The neighbours of a scene, those listed first first: where two could serve, they do.

        They are in the same CRS and of the same date, have pixels of the same size and as many bands
        of the same dtype, and some of their pixels lie within a halo of the scene. (Its last tiles may read further,
        but nothing that they write inside the scene needs that.)

        Args:
            place: of the scene in the plan.
        """
        scene = self._scenes[place]
        # Scenes are placed to the nearest whole pixel: one that is a little further may be near.
        reach = (scene.grid.halo + 1) * abs(scene.transform[0])
        near = self._tree.query(_outline(scene).buffer(reach, join_style="mitre"))
        found = (_placed(self._scenes[other], scene) for other in sorted(near) if other != place)
        return tuple(each for each in found if each is not None)


def beyond(grid: Grid, block: Block, around: Sequence[Neighbour]) -> tuple[Neighbour, ...]:
    """Those neighbours that a block of tiles reaches into, or mirrors a part of.

    Args:
        grid: of the block's scene.
        block: of that grid.
        around: the neighbours of the scene.
    """
    if not around:
        return ()
    parts = list(with_mirrored(grid.read(block), grid.scene).outside(grid.scene))
    return tuple(
        each for each in around if any(each.extent.common(part) is not None for part in parts)
    )


def hidden(scenes: Sequence[Scene], nearest: bool = False) -> list[tuple[Scene, Scene]]:
    """Which scenes show a place that one listed before them shows: perhaps at another date.

    Args:
        scenes: in the order of the plan.
        nearest: of ground that several show the one counts whose centre is nearest: hidden are those
            alone whose centre is that of another.

    Returns:
        (first, later) for each later one that shares more than half of its ground, or of that of
        the first, in the same CRS and of the same date; one pair for each, with the first of those that it lies over.
    """
    found: dict[int, int] = {}
    for kind in dict.fromkeys((scene.crs, scene.date) for scene in scenes):
        places = [place for place, one in enumerate(scenes) if (one.crs, one.date) == kind]
        outlines = np.array([_outline(scenes[place]) for place in places])
        later, first = shapely.STRtree(outlines).query(outlines, predicate="intersects")
        before = first < later
        later, first = later[before], first[before]
        west, south, east, north = shapely.bounds(outlines).T
        wide = np.minimum(east[first], east[later]) - np.maximum(west[first], west[later])
        high = np.minimum(north[first], north[later]) - np.maximum(south[first], south[later])
        areas = shapely.area(outlines)
        over = wide * high > _MOST_SHARED * np.minimum(areas[first], areas[later])
        if nearest:
            x, y = (west + east) / 2, (south + north) / 2
            near = np.maximum(np.abs(x[first] - x[later]), np.abs(y[first] - y[later]))
            over &= near < _SAME_CENTRE * np.sqrt(np.minimum(areas[first], areas[later]))
        for a, b in sorted(zip(first[over].tolist(), later[over].tolist(), strict=True)):
            found.setdefault(places[b], places[a])
    return [(scenes[first], scenes[later]) for later, first in sorted(found.items())]


def _placed(other: Scene, scene: Scene) -> Neighbour | None:
    """A scene as the neighbour of another; None where it is none."""
    (a, _, c, _, e, f), (a2, _, c2, _, e2, f2) = scene.transform, other.transform
    alike = (
        other.crs == scene.crs
        and other.date == scene.date
        and np.allclose((a2, e2), (a, e), rtol=_SAME_SIZE, atol=0)
        and len(other.bands.read) == len(scene.bands.read)
        and other.bands.dtype == scene.bands.dtype
    )
    if not alike:
        return None
    found = Neighbour(other, round((f2 - f) / e), round((c2 - c) / a))
    own, halo = scene.grid.scene, scene.grid.halo
    within = Rectangle(own.row0 - halo, own.row1 + halo, own.col0 - halo, own.col1 + halo)
    if found.extent.common(within) is None:
        return None
    shared = found.extent.common(own)
    least = min(_pixels(own), _pixels(found.extent))
    return found if shared is None or _pixels(shared) <= _MOST_SHARED * least else None


def _pixels(rectangle: Rectangle) -> int:
    return (rectangle.row1 - rectangle.row0) * (rectangle.col1 - rectangle.col0)


def _outline(scene: Scene) -> shapely.Polygon:
    a, _, c, _, e, f = scene.transform
    return shapely.box(c, f + e * scene.grid.height, c + a * scene.grid.width, f)
