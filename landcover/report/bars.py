"""Bars that compare speeds, and what each of them is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from landcover.report.legend import INK, QUIET

_DPI = 120
_BAR = 0.46  # inches from one bar to the next
_COLOURS = ("#2f6f8f", "#7fb069", "#d9a441", "#b5523b", "#6b5b95", "#9aa0a6")


def bars_figure(values: Mapping[str, float], unit: str, out_png: str | Path, title: str) -> None:
    """Draw a bar a value, the first on top.

    Args:
        values: by what is written beside each bar.
        unit: of the values.
        out_png: where the figure goes.
        title: a line above the bars.
    """
    stacked_figure({name: {"": value} for name, value in values.items()}, unit, out_png, title)


def stacked_figure(
    values: Mapping[str, Mapping[str, float]], unit: str, out_png: str | Path, title: str
) -> None:
    """Draw a bar a row, made of pieces, the first row on top.

    Args:
        values: the pieces by name, by what is written beside each bar.
        unit: of the values.
        out_png: where the figure goes.
        title: a line above the bars.
    """
    figure = Figure(figsize=(8, 1.1 + _BAR * len(values)), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    names = list(dict.fromkeys(piece for pieces in values.values() for piece in pieces))
    left = [0.0] * len(values)
    for place, name in enumerate(names):
        widths = [pieces.get(name, 0.0) for pieces in values.values()]
        axes.barh(range(len(values)), widths, 0.7, left, color=_colour(place), label=name)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for at, total in enumerate(left):
        axes.text(total, at, f" {_short(total)}", va="center", color=QUIET, size=8)
    axes.set_yticks(range(len(values)), list(values))
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(left, default=0) or 1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(unit)
    axes.set_title(title, loc="left", size=11, color=INK)
    if any(names):
        figure.legend(frameon=False, ncols=len(names), loc="outside lower center")
    figure.savefig(out_png)


def lines_figure(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    axes_names: tuple[str, str],
    out_png: str | Path,
    title: str,
    logarithmic: bool = False,
) -> None:
    """Draw lines through points; those whose name ends in "(dashed)" are dashed.

    Args:
        lines: points (x, y) by the line's name.
        axes_names: what x and y are, with units.
        out_png: where the figure goes.
        title: a line above it.
        logarithmic: both axes.
    """
    figure = Figure(figsize=(7.2, 4.6), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, (name, points) in enumerate(lines.items()):
        style = "--" if name.endswith("(dashed)") else "-"
        x, y = zip(*points, strict=True)
        label = name.removesuffix("(dashed)").strip()
        axes.plot(x, y, style, marker="o", ms=4, color=_colour(place), label=label)
    if logarithmic:
        axes.set(xscale="log", yscale="log")
    axes.set(xlabel=axes_names[0], ylabel=axes_names[1])
    axes.set_title(title, loc="left", size=11, color=INK)
    axes.grid(color="#dddddd", linewidth=0.6, which="both")
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(out_png)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _colour(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]
