"""A figure that shows imagery, the map made from it and the reference side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from rasterio.enums import Resampling

from landcover.classes import Scheme
from landcover.report.legend import INK, QUIET
from landcover.tiles.opening import opened_raster

_DPI = 110
_PANEL = 4.4  # inches
_MARGIN, _TITLE, _LEGEND = 0.12, 0.34, 0.42
_PIXELS = round(_PANEL * _DPI)


def overview_figure(
    imagery: str | Path, maps: Mapping[str, str | Path], scheme: Scheme, out_png: str | Path
) -> None:
    """Draw a scene in natural colours, and maps of the same place beside it.

    Args:
        imagery: a raster whose first three bands are red, green and blue, uint8.
        maps: rasters of codes of the scheme, by what is written above each.
        scheme: the classes; those that occur in one of the maps are in the legend.
        out_png: where the figure goes.
    """
    codes = {title: _codes(path) for title, path in maps.items()}
    pictures = {"imagery": _natural(imagery)}
    pictures |= {title: _colored(values, scheme) for title, values in codes.items()}
    count = len(pictures)
    width = count * _PANEL + (count + 1) * _MARGIN
    height = _PANEL + _TITLE + _LEGEND + _MARGIN
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    for place, (title, picture) in enumerate(pictures.items()):
        left = _MARGIN + place * (_PANEL + _MARGIN)
        box = (left / width, _LEGEND / height, _PANEL / width, _PANEL / height)
        axes = figure.add_axes(box)
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title, loc="left", size=12, color=INK)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color=QUIET, linewidth=0.6)
    seen = {int(code) for values in codes.values() for code in np.unique(values)}
    legend = [Patch(color=item.color, label=item.name) for item in scheme if item.code in seen]
    look: dict[str, Any] = {"loc": "lower center", "frameon": False, "fontsize": 11}
    figure.legend(handles=legend, ncols=len(legend), **look)
    figure.savefig(out_png)


def _natural(path: str | Path) -> npt.NDArray[np.uint8]:
    """Dims (y, x, rgb), reduced to the panel; white where there is nodata."""
    with opened_raster(str(path)) as scene:
        shape = _reduced(scene.height, scene.width)
        pixels = scene.read((1, 2, 3), out_shape=(3, *shape), resampling=Resampling.average)
        known = scene.dataset_mask(out_shape=shape)
    picture = np.where(known > 0, pixels, 255).astype(np.uint8)
    return np.moveaxis(picture, 0, -1)


def _codes(path: str | Path) -> npt.NDArray[np.integer[Any]]:
    """Dims (y, x), reduced to the panel."""
    with opened_raster(str(path)) as file:
        shape = _reduced(file.height, file.width)
        codes: npt.NDArray[np.integer[Any]] = file.read(1, out_shape=shape)
    return codes


def _reduced(height: int, width: int) -> tuple[int, int]:
    step = max(1.0, max(height, width) / _PIXELS)
    return max(1, round(height / step)), max(1, round(width / step))


def _colored(codes: npt.NDArray[np.integer[Any]], scheme: Scheme) -> npt.NDArray[np.uint8]:
    picture = np.full((*codes.shape, 3), 255, np.uint8)
    for item in scheme:
        picture[codes == item.code] = item.rgb
    return picture
