"""``landcover plan``: what a run would do, without doing it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import click

from landcover.config import Config, load_config, parse_override
from landcover.contracts import Task
from landcover.models.model import open_model
from landcover.models.recipe import Recipe, make_recipe
from landcover.scoring.plan import make_source, model_settings, task_size
from landcover.scoring.tuning import measure

_SHOWN = 5


@click.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Set one key.")
def plan(config: str, overrides: tuple[str, ...]) -> None:
    """Say what CONFIG would do: model, tiles, tasks, where they lie. Nothing is written."""
    settings = load_config(config, dict(parse_override(text) for text in overrides))
    recipe = make_recipe(model_settings(settings))
    source = make_source(settings.source, recipe)
    count = source.count()
    speed = measure(open_model(recipe), 0).tiles_per_second
    source = source.divided(settings.source.task or task_size(recipe, count, speed, 1))
    tasks = -(-count // source.task_tiles)
    rows, cols = recipe.input_size
    click.echo(f"model    {recipe.format}, {recipe.runtime} in {recipe.precision}")
    bands = ", ".join(map(str, recipe.bands))
    click.echo(f"reads    {rows} x {cols} pixels {_resolution(settings, recipe)}, bands {bands}")
    click.echo(f"labels   {recipe.output}s: {', '.join(recipe.classes)}{_unnamed(recipe)}")
    click.echo(f"plan     {count:,} tiles in about {tasks:,} tasks for one worker")
    click.echo(f"speed    the network labels {speed:,.1f} tiles/s here: {count / speed:,.0f} s")
    tasks_of: Iterable[Task] = source.tasks()
    for task in islice(tasks_of, _SHOWN):
        first = next(iter(task.planned()))
        click.echo(f"  task {task.index}: {task.tiles} tiles from {first.tile}")
    if tasks > _SHOWN:
        click.echo("  ...")


def _resolution(settings: Config, recipe: Recipe) -> str:
    metres = settings.source.resolution or recipe.resolution
    if settings.source.images:
        return "as they are"
    if metres is None:
        return "at each scene's own resolution (the model names none: set resolution)"
    return f"of {metres:g} m"


def _unnamed(recipe: Recipe) -> str:
    numbers = tuple(map(str, range(len(recipe.classes))))
    return " (numbers, for they have no names: set classes)" if recipe.classes == numbers else ""
