"""A region: polygons, where they lie, and how a worker comes by them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from landcover.tiles.regions.placing import Bounds, boxes_of, moved, place

Polygons: TypeAlias = npt.NDArray[Any]
"""Of shapely, dims (polygon,)."""


@dataclass(frozen=True, eq=False)
class Region:
    """The ground that is asked for.

    Args:
        polygons: valid ones in two dimensions, dims (polygon,); they may touch and overlap.
        crs: that they are in.
        source: the file they come from, for messages.
    """

    polygons: Polygons
    crs: pyproj.CRS
    source: str

    @cached_property
    def digest(self) -> str:
        """A few characters that two regions share only if they are the same ground."""
        digest = hashlib.sha256(json.dumps(self.crs.to_json_dict(), sort_keys=True).encode())
        for polygon in sorted(shapely.to_wkb(shapely.normalize(self.polygons), byte_order=1)):
            digest.update(polygon)
        return digest.hexdigest()[:16]

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.polygons)

    def near(self, crs: str, bounds: Bounds, tolerance: float) -> shapely.Geometry:
        """The region in another CRS, as far as it lies within some bounds, or a little beyond.

        Edges are straight in the region's own CRS, and curves in others: they get as many vertices
        as they need.

        Args:
            crs: what pyproj understands.
            bounds: (xmin, ymin, xmax, ymax), in that CRS.
            tolerance: how far edges may be off there, in its unit.

        Returns:
            an area, perhaps an empty one; prepared for many questions.

        Raises:
            SourceError: if the region cannot be placed in that CRS.
        """
        target = pyproj.CRS.from_user_input(crs)
        boxes = boxes_of(target, bounds, self.crs)
        found = self._tree.query(boxes, predicate="intersects")[1]
        parts = shapely.intersection(self.polygons[np.unique(found)], shapely.union_all(boxes))
        ground = shapely.union_all(parts)
        if self.crs.equals(target, ignore_axis_order=True):
            placed = ground
        else:
            placed = place(ground, self.crs, target, tolerance, self.source)
        if target.is_geographic:
            placed = moved(placed, bounds)
        if len(boxes) > 1:  # parts that meet where the earth is cut open meet within rounding only
            placed = shapely.set_precision(placed, tolerance / 10)
        shapely.prepare(placed)
        return placed

    @property
    def bounds(self) -> Bounds:
        """Of all polygons, in the region's CRS."""
        west, south, east, north = shapely.total_bounds(self.polygons).tolist()
        return west, south, east, north


@dataclass(frozen=True, slots=True)
class RegionAt:
    """Where a worker finds a region: some bytes that pickle, whatever the region is.

    Args:
        digest: of the region.
        path: of a file that holds it; "" where it is known to this process alone.
    """

    digest: str
    path: str = ""

    def region(self) -> Region:
        """The region, which this process reads once.

        Raises:
            SourceError: if it cannot be read.
        """
        from landcover.tiles.regions.reading import read_region

        with _READING:
            if self.digest not in _KNOWN:
                _KNOWN[self.digest] = read_region(self.path)
            return _KNOWN[self.digest]


def known(region: Region) -> RegionAt:
    """A region as tasks of this process name it."""
    _KNOWN[region.digest] = region
    return RegionAt(region.digest)


_KNOWN: dict[str, Region] = {}
_READING = Lock()
