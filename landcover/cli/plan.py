"""``landcover plan``: what a run would do and take, without doing it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

import click

from landcover.cli.figures import figure_lines
from landcover.cli.numbers import Finite
from landcover.cli.saying import say
from landcover.config import Config, load_config, parse_override
from landcover.contracts import Task
from landcover.errors import OutputError
from landcover.models.recipe import Recipe
from landcover.runs.directory import RunDirectory
from landcover.scoring.costs import remember
from landcover.scoring.forecast import Forecast, forecast
from landcover.scoring.plan import make_source, tell_hidden
from landcover.scoring.window import recipe_of
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource

_SHOWN = 5


@click.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Set one key.")
@click.option(
    "--seconds",
    default=10.0,
    show_default=True,
    type=Finite(0.1),
    help="How long scoring is measured, after its start; maps of pixels are measured after it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def plan(config: str, overrides: tuple[str, ...], seconds: float, as_json: bool) -> None:
    """Say what CONFIG would do and take: tiles, tasks, bytes, memory, time, cost, energy.

    Some seconds of the run are done, elsewhere, to measure it; nothing is written where CONFIG says.
    Once the run is done, the same command shows what it took beside what was planned.
    """
    told = dict(parse_override(text) for text in overrides)
    settings = load_config(config, told)
    recipe = recipe_of(settings, here=True)
    source = make_source(settings.source, recipe)
    found = forecast(config, told, settings, recipe, source, seconds)
    tell_hidden(source, settings.output.overlap)
    planned = found.figures.told(settings.plan)
    remember(settings, planned)
    took = _took(settings)
    if as_json:
        values = {key: value for key, value in asdict(found).items() if key != "figures"}
        say(json.dumps({**values, "planned": planned, **({"run": took} if took else {})}))
        return
    _tell(settings, recipe, source, found)
    for line in figure_lines(planned, took):
        say(line)
    if settings.plan.price is not None:
        price = f"{settings.plan.price:g} {settings.plan.currency}".strip()
        say(f"priced   {price} an hour and worker (plan.price)")
    _tell_tasks(source.divided(-(-found.tiles // found.tasks)))


def _took(settings: Config) -> Mapping[str, Any]:
    """What the run took, where it was done in one go; else nothing."""
    try:
        said = RunDirectory.open(settings.output.path).manifest()
    except OutputError:
        return {}
    whole = said.get("status") == "done" and not said.get("earlier_tiles")
    figures: Mapping[str, Any] = said.get("figures", {}) if whole else {}
    return figures


def _tell(
    settings: Config, recipe: Recipe, source: RasterSource | ImageSource, found: Forecast
) -> None:
    rows, cols = recipe.input_size
    say(f"model    {recipe.format}, {recipe.runtime} in {recipe.precision}")
    bands = ", ".join(map(str, recipe.bands))
    say(f"reads    {rows} x {cols} pixels {_resolution(settings, recipe)}, bands {bands}")
    say(f"labels   {recipe.output}s: {', '.join(recipe.classes)}{_unnamed(recipe)}")
    several = "s" if found.inputs != 1 else ""
    of = "" if isinstance(source, ImageSource) else f" of {found.inputs:,} scene{several}"
    say(f"plan     {found.tiles:,} tiles{of} in about {found.tasks:,} tasks")
    speed = f"{found.tiles_per_second:,.1f} tiles/s after {found.startup:.1f} s of start"
    say(f"speed    {speed}, measured here")


def _tell_tasks(source: RasterSource | ImageSource) -> None:
    first_tasks: Iterable[Task] = source.tasks()
    for task in islice(first_tasks, _SHOWN + 1):
        if task.index == _SHOWN:
            say("  ...")
            break
        first = next(iter(task.planned()))
        say(f"  task {task.index}: {task.tiles} tiles from {first.tile}")


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
