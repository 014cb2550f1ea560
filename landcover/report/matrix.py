"""The cells and names of a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from landcover.analysis.accuracy import Accuracy
from landcover.report.legend import INK, QUIET

MARGIN = 0.3  # cells between the matrix and the accuracies beside it
_RIGHT, _WRONG, _ACCURACY = (np.array(to_rgb(c)) for c in ("#2b6ca3", "#c8553d", "#f1f2f3"))
_LINE = "#dfe3e6"
_PRODUCERS, _USERS = "producer's\naccuracy", "user's\naccuracy"


@dataclass(frozen=True)
class Look:
    """How large things are drawn: the more classes, the smaller.

    Args:
        cell: edge of a cell in inches.
        large: points of the shares in the cells; 0: left out.
        small: points of the counts below them; 0: left out.
        names: points of the names.
    """

    cell: float
    large: float
    small: float
    names: float

    @classmethod
    def of(cls, count: int) -> Look:
        """The look of a matrix of so many classes."""
        if count <= 12:
            return cls(0.62, 9.5, 6.5, 9)
        if count <= 30:
            return cls(0.36, 6.5, 0, 7)
        cell = min(0.15, 20 / count)
        return cls(cell, 0, 0, 40 * cell)

    def room(self, names: Sequence[str]) -> float:
        """Inches that the names and the words beside them take."""
        return 0.6 + self.names / 120 * max(10, *(len(name) for name in names))


def draw_cells(axes: Axes, found: Accuracy, look: Look) -> None:
    """The matrix, coloured by shares of each reference class, and the accuracies around it.

    Args:
        axes: its units are cells, y going down.
        found: what is drawn.
        look: how large.
    """
    count = len(found.names)
    shares = found.matrix / np.maximum(found.matrix.sum(axis=1, keepdims=True), 1)
    full = np.where(np.eye(count, dtype=bool)[:, :, None], _RIGHT, _WRONG)
    colors = np.rint(255 * (1 - shares[:, :, None] * (1 - full))).astype(np.uint8)
    axes.imshow(colors, extent=(0, count, count, 0), interpolation="nearest", aspect="auto")
    for row, col in np.argwhere(found.matrix) if look.large else ():
        share, tiles = float(shares[row, col]), int(found.matrix[row, col])
        text = f"{share:.0%}" if share >= 0.005 else "<1%"
        _write(axes, look, (col, row), text, f"{tiles:,}" if look.small else "", share > 0.55)
    for line in range(count + 1) if look.large else ():
        axes.plot([0, count, np.nan, line, line], [line, line, np.nan, 0, count], _LINE, lw=0.6)
    edge = count + MARGIN
    for index in range(count):
        _draw_accuracy(axes, look, (edge, index), float(found.producers[index]))
        _draw_accuracy(axes, look, (index, edge), float(found.users[index]))
    _draw_accuracy(axes, look, (edge, edge), found.overall, "overall" if look.small else "")


def draw_names(axes: Axes, names: Sequence[str], look: Look) -> None:
    """The names of the classes on the left and above, and what rows, columns and margins are."""
    count, room = len(names), look.room(names) / look.cell
    beside: dict[str, Any] = {"ha": "right", "va": "center"}
    above: dict[str, Any] = {"ha": "center", "va": "bottom", "rotation": 90}
    for index, name in enumerate(names):
        axes.text(-0.12, index + 0.5, name, size=look.names, color=INK, **beside)
        axes.text(index + 0.5, -0.12, name, size=look.names, color=INK, **above)
    size = max(look.names - 0.5, 6)
    margin: dict[str, Any] = {"size": size, "color": QUIET, "style": "italic"}
    axes.text(-0.12, count + MARGIN + 0.5, _USERS, **beside, **margin)
    axes.text(count + MARGIN + 0.5, -0.12, _PRODUCERS, **above, **margin)
    heads: dict[str, Any] = {"size": size + 0.5, "color": QUIET, "weight": "bold", "ha": "center"}
    inset = 0.15 / look.cell
    axes.text(count / 2, inset - room, "labelled as", va="top", **heads)
    axes.text(inset - room, count / 2, "reference", va="center", rotation=90, **heads)


def _draw_accuracy(
    axes: Axes, look: Look, place: tuple[float, float], share: float, below: str = ""
) -> None:
    color = _ACCURACY if look.large else 1 - np.nan_to_num(share) * (1 - _RIGHT)
    box = Rectangle(place, 1, 1, facecolor=tuple(color), edgecolor=_LINE, linewidth=0.6)
    axes.add_patch(box).set_clip_on(False)
    if look.large:
        _write(axes, look, place, "-" if np.isnan(share) else f"{share:.0%}", below)


def _write(
    axes: Axes,
    look: Look,
    place: tuple[float, float],
    text: str,
    below: str,
    on_dark: bool = False,
) -> None:
    ink, quiet = ("white", "#e6ebf0") if on_dark else (INK, QUIET)
    x, y = place[0] + 0.5, place[1] + (0.42 if below else 0.5)
    axes.text(x, y, text, ha="center", va="center", size=look.large, color=ink)
    if below:
        place_below = place[1] + 0.74
        axes.text(x, place_below, below, ha="center", va="center", size=look.small, color=quiet)
