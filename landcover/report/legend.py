"""The colours of pictures, and the legend beside a map."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from landcover.classes import Scheme

INK, QUIET, NODATA = "#22262b", "#6d747c", "#ffffff"
MOST_ENTRIES = 18
_ROW = 0.27  # inches from one line of the legend to the next


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
