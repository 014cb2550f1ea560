"""How fast a run's maps of pixels are made: those of the tiles that a measurement has scored."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import NamedTuple

from landcover.config.settings import OutputSettings
from landcover.contracts import Backend
from landcover.runs.directory import RunDirectory
from landcover.runs.maps.layout import PIECE
from landcover.runs.maps.maker import MapMaker
from landcover.runs.parts import finished
from landcover.scoring.outcome import part_place, scene_grid
from landcover.tiles.rasters import RasterSource, RasterTask


class MapSpeed(NamedTuple):
    """The making of maps as a start and a steady state, in which the busiest worker makes its pixels.

    Args:
        startup: seconds until the first pixel.
        pixels_per_second: that one worker makes, from then on.
        workers: that make pieces of maps at the same time.
    """

    startup: float
    pixels_per_second: float
    workers: int

    def seconds(self, sizes: Iterable[tuple[int, int]]) -> float:
        """How long maps take.

        Args:
            sizes: of each map its height and width, in pixels.
        """
        return self.startup + _of_busiest(sizes, self.workers) / self.pixels_per_second


def _of_busiest(sizes: Iterable[tuple[int, int]], workers: int) -> float:
    """The pixels of the busiest worker: its share of all, or a whole piece, which several cannot share."""
    total, largest = 0, 0
    for height, width in sizes:
        total += height * width
        largest = max(largest, min(height, PIECE) * min(width, PIECE))
    return max(total / workers, largest)


def map_speed(
    run: RunDirectory, source: RasterSource, pool: Backend, wanted: OutputSettings
) -> MapSpeed | None:
    """Make maps of what a run has scored so far: of its first part, and of all; their files stay.

    Args:
        run: a run that was stopped, and is not gone on with.
        source: of its tasks.
        pool: whose workers make the maps.
        wanted: what the mosaic of several scenes is and shows.

    Returns:
        what a straight line through both says, of whose whole at most half is held to be a start; None
        where nothing was scored.

    Raises:
        OutputError: if a part cannot be read or a map not be written.
    """
    done = finished(run)
    planned = islice(source.tasks(), max(done, default=-1) + 1)
    tasks = [task for task in planned if task.index in done]
    if not tasks:
        return None
    maker = MapMaker(run, pool, "pixel", overlap=wanted.overlap)
    # What workers do once only, and tasks that they still end, are no part of either.
    rounds = (tasks[:1], tasks[:1], tasks)
    _, (few, began), (many, took) = (_made(maker, some, wanted) for some in rounds)
    startup = took - many * (took - began) / (many - few) if many > few else 0.0
    startup = min(max(startup, 0.0), took / 2)
    return MapSpeed(startup, many / (took - startup), pool.slots)


def _made(
    maker: MapMaker, tasks: Sequence[RasterTask], wanted: OutputSettings
) -> tuple[float, float]:
    """The pixels of the busiest worker in the maps of some tasks, and the seconds that these took."""
    places = [part_place(task, maker.output) for task in tasks]
    scenes = []
    for _, group in groupby(tasks, lambda task: task.scene.name):
        of_scene = list(group)
        whole = scene_grid(of_scene[0].scene)
        # No further down than its tasks reach: the rest is no work that a run would have.
        rows = max(task.scene.grid.written(task.block).row1 for task in of_scene)
        scenes.append(replace(whole, grid=replace(whole.grid, height=rows)))
    grids = [scene.map_grid(maker.output) for scene in scenes]
    pixels = _of_busiest(((grid.height, grid.width) for grid in grids), maker.pool.slots)
    began = time.perf_counter()
    maker.write(scenes, places, wanted.mosaic)
    return pixels, time.perf_counter() - began
