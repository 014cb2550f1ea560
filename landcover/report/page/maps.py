"""The maps of a report: pictures on one grid, and what the page's script has to know of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from landcover.analysis.map_blocks import Progress, labels_pixels
from landcover.report.frame import NODES, aspect_of, frame_of, map_grids, places_on
from landcover.report.page.pictures import class_picture, score_picture
from landcover.report.page.shown_classes import ShownClass, ShownClasses
from landcover.report.scale_bar import ground_width
from landcover.report.views import classes_on, scores_on
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import MapGrid
from landcover.tiles.reprojection import bounds_in

PIXELS = 5_000_000
"""Of all maps together. Classes and scores of a pixel take at most 2.7 bytes of the file."""
MOST = 2048**2
"""Of one map: what a browser colours anew in a moment."""
Phase = Callable[[str, str], AbstractContextManager[Progress]]
"""Shows how far something has come: given what is done, and the unit of what is counted."""


@dataclass(frozen=True)
class MapPicture:
    """A map.

    Args:
        name: what it is called.
        classes: data URI of the classes.
        scores: data URI of the scores; "" where there are none.
        width: pixels of the map itself.
        height: likewise.
        step: how many of its pixels, along a side, one of the picture stands for.
    """

    name: str
    classes: str
    scores: str
    width: int
    height: int
    step: float


@dataclass(frozen=True)
class MapsOfReport:
    """The maps of all runs.

    Args:
        frame: the grid that all pictures have.
        classes: those that occur.
        pictures: one a run, then that of changes.
        data: plain JSON values for the script.
    """

    frame: MapGrid
    classes: tuple[ShownClass, ...]
    pictures: list[MapPicture]
    data: dict[str, Any]


def maps_of(
    runs: Sequence[RunDirectory], names: Sequence[str], change: RunDirectory | None, phase: Phase
) -> MapsOfReport | None:
    """Draw the maps of runs on one grid.

    Args:
        runs: directories of runs that are done, with maps.
        names: what they are called.
        change: a directory with a map of changes.
        phase: shows how far the work has come.

    Returns:
        None where no run has a map.

    Raises:
        OutputError: if a map or a table cannot be read, or the maps have no grid in common.
    """
    if change:
        runs, names = [*runs, change], [*names, "change"]
    if not runs:
        return None
    frame = frame_of(runs, min(PIXELS // len(runs), MOST))
    with phase("drawing", "maps") as progress:
        views = []
        for done, run in enumerate(runs, 1):
            views.append(classes_on(run, frame))
            progress(done, len(runs))
    shown = ShownClasses.of([run.scheme for run in runs], views)
    pictures = []
    for run, name, view in zip(runs, names, views, strict=True):
        picture = class_picture(shown.picture(view, run.scheme), shown.classes)
        scores = "" if run is change else _scores(run, frame, phase)
        pictures.append(MapPicture(name, picture, scores, *_size(run, frame)))
    metres = ground_width(frame)
    data = {
        "width": frame.width,
        "height": frame.height,
        "aspect": aspect_of(frame),
        "metres": metres / frame.width if metres else None,
        "places": places_on(frame),
        "nodes": NODES,
        "classes": [vars(item) for item in shown.classes],
        "runs": list(names),
    }
    return MapsOfReport(frame, shown.classes, pictures, data)


def _scores(run: RunDirectory, frame: MapGrid, phase: Phase) -> str:
    """A picture of the scores; "" where a run has none on the ground."""
    if labels_pixels(run):
        return ""
    with phase("reading scores", "parts") as progress:
        scores = scores_on(run, frame, progress)
    return "" if scores is None else score_picture(scores)


def _size(run: RunDirectory, frame: MapGrid) -> tuple[int, int, float]:
    """Width and height of a map, and how many of its pixels one of a frame stands for."""
    grid = map_grids(run)[0]
    west, _, east, _ = bounds_in(grid.crs, frame.crs, grid.bounds)
    return grid.width, grid.height, max(1.0, frame.transform[0] / ((east - west) / grid.width))
