"""Figures of a run as PNG files: its map, and how its labels compare with the reference.

Figures are drawn without pyplot, which keeps global state and is not safe in threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rasterio.io import DatasetReader

from landcover.analysis.accuracy import Accuracy
from landcover.classes import Scheme
from landcover.report.background import over_imagery
from landcover.report.legend import (
    INK,
    NODATA,
    QUIET,
    draw_legend,
    legend_size,
)
from landcover.report.matrix import MARGIN, Look, draw_cells, draw_names
from landcover.report.scale_bar import draw_scale, ground_width
from landcover.runs.map_format.grid import MapGrid
from landcover.tiles.opening import opened_raster

DPI = 160
_LONG = 8.0  # inches: the longer side of the map
_MARGIN, _TITLE, _SCALE = 0.3, 0.42, 0.45


def map_figure(
    map_path: str | Path,
    scheme: Scheme,
    counts: Mapping[int, int],
    out_png: str | Path,
    title: str = "",
    below: Callable[[MapGrid], npt.NDArray[np.uint8]] | None = None,
) -> dict[str, float]:
    """Draw a map with its legend, the shares of its classes, and a scale bar.

    A large map is drawn from its overviews. A map of which nobody can say how wide it is on the
    ground (a CRS of an engineer, a camera or the moon) has no scale bar.

    Args:
        map_path: a map that a run has written: a local path or an fsspec URL.
        scheme: its classes.
        counts: how many of its pixels have each code.
        out_png: where the figure goes.
        title: a line above the map.
        below: what lies below the map, dims (y, x, rgb) of a grid; None: nothing.

    Returns:
        the share of each class, in [0, 1], of the area that has a class; by name.
    """
    with opened_raster(str(map_path)) as file:
        a, b, c, d, e, f = tuple(file.transform)[:6]
        crs = file.crs.to_wkt() if file.crs else ""
        grid = MapGrid(crs, (a, b, c, d, e, f), file.width, file.height)
        picture = _picture(file, grid, scheme, below)
    shares = _shares(scheme, counts)
    aspect = min(max(abs(grid.height * e) / abs(grid.width * a), 0.25), 4)
    wide, high = _LONG / max(aspect, 1), _LONG * min(aspect, 1)
    beside, down = legend_size(scheme, shares)
    headed, body = _TITLE * bool(title), max(high, down)
    figure, place = _blank(wide + beside + 3 * _MARGIN, body + headed + _SCALE + 2 * _MARGIN)
    top = body + _SCALE + _MARGIN
    if title:
        heading = place(_MARGIN, top, wide, headed)
        heading.axis("off")
        heading.text(0, 0.4, title, size=12, weight="bold", color=INK)
    view = place(_MARGIN, top - high, wide, high)
    view.imshow(picture, interpolation="nearest", aspect="auto")
    view.set(xticks=[], yticks=[])
    view.spines[:].set(color=QUIET, linewidth=0.6)
    strip = place(_MARGIN, top - high - _SCALE, wide, _SCALE)
    draw_scale(strip, ground_width(grid), grid.crs)
    draw_legend(
        place(wide + 2 * _MARGIN, top - body, beside, body),
        scheme,
        shares,
        bool(counts.get(scheme.nodata)),
    )
    figure.savefig(out_png)
    return {scheme.by_code[code].name: share for code, share in shares.items()}


def confusion_figure(
    matrix: npt.NDArray[np.integer[Any]], names: Sequence[str], out_png: str | Path | IO[bytes]
) -> None:
    """Draw a confusion matrix: counts, shares of each reference class, and accuracies.

    Args:
        matrix: dims (reference, label), n x n: how many tiles. Classes without any are left out.
        names: of the n classes.
        out_png: where the figure goes.

    Raises:
        ValueError: if the matrix holds no tile.
    """
    seen = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    if not len(seen):
        raise ValueError("a confusion matrix without tiles cannot be drawn")
    kept = matrix[np.ix_(seen, seen)].astype(np.int64)
    found = Accuracy(tuple(names[int(i)] for i in seen), kept)
    look = Look.of(len(seen))
    cells, room = len(seen) + MARGIN + 1, look.room(found.names)
    side = look.cell * cells
    figure, place = _blank(room + side + 0.2, room + side + 0.2)
    axes = place(room, 0.2, side, side)
    draw_cells(axes, found, look)
    draw_names(axes, found.names, look)
    axes.set(xlim=(0, cells), ylim=(cells, 0))
    axes.axis("off")
    figure.savefig(out_png)


def _blank(width: float, height: float) -> tuple[Figure, Callable[..., Axes]]:
    """An empty figure, and how axes are placed on it, all in inches from its lower left corner."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)

    def place(left: float, low: float, wide: float, high: float) -> Axes:
        return figure.add_axes((left / width, low / height, wide / width, high / height))

    return figure, place


def _shares(scheme: Scheme, counts: Mapping[int, int]) -> dict[int, float]:
    """The share of each class that occurs, by code."""
    total = max(1, sum(counts.get(code, 0) for code in scheme.codes))
    return {code: counts[code] / total for code in scheme.codes if counts.get(code)}


def _picture(
    file: DatasetReader,
    grid: MapGrid,
    scheme: Scheme,
    below: Callable[[MapGrid], npt.NDArray[np.uint8]] | None,
) -> npt.NDArray[np.uint8]:
    """The map in colours, reduced to what the figure can show: dims (y, x, rgb)."""
    step = max(1.0, max(file.width, file.height) / (_LONG * DPI))
    height, width = max(1, round(file.height / step)), max(1, round(file.width / step))
    codes = file.read(1, out_shape=(height, width))
    colors = np.full((np.iinfo(scheme.dtype).max + 1, 3), list(bytes.fromhex(NODATA[1:])), np.uint8)
    for item in scheme:
        colors[item.code] = item.rgb
    picture = np.asarray(colors[codes], np.uint8)
    if below is None:
        return picture
    a, b, c, d, e, f = grid.transform
    placed = (a * file.width / width, b, c, d, e * file.height / height, f)
    return over_imagery(
        picture, codes != scheme.nodata, below(MapGrid(grid.crs, placed, width, height))
    )
