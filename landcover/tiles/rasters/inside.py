"""Which tiles and which pixels of a scene lie in the region that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio.features
import shapely
from rasterio.transform import Affine

from landcover.config import Inside
from landcover.tiles.grid import Block, Rectangle
from landcover.tiles.rasters.scene import Scene
from landcover.tiles.regions import Region
from landcover.tiles.regions.placing import in_degrees

Mask = npt.NDArray[np.bool_]

# Tiles whose edges are those of the region lie in it, and those beyond them do not, whatever
# rounding does: their outlines are taken to be smaller by this share of a pixel. Edges of the
# region that are bent by another CRS are off by no more.
_SLACK = 0.01
# Tiles along an edge of what is looked at in one go: where all of it lies inside or outside, that
# is one question.
_EDGE = 64
# GEOS prepares a geometry bit by bit as it is asked, which threads must not do at the same time.
_ASKING = Lock()


@lru_cache(maxsize=16)
def ground(region: Region, scene: Scene) -> Any:
    """The region in the CRS of a scene, as far as tiles of the scene may write there."""
    grid, (a, _, c, _, e, f) = scene.grid, scene.transform
    (y0, x0), (y1, x1) = grid.corner(0, 0), grid.corner(grid.rows, grid.cols)
    # Tiles end before the first corner of those after the last, or within what one writes of it.
    bottom, right = y1 + grid.core.rows, x1 + grid.core.cols
    bounds = (c + a * (x0 - 1), f + e * (bottom + 1), c + a * (right + 1), f + e * (y0 - 1))
    return region.near(scene.crs, bounds, _SLACK * min(a, -e))


def meets(region: Region, scene: Scene) -> bool:
    """Whether any of the region lies within a scene."""
    a, _, c, _, e, f = scene.transform
    own = shapely.box(c, f + e * scene.grid.height, c + a * scene.grid.width, f)
    return bool(shapely.intersects(ground(region, scene), own))


def tiles_inside(region: Region, rule: Inside, scene: Scene, block: Block) -> Mask:
    """Which tiles of a block are to be scored, by the ground that they write.

    Args:
        region: that is asked for.
        rule: "whole": those that lie in it as a whole; "centre": those whose centre does;
            "touch": those that share any ground with it.
        scene: whose tiles they are.
        block: of its grid.

    Returns:
        dims (row, column)
    """
    area, (row0, row1, col0, col1) = ground(region, scene), block
    shape = row1 - row0, col1 - col0
    corners = Block(row0, row0 + 1, col0, col0 + 1), Block(row1 - 1, row1, col1 - 1, col1)
    whole = shapely.box(*shapely.total_bounds([_outlines(scene, one) for one in corners]))
    with _ASKING:
        if not shapely.intersects(area, whole):
            return np.zeros(shape, bool)
        if shapely.covers(area, whole):
            return np.ones(shape, bool)
        outlines = _outlines(scene, block)  # of few blocks: a plan may have a hundred million tiles
        if rule == "whole":
            return np.asarray(shapely.covers(area, outlines))
        if rule == "touch":
            return np.asarray(shapely.intersects(area, outlines))
        west, south, east, north = np.moveaxis(shapely.bounds(outlines), -1, 0)
        return np.asarray(shapely.intersects_xy(area, (west + east) / 2, (south + north) / 2))


def count_inside(region: Region, rule: Inside, scene: Scene) -> int:
    """How many tiles of a scene are to be scored."""
    blocks = scene.grid.blocks(_EDGE, _EDGE)
    return sum(int(tiles_inside(region, rule, scene, block).sum()) for block in blocks)


def missed(region: Region, scenes: Sequence[Scene]) -> str:
    """Why no tile of any scene lies in a region, in a sentence."""
    if any(meets(region, scene) for scene in scenes):
        return (
            "none of the tiles lies in this region as source.inside asks; inside: touch takes all "
            "that share ground with it"
        )
    first = scenes[0]
    a, _, c, _, e, f = first.transform
    own = (c, f + e * first.grid.height, c + a * first.grid.width, f)
    return (
        f"this region meets none of {len(scenes)} scene(s): it lies at {in_degrees(region.crs, region.bounds)} "
        f"(west, south, east, north), {first.name} at {in_degrees(first.crs, own)}; name the region of "
        "this imagery, in the CRS that its file says"
    )


def pixels_inside(region: Region, scene: Scene, window: Rectangle) -> Mask | None:
    """Which pixels of a window have their centre in the region.

    Args:
        region: that is asked for.
        scene: whose pixels they are.
        window: in pixels of its grid; may reach beyond the scene.

    Returns:
        dims (y, x); None where all have.
    """
    area = ground(region, scene)
    shape = window.row1 - window.row0, window.col1 - window.col0
    a, b, c, d, e, f = scene.transform_at(window.row0, window.col0)
    frame = (c, f + e * shape[0], c + a * shape[1], f)
    with _ASKING:
        if shapely.covers(area, shapely.box(*frame)):
            return None
    # Further out than the outermost centres, so that the edges of the cut decide nothing.
    parts = shapely.get_parts(shapely.clip_by_rect(area, *_beyond(frame, a)))
    found = [(part, 1) for part in parts if part.geom_type == "Polygon" and not part.is_empty]
    if not found:
        return np.zeros(shape, bool)
    transform = Affine(a, b, c, d, e, f)
    burnt = rasterio.features.rasterize(found, shape, transform=transform, dtype="uint8")
    return np.asarray(burnt, bool)


def _outlines(scene: Scene, block: Block) -> npt.NDArray[Any]:
    """What each tile of a block writes, a little smaller; dims (row, column)."""
    grid, (a, _, c, _, e, f) = scene.grid, scene.transform
    rows = np.arange(block.row0, block.row1) * grid.stride.rows - grid.before.rows
    cols = np.arange(block.col0, block.col1) * grid.stride.cols - grid.before.cols
    west, east = c + a * (cols + _SLACK), c + a * (cols + grid.core.cols - _SLACK)
    north, south = f + e * (rows + _SLACK), f + e * (rows + grid.core.rows - _SLACK)
    outlines: npt.NDArray[Any] = shapely.box(
        west[None, :], south[:, None], east[None, :], north[:, None]
    )
    return outlines


def _beyond(frame: tuple[float, float, float, float], pixel: float) -> tuple[float, ...]:
    west, south, east, north = frame
    return west - pixel, south - pixel, east + pixel, north + pixel
