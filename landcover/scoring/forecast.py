"""What a configuration will take, by a short measurement of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import ceil
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from landcover.backends.apart import ProcessBackend
from landcover.classes import classes_of
from landcover.config import Config
from landcover.contracts import Lost
from landcover.errors import BackendUnavailable, SourceError
from landcover.local_files import scratch
from landcover.machine import usable_cpus
from landcover.models.recipe import Recipe
from landcover.scoring.costs import Figures
from landcover.scoring.driver import model_here, opened_here, task_tiles, works_here
from landcover.scoring.ended import opened
from landcover.scoring.map_speed import MapSpeed, map_speed
from landcover.scoring.measurement import Speed, measure
from landcover.scoring.plan import TASK_SECONDS, as_written
from landcover.stores.urls import file_of, file_system, is_remote
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource

# What the picture of a map takes, of whatever size (benchmarks/planning.py tells how near a plan is).
_PICTURE_SECONDS = 1.5
# So many files are asked for their size where there may be a million.
_SAMPLED = 1000
# Tasks that each worker should end in the measurement.
_TASKS = 12
# What a task holds at the most for each byte of the labels of its pixels: these, the same laid out in
# the blocks of its part, the blocks as GDAL keeps them until the part is whole, and half of that of
# the task before (measured on tasks of 100 to 1,200 tiles of 224 x 224 pixels).
_HELD = 3.5


@dataclass(frozen=True)
class Forecast:
    """What a run is planned to be.

    Args:
        inputs: scenes, or image files.
        tiles: of all of them.
        tasks: about how many they are cut into.
        tiles_per_second: that all workers label together, once they have begun.
        startup: seconds until they have.
        figures: what it takes.
    """

    inputs: int
    tiles: int
    tasks: int
    tiles_per_second: float
    startup: float
    figures: Figures


def forecast(
    given: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any],
    config: Config,
    recipe: Recipe,
    source: RasterSource | ImageSource,
    seconds: float,
) -> Forecast:
    """Run a configuration for some seconds, elsewhere, and say what the whole of it will take.

    Args:
        given: the configuration, as :func:`landcover.score` takes it.
        overrides: of its keys.
        config: what both make.
        recipe: the model's.
        source: its imagery.
        seconds: how long scoring may be measured, from the first tile on; maps of the pixels that were
            scored meanwhile are made and measured after it.

    Raises:
        LandcoverError: whatever keeps the configuration from running.
    """
    tiles = source.count()
    short, each, at_once = _tasks(config, recipe, tiles, seconds)
    with scratch() as folder:
        # Of a small plan all is done, maps included: nothing is left to be foretold then.
        told = {**overrides, "source.task": short}
        rasters = _mapped(source, recipe)
        short_run = partial(_measured, given, folder / "run", tiles + 1, told, config, rasters)
        speed, said, maps = _as_workers_begin(short_run, seconds, config)
    workers, each_second = max(1, len(said["workers"])), speed.tiles_per_second
    whole = said["status"] == "done"  # not only its last task
    taken = speed.startup + tiles / each_second + _afterwards(source, maps)
    longer = _pixel_bytes(source, recipe, each) - _pixel_bytes(source, recipe, short)
    return Forecast(
        inputs=tiles if isinstance(source, ImageSource) else sum(1 for _ in source.scenes()),
        tiles=tiles,
        tasks=ceil(tiles / each),
        tiles_per_second=each_second,
        startup=speed.startup,
        figures=Figures(
            float(said["seconds"]) if whole else taken,
            workers,
            int(said.get("peak_memory", 0)) + round(_HELD * at_once * longer),
            bytes_of(source, tiles),
        ),
    )


class _Measured(NamedTuple):
    """How fast a short run is, what it says of itself, and how fast its maps are made, if they count."""

    speed: Speed
    said: dict[str, Any]
    maps: MapSpeed | None


def _measured(
    given: str | Path | Mapping[str, Any],
    output: Path,
    most: int,
    overrides: Mapping[str, Any],
    config: Config,
    rasters: RasterSource | None,
    seconds: float,
) -> _Measured:
    """Do a short run, and make the maps of what it has scored of ``rasters``."""
    with opened(config, None) as pool:
        found = measure(given, output, most, overrides, pool, seconds)
        said, maps = found.run.summary, None
        if rasters is not None and said["status"] != "done":
            source = rasters.divided(said["plan"]["task_tiles"])
            maps = map_speed(found.run.directory, source, pool, config.output)
    return _Measured(found.speed, said, maps)


def _as_workers_begin(
    short_run: Callable[[float], _Measured], seconds: float, config: Config
) -> _Measured:
    """Do a short run where nothing was done before: what this process has held is not the run's.

    Raises:
        BackendUnavailable: the process in which it was done came to its end.
    """
    if config.backend.name != "local":  # its workers are processes of their own
        return short_run(seconds)
    with ProcessBackend(usable_cpus()) as apart:
        [found] = apart.map(short_run, [seconds])
    if isinstance(found, Lost):
        raise BackendUnavailable("local", f"cannot be measured: {found.reason}")
    return found


def _tasks(config: Config, recipe: Recipe, tiles: int, seconds: float) -> tuple[int, int, int]:
    """Tiles a task of the measurement, of which each worker is to end several, and of the run;
    and how many of these a process works on at the same time."""
    here, works = works_here(config), as_written(config.source, recipe)
    own = opened_here(works, here)
    with opened(config, None) as pool, model_here(own, pool, here):
        of = partial(task_tiles, config, works, own, pool, tiles)
        each, some = of(TASK_SECONDS), of(seconds / _TASKS)
        short = config.source.task or min(some, ceil(tiles / (pool.slots * _TASKS)))
        return max(1, short), each, pool.slots if here else 1


def _pixel_bytes(source: RasterSource | ImageSource, recipe: Recipe, tiles: int) -> int:
    """The bytes of the labels of pixels of a task of so many tiles, by the first of them."""
    if (rasters := _mapped(source, recipe)) is None:
        return 0
    for task in rasters.divided(tiles).tasks():
        row0, row1, col0, col1 = task.written()
        scheme = classes_of(recipe.classes, recipe.scheme)
        return (row1 - row0) * (col1 - col0) * np.dtype(scheme.dtype).itemsize
    return 0


def bytes_of(source: RasterSource | ImageSource, tiles: int) -> int:
    """How many bytes the files of a plan have: of scenes, the share whose tiles are part of it; of
    images, as many times their mean as there are, by the first thousand.

    Args:
        source: of the plan.
        tiles: how many it has.
    """
    if isinstance(source, ImageSource):
        first = [size_of(path) for path in islice(source.paths(), _SAMPLED)]
        return round(fmean(first) * tiles) if first else 0
    scenes = list(source.scenes())
    grids = sum(scene.grid.tiles for scene in scenes)
    held = sum(size_of(path) for scene in scenes for path in scene.files)
    return round(held * tiles / grids) if grids else 0


def size_of(path: str) -> int:
    """The bytes of a file; 0 where nobody tells them."""
    try:
        if is_remote(path):
            system, inside = file_system(path)
            return int(system.info(inside).get("size") or 0)
        return os.stat(file_of(path)).st_size  # noqa: PTH116  (of thousands)
    except (OSError, SourceError):
        return 0


def _mapped(source: RasterSource | ImageSource, recipe: Recipe) -> RasterSource | None:
    """The scenes whose pixels are mapped; maps of tiles are small, and images have none."""
    if isinstance(source, RasterSource) and recipe.output == "pixel":
        return source
    return None


def _afterwards(source: RasterSource | ImageSource, maps: MapSpeed | None) -> float:
    """Seconds that maps and pictures take."""
    if isinstance(source, ImageSource):
        return 0.0
    if maps is None:
        return _PICTURE_SECONDS
    sizes = ((scene.grid.height, scene.grid.width) for scene in source.scenes())
    return _PICTURE_SECONDS + maps.seconds(sizes)
