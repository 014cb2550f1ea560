"""The scale bar below a map, and the name of the map's CRS."""

from __future__ import annotations

import math

import pyproj
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from landcover.report.legend import INK, QUIET
from landcover.runs.map_format.grid import MapGrid

_EARTH = pyproj.Geod(ellps="WGS84")
# Half the way round the earth: the distance between two places says nothing about a map that wide.
_WIDEST = 1.9e7


def ground_width(grid: MapGrid) -> float | None:
    """How far it is across the middle of a map, in metres on the ground, whatever its CRS.

    Returns:
        None where that cannot be known: the CRS is not of the earth, the middle of the map's edges
        lies off the earth, or the map is half as wide as the earth is round, or wider.
    """
    row = grid.height / 2
    try:
        to_degrees = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
        edge = [grid.position(grid.width * step / 8, row) for step in range(9)]
        lon, lat = zip(
            *(to_degrees.transform(*place, errcheck=True) for place in edge), strict=True
        )
        width = float(_EARTH.line_length(lon, lat))
    except pyproj.exceptions.ProjError:
        return None
    return width if 0 < width < _WIDEST else None


def bar_length(width: float) -> float:
    """A round length (1, 2 or 5 times a power of ten) of at most a quarter of a map's width.

    Args:
        width: of the map, in metres.
    """
    power: float = 10 ** math.floor(math.log10(width / 4))
    return max(step * power for step in (1, 2, 5) if step * power <= width / 4)


def draw_scale(axes: Axes, metres: float | None, crs: str) -> None:
    """Fill the strip below a map: a bar of two dark and two light quarters, and the CRS.

    Args:
        axes: as wide as the map; its own units become metres.
        metres: how wide the map is on the ground; None: there is no bar.
        crs: of the map.
    """
    axes.set(xlim=(0, metres or 1), ylim=(0, 1))
    axes.axis("off")
    axes.text(metres or 1, 0.4, _named(crs), ha="right", va="top", color=QUIET, size=7)
    if metres is None:
        return
    length = bar_length(metres)
    for quarter in range(4):
        color = INK if quarter % 2 == 0 else "white"
        place = (quarter * length / 4, 0.52)
        box = Rectangle(place, length / 4, 0.16, facecolor=color, edgecolor=INK, linewidth=0.7)
        axes.add_patch(box).set_clip_on(False)
    unit, divisor = ("km", 1000) if length >= 1000 else ("m", 1)
    axes.text(0, 0.4, "0", ha="center", va="top", color=INK, size=8)
    axes.text(length, 0.4, f"{length / divisor:g} {unit}", ha="center", va="top", color=INK, size=8)


def _named(crs: str) -> str:
    """A CRS as people know it, by the register's name where it is registered."""
    try:
        found = pyproj.CRS.from_user_input(crs)
        authority = found.to_authority()
    except pyproj.exceptions.CRSError:
        return ""
    if authority is None:
        return found.name
    return f"{pyproj.CRS.from_authority(*authority).name} ({':'.join(authority)})"
