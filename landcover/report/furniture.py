"""What stands around a map: its legend and its scale bar."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pyproj
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from landcover.classes import Scheme
from landcover.runs.scene_grid import MapGrid

INK, QUIET, NODATA = "#22262b", "#6d747c", "#ffffff"
MOST_ENTRIES = 18
_ROW = 0.27  # inches from one line of the legend to the next
_EARTH = pyproj.Geod(ellps="WGS84")


def ground_width(grid: MapGrid) -> float:
    """How far it is across the middle of a map, in metres on the ground, whatever its CRS."""
    row = grid.height / 2
    to_degrees = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    west = to_degrees.transform(*grid.position(0, row))
    east = to_degrees.transform(*grid.position(grid.width, row))
    return float(_EARTH.inv(*west, *east)[2])


def bar_length(width: float) -> float:
    """A round length (1, 2 or 5 times a power of ten) of at most a quarter of a map's width.

    Args:
        width: of the map, in metres.
    """
    power: float = 10 ** math.floor(math.log10(width / 4))
    return max(step * power for step in (1, 2, 5) if step * power <= width / 4)


def draw_scale(axes: Axes, metres: float, crs: str) -> None:
    """Fill the strip below a map: a bar of two dark and two light quarters, and the CRS.

    Args:
        axes: as wide as the map; its own units become metres.
        metres: how wide the map is on the ground.
        crs: of the map.
    """
    axes.set(xlim=(0, metres), ylim=(0, 1))
    axes.axis("off")
    length = bar_length(metres)
    for quarter in range(4):
        color = INK if quarter % 2 == 0 else "white"
        place = (quarter * length / 4, 0.52)
        box = Rectangle(place, length / 4, 0.16, facecolor=color, edgecolor=INK, linewidth=0.7)
        axes.add_patch(box).set_clip_on(False)
    unit, divisor = ("km", 1000) if length >= 1000 else ("m", 1)
    axes.text(0, 0.4, "0", ha="center", va="top", color=INK, size=8)
    axes.text(length, 0.4, f"{length / divisor:g} {unit}", ha="center", va="top", color=INK, size=8)
    axes.text(metres, 0.4, _named(crs), ha="right", va="top", color=QUIET, size=7)


def _named(crs: str) -> str:
    """A CRS as people know it, by the register's name where it is registered."""
    found = pyproj.CRS.from_user_input(crs)
    authority = found.to_authority()
    if authority is None:
        return found.name
    return f"{pyproj.CRS.from_authority(*authority).name} ({':'.join(authority)})"


def legend_size(scheme: Scheme, shares: Mapping[int, float]) -> tuple[float, float]:
    """Width and height in inches that the legend of these classes takes."""
    letters = max((len(_short(scheme.by_code[code].name)) for code in shares), default=0)
    return 1.2 + 0.075 * max(letters, 12), _ROW * (min(len(shares), MOST_ENTRIES + 1) + 2)


def draw_legend(axes: Axes, scheme: Scheme, shares: Mapping[int, float], gaps: bool) -> None:
    """List the classes of a map with their colours and shares, the largest first.

    Args:
        axes: a column beside the map.
        scheme: the classes.
        shares: of the map's area that has a class, by code, in [0, 1].
        gaps: whether the map has places without data.
    """
    box = axes.get_window_extent().transformed(axes.figure.dpi_scale_trans.inverted())
    axes.set(xlim=(0, box.width), ylim=(-box.height, 0))
    axes.axis("off")
    ordered = sorted(shares, key=lambda code: -shares[code])
    rows = [(scheme.by_code[c].color, scheme.by_code[c].name, shares[c]) for c in ordered]
    if len(rows) > MOST_ENTRIES + 1:
        rest = sum(share for _, _, share in rows[MOST_ENTRIES:])
        rows[MOST_ENTRIES:] = [("white", f"{len(rows) - MOST_ENTRIES} other classes", rest)]
    for line, (color, name, share) in enumerate(rows):
        _draw_entry(axes, line, color, name, _percent(share), box.width)
    if gaps:
        _draw_entry(axes, len(rows), NODATA, "no data", "", box.width)


def _draw_entry(axes: Axes, line: int, color: str, name: str, share: str, width: float) -> None:
    middle = -_ROW * (line + 0.5)
    swatch = (0, middle - 0.075)
    axes.add_patch(Rectangle(swatch, 0.24, 0.15, facecolor=color, edgecolor=QUIET, linewidth=0.5))
    axes.text(0.34, middle, _short(name), va="center", color=INK, size=8.5)
    axes.text(width, middle, share, va="center", ha="right", color=QUIET, size=8.5)


def _short(name: str) -> str:
    return name if len(name) <= 32 else f"{name[:31]}…"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "< 0.1%"
