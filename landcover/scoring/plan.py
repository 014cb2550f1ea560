"""From a configuration to a source of tasks."""

from __future__ import annotations

import logging
from dataclasses import replace
from math import sqrt
from typing import Any

from landcover.classes import classes_of
from landcover.config import Config, ModelSettings, RegionSettings, SourceSettings
from landcover.errors import ConfigError, OutputError
from landcover.models.recipe import Recipe
from landcover.plain_parquet import MOST_ROWS, MOST_VALUES
from landcover.runs.directory import RunDirectory
from landcover.runs.maps.maker import Overlap
from landcover.tiles.grid import Size, Tiling, spacing
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource
from landcover.tiles.regions import Region, read_region, written_region

_log = logging.getLogger(__name__)

# What a task takes at most and at least, in seconds: little is lost with a worker, and starting one
# and writing its part are worth it.
TASK_SECONDS, _LEAST_SECONDS = 8.0, 0.5
# What a task costs beyond its tiles, in seconds: some 20 ms of its worker. The rest stands for the
# driver, which has 1 to 3 ms for each task and must not be what a thousand workers wait for.
_TASK_COST = 0.08
_MOST_TILES = 8192
# A worker holds the labels of all pixels of a task in memory, one or two bytes each.
_MOST_PIXELS = 2**26
# What a worker with a GPU is taken to label where the driver cannot find out, since the GPUs are
# the workers' own. A wrong guess makes tasks longer or shorter, nothing else.
GPU_TILES_PER_SECOND = 500.0
# In the run directory: the ground that was asked for.
_REGION = "region.parquet"


def model_settings(config: Config) -> ModelSettings:
    """The model's settings, with what the section ``source`` says of its input."""
    said = {"bands": config.source.bands, "input_size": config.source.tile}
    return config.model.model_copy(update={k: v for k, v in said.items() if v is not None})


def recorded_task_size(output: str) -> int | None:
    """Tiles a task in the run that is gone on with; None where there is none."""
    try:
        return int(RunDirectory.open(output).manifest()["plan"]["task_tiles"])
    except (OutputError, KeyError, TypeError, ValueError):
        return None


def make_source(settings: SourceSettings, recipe: Recipe) -> RasterSource | ImageSource:
    """Find the imagery; what the settings leave open is the model's.

    Raises:
        SourceError: the imagery cannot be scored as asked.
        ConfigError: the model's window does not fit the source.
    """
    return _images(settings, recipe) if settings.images else _rasters(settings, recipe)


def task_size(
    recipe: Recipe,
    count: int,
    tiles_per_second: float,
    slots: int,
    seconds: float = TASK_SECONDS,
    *,
    probabilities: bool = False,
) -> int:
    """How many tiles a task should have.

    When a run ends, workers have waited for the last of them for half a task on average. Of tasks of
    t seconds in a run of R seconds they lose t / 2 by that and R / t times what a task costs by their
    number, which is least in all where t is the root of twice that cost times R.

    Args:
        recipe: the model's.
        count: tiles of the whole run.
        tiles_per_second: what one worker labels.
        slots: tasks that are worked on at the same time.
        seconds: that a task takes where there are enough tiles.
        probabilities: whether tables hold those of all classes.
    """
    run_seconds = count / (tiles_per_second * slots)
    best = max(sqrt(2 * _TASK_COST * run_seconds), _LEAST_SECONDS)
    wanted = min(best, seconds) * tiles_per_second
    most = min(_MOST_TILES, _most_tiles(recipe, probabilities))
    if recipe.output == "pixel":
        core = Size(*recipe.input_size).less(recipe.halo)
        most = min(most, _MOST_PIXELS // (core.rows * core.cols))
    return max(1, min(most, round(wanted)))


def check_task_size(size: int, recipe: Recipe, probabilities: bool) -> int:
    """A number of tiles that somebody wants a task to have, where a part can hold them.

    Raises:
        ConfigError: its table would be larger than any that is read.
    """
    most = _most_tiles(recipe, probabilities)
    if size > most:
        held = f" with {len(recipe.classes):,} probabilities each" if probabilities else ""
        reason = f"task: a part holds at most {most:,} tiles{held}, not {size:,}"
        raise ConfigError([f"{reason}: set a smaller one, or leave it out"], "source")
    return size


def _most_tiles(recipe: Recipe, probabilities: bool) -> int:
    return min(MOST_ROWS, MOST_VALUES // len(recipe.classes)) if probabilities else MOST_ROWS


def as_written(settings: SourceSettings, recipe: Recipe) -> Recipe:
    """The recipe by which a run opens its model: of what the network labels, what is written.

    Its halo is that of the grid, which ``source.halo`` or ``source.stride`` may make larger than the
    model's own. The run's fingerprint says so by the grid.
    """
    if settings.images or recipe.output == "tile":
        return recipe
    return replace(recipe, halo=_tiling(settings, recipe).halo)


def _rasters(settings: SourceSettings, recipe: Recipe) -> RasterSource:
    tile, halo, stride = _tiling(settings, recipe)
    return scenes_of(
        settings,
        tile=tile,
        stride=stride,
        halo=halo,
        resolution=settings.resolution or recipe.resolution,
        bands=recipe.bands,
        mask=recipe.output == "pixel",
        inside=settings.inside or ("touch" if recipe.output == "pixel" else "centre"),
    )


def scenes_of(settings: SourceSettings, **asked: Any) -> RasterSource:
    """The scenes of a configuration, read as it says.

    Args:
        settings: of the source.
        asked: what is not the settings' alone to say: arguments of :class:`RasterSource`.

    Raises:
        SourceError: the imagery is not there, or not what the settings say.
        ConfigError: the arguments do not fit together.
    """
    return RasterSource(
        settings.rasters,
        alpha=settings.alpha,
        lattice=settings.grid == "ground",
        date=settings.date,
        palette=settings.palette,
        region=_region(settings.region),
        formats=settings.formats,
        outside=settings.outside,
        most_tiles=settings.most_tiles,
        **asked,
    )


def _region(settings: RegionSettings | None) -> Region | None:
    return None if settings is None else read_region(settings.path, settings.layer, settings.where)


def shared_region(
    source: RasterSource | ImageSource, directory: RunDirectory
) -> RasterSource | ImageSource:
    """The source of a run whose workers find the region, if there is one, in the run's directory.

    Raises:
        OutputError: if it cannot be written there.
    """
    if isinstance(source, ImageSource) or source.region is None:
        return source
    directory.storage.put(_REGION, written_region(source.region))
    return source.with_region_at(directory.storage.where(_REGION))


def tell_hidden(source: RasterSource | ImageSource, overlap: Overlap) -> None:
    """Say that scenes lie over one another, of which the map of all shows one alone.

    Args:
        source: of the run.
        overlap: what the map shows where scenes overlap.
    """
    if isinstance(source, ImageSource):
        return
    pairs = source.hidden(nearest=overlap == "centre")
    if not pairs:
        return
    first, later = pairs[0]
    others = f" (and so do {len(pairs) - 1} more)" if pairs[1:] else ""
    _log.warning(
        "%s: shows the place that %s shows%s: each scene has its own map, but of those over one "
        "another the map of all shows the first that is listed; %s",
        *(later.name, first.name, others),
        "leave one of them out" if later.date else "source.date makes a map of each date",
    )


def _tiling(settings: SourceSettings, recipe: Recipe) -> Tiling:
    """Tile, halo and stride: the settings', else what follows from the model."""
    pixel, halo = recipe.output == "pixel", settings.halo
    if pixel and halo is None and settings.stride is None:
        halo = recipe.halo
    tile = Size(*recipe.input_size)
    tiling = spacing(tile, stride=settings.stride, halo=halo, exact=pixel)
    if tiling.halo < recipe.halo:
        reason = f"a halo of {tiling.halo} is less than the {recipe.halo} pixels that the model"
        raise ConfigError([f"{reason} reads around what it labels"], "source")
    return tiling


def _images(settings: SourceSettings, recipe: Recipe) -> ImageSource:
    return ImageSource(
        settings.images,
        tile=Size(*recipe.input_size),
        bands=recipe.bands,
        labels=settings.labels,
        known=classes_of(recipe.classes, recipe.scheme),
        alpha=settings.alpha,
        palette=settings.palette,
        resize=settings.resize,
        formats=settings.formats,
    )
