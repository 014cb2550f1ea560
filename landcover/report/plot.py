"""The map of a run on axes of matplotlib, for notebooks and figures of one's own."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from landcover.analysis.imagery import imagery_on
from landcover.report.area_bars import literal
from landcover.report.background import over_imagery
from landcover.report.frame import frame_of
from landcover.report.legend import MOST_ENTRIES, NODATA, QUIET
from landcover.report.views import classes_on
from landcover.runs.directory import RunDirectory

_PIXELS = 1_000_000


def plot_map(run: RunDirectory, ax: Axes | None = None, imagery: bool = False) -> Axes:
    """Draw the map of a run, with a legend of the classes that it shows.

    Args:
        run: the directory of a run that is done, with a map.
        ax: where it is drawn; None: a new figure of pyplot.
        imagery: whether the imagery is shown below, in grey; of a comparison that of the last date.

    Returns:
        the axes, in the coordinates of the map's CRS.

    Raises:
        OutputError: if the run is not done, has no map, or it cannot be read.
        SourceError: if imagery is wanted and cannot be read.
    """
    frame = frame_of([run], _PIXELS)
    classes = classes_on(run, frame)
    colors = np.array([item.rgb for item in run.scheme] + [tuple(bytes.fromhex(NODATA[1:]))])
    west, south, east, north = frame.bounds
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(layout="constrained")[1]
    picture = colors[classes].astype(np.uint8)
    if imagery:
        picture = over_imagery(picture, classes < len(run.scheme), imagery_on(run, frame))
    ax.imshow(picture, extent=(west, east, south, north), interpolation="nearest")
    ax.ticklabel_format(useOffset=False, style="plain")
    seen = np.bincount(classes.ravel(), minlength=len(run.scheme) + 1)[:-1]
    shown = [i for i in np.argsort(-seen, kind="stable")[:MOST_ENTRIES].tolist() if seen[i]]
    names = literal([run.scheme.names[i] for i in shown])
    handles = [
        Patch(facecolor=run.scheme.classes[i].color, edgecolor=QUIET, label=name)
        for i, name in zip(shown, names, strict=True)
    ]
    if handles:
        ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return ax
