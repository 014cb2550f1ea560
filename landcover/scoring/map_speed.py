"""How fast a run's maps of pixels are made: those of the tiles that a measurement has scored."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import NamedTuple

from landcover.config.settings import OutputSettings
from landcover.contracts import Backend
from landcover.runs.directory import RunDirectory
from landcover.runs.maps.maker import MapMaker
from landcover.runs.parts import finished
from landcover.scoring.outcome import part_place, scene_grid
from landcover.tiles.rasters import RasterSource, RasterTask


class MapSpeed(NamedTuple):
    """The making of maps as a start and a steady state: ``seconds = startup + pixels / pixels_per_second``.

    Args:
        startup: seconds until the first pixel.
        pixels_per_second: of the maps, from then on.
    """

    startup: float
    pixels_per_second: float


def map_speed(
    run: RunDirectory, source: RasterSource, pool: Backend, wanted: OutputSettings
) -> MapSpeed | None:
    """Make maps of what a run has scored so far, twice: of its first part, and of all; their files stay.

    Args:
        run: a run that was stopped, and is not gone on with.
        source: of its tasks.
        pool: whose workers make the maps.
        wanted: what the mosaic of several scenes is and shows.

    Returns:
        what a straight line through both says; None where nothing was scored.

    Raises:
        OutputError: if a part cannot be read or a map not be written.
    """
    done = finished(run)
    planned = islice(source.tasks(), max(done, default=-1) + 1)
    tasks = [task for task in planned if task.index in done]
    if not tasks:
        return None
    maker = MapMaker(run, pool, "pixel", overlap=wanted.overlap)
    (few, began), (many, took) = (_made(maker, some, wanted) for some in (tasks[:1], tasks))
    if many > few and took > began:
        slope = (many - few) / (took - began)
        return MapSpeed(max(0.0, took - many / slope), slope)
    return MapSpeed(0.0, many / took)


def _made(
    maker: MapMaker, tasks: Sequence[RasterTask], wanted: OutputSettings
) -> tuple[int, float]:
    """How many pixels the maps of some tasks have, and how many seconds it took to make them."""
    places = [part_place(task, maker.output) for task in tasks]
    scenes = []
    for _, group in groupby(tasks, lambda task: task.scene.name):
        of_scene = list(group)
        whole = scene_grid(of_scene[0].scene)
        # No further down than its tasks reach: the rest is no work that a run would have.
        rows = max(task.scene.grid.written(task.block).row1 for task in of_scene)
        scenes.append(replace(whole, grid=replace(whole.grid, height=rows)))
    grids = [scene.map_grid(maker.output) for scene in scenes]
    began = time.perf_counter()
    maker.write(scenes, places, wanted.mosaic)
    return sum(grid.width * grid.height for grid in grids), time.perf_counter() - began
