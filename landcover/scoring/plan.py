"""From a configuration to a source of tasks."""

from __future__ import annotations

from landcover.config import Config, ModelSettings, SourceSettings
from landcover.errors import ConfigError, OutputError
from landcover.models.recipe import Recipe
from landcover.runs.directory import RunDirectory
from landcover.tiles.grid import Tiling, spacing
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource

# A task should be worth its overhead (some ten milliseconds), there should be enough of them to
# keep every worker busy to the end, and a run should not end in millions of small parts.
_LEAST, _MOST, _TASKS = 64, 4096, 1024


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


def make_source(
    settings: SourceSettings, recipe: Recipe, task_tiles: int | None = None
) -> RasterSource | ImageSource:
    """Find the imagery, and cut it into tasks.

    Args:
        settings: which imagery, and how tiles cover it; what it leaves open is the model's.
        recipe: the model's.
        task_tiles: tiles a task, of a run that is gone on with; None: as the settings say, or by
            the size of the plan.

    Raises:
        SourceError: the imagery cannot be scored as asked.
        ConfigError: the model's window does not fit the source.
    """
    source = _images(settings, recipe) if settings.images else _rasters(settings, recipe)
    size = task_tiles or settings.task or _task_tiles(source.count())
    return source.divided(size)


def _task_tiles(count: int) -> int:
    return min(_MOST, max(_LEAST, count // _TASKS))


def cropped(settings: SourceSettings, recipe: Recipe) -> int:
    """Pixels on each side of what the network labels that are not written.

    They are what ``source.halo`` or ``source.stride`` asks for beyond the model's own halo.
    """
    if settings.images or recipe.output == "tile":
        return 0
    return _tiling(settings, recipe).halo - recipe.halo


def _rasters(settings: SourceSettings, recipe: Recipe) -> RasterSource:
    tile, halo, stride = _tiling(settings, recipe)
    return RasterSource(
        settings.rasters,
        tile=tile,
        stride=stride,
        halo=halo,
        resolution=settings.resolution or recipe.resolution,
        bands=recipe.bands,
        mask=recipe.output == "pixel",
    )


def _tiling(settings: SourceSettings, recipe: Recipe) -> Tiling:
    """Tile, halo and stride: the settings', else what follows from the model."""
    pixel, halo = recipe.output == "pixel", settings.halo
    if pixel and halo is None and settings.stride is None:
        halo = recipe.halo
    tiling = spacing(_edge(recipe), stride=settings.stride, halo=halo, exact=pixel)
    if tiling.halo < recipe.halo:
        reason = f"a halo of {tiling.halo} is less than the {recipe.halo} pixels that the model"
        raise ConfigError([f"{reason} reads around what it labels"], "source")
    return tiling


def _images(settings: SourceSettings, recipe: Recipe) -> ImageSource:
    return ImageSource(
        settings.images, tile=_edge(recipe), bands=recipe.bands, labels=settings.labels
    )


def _edge(recipe: Recipe) -> int:
    rows, cols = recipe.input_size
    if rows != cols:
        raise ConfigError([f"the model reads {rows} x {cols} pixels: tiles are square"], "source")
    return rows
