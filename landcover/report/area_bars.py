"""Bars of how much ground is of each class, in the colours of the classes."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from landcover.classes import Scheme
from landcover.report.legend import INK, QUIET

_DPI, _WIDE = 120, 8.0
_BAR = 0.36  # inches from one bar to the next
_MOST_ZONES = 60


def areas_figure(table: pd.DataFrame, scheme: Scheme, out_png: str | Path | IO[bytes]) -> None:
    """Draw a bar a class, or a bar a zone that is made of its classes.

    Args:
        table: as :func:`landcover.analysis.areas.areas` returns it.
        scheme: the classes.
        out_png: where the figure goes. Of more than 60 zones the 60 with the most ground are drawn.
    """
    table = table[table["pixels"] > 0]
    zoned = table.index.nlevels > 1
    wide = table["hectares"].unstack("class", fill_value=0) if zoned else None
    bars = min(_MOST_ZONES, len(wide)) if wide is not None else len(table)
    figure = Figure(figsize=(_WIDE, 1.2 + _BAR * max(bars, 2)), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if wide is None:
        _draw_classes(axes, table, scheme)
    else:
        largest = wide.sum(axis=1).nlargest(_MOST_ZONES).index
        _draw_zones(axes, wide[wide.index.isin(largest)], scheme)
        figure.legend(frameon=False, ncols=3, loc="outside lower center", fontsize=8)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("hectares", color=INK)
    figure.savefig(out_png)


def _draw_classes(axes: Axes, table: pd.DataFrame, scheme: Scheme) -> None:
    names = [str(name) for name in table.index]
    colors = [scheme.by_name[name].color for name in names]
    axes.barh(range(len(names)), table["hectares"], 0.72, color=colors, edgecolor=QUIET, lw=0.5)
    for at, (hectares, share) in enumerate(zip(table["hectares"], table["share"], strict=True)):
        axes.text(hectares, at, f" {hectares:,.0f} ({share:.1%})", va="center", color=QUIET, size=8)
    axes.set_yticks(range(len(names)), literal(names))
    axes.set_xlim(0, 1.22 * float(table["hectares"].max()) if len(table) else 1)


def _draw_zones(axes: Axes, wide: pd.DataFrame, scheme: Scheme) -> None:
    left = pd.Series(0.0, wide.index)
    for item in scheme:
        if item.name in wide.columns:
            label = literal([item.name])[0]
            look: dict[str, Any] = {
                "color": item.color,
                "edgecolor": QUIET,
                "lw": 0.3,
                "label": label,
            }
            axes.barh(range(len(wide)), wide[item.name], 0.72, left=left, **look)
            left = left + wide[item.name]
    keys = [key if isinstance(key, tuple) else (key,) for key in wide.index]
    axes.set_yticks(range(len(wide)), literal([", ".join(map(str, key)) for key in keys]))


def literal(names: list[str]) -> list[str]:
    """Names as matplotlib writes them as they are: a dollar would begin a formula."""
    shown = (name if len(name) <= 40 else f"{name[:39]}…" for name in names)
    return [name.replace("$", r"\$").lstrip("_") or name for name in shown]
