"""``landcover smooth``: a run whose map is that of another one, smoothed."""

from __future__ import annotations

import json

import click

from landcover.cli.backends import backend_of, backend_options
from landcover.cli.dates import date_option
from landcover.cli.numbers import Finite
from landcover.cli.progress import progress_of
from landcover.cli.saying import say, say_lines
from landcover.run import open_run


@click.command()
@click.argument("run")
@date_option
@click.option("-o", "--output", required=True, metavar="DIR", help="The run directory to be made.")
@click.option(
    "--rule",
    type=click.Choice(["plurality", "probability", "area"]),
    default="plurality",
    show_default=True,
    help="What decides: the commonest class, the mean of probabilities, or the size of an area.",
)
@click.option("--window", default=3, show_default=True, help="Pixels along the side of the square.")
@click.option(
    "--centre",
    type=int,
    help="How many times the middle of the square counts.  [default: 2, with probabilities 1]",
)
@click.option(
    "--minimum-area",
    type=Finite(min=0, min_open=True),
    metavar="M2",
    help="For --rule area: no area shall be smaller than so many square metres.",
)
@backend_options
@click.option("--json", "as_json", is_flag=True, help="Print what run.json says of the new run.")
def smooth(
    run: str,
    date: str,
    output: str,
    rule: str,
    window: int,
    centre: int | None,
    minimum_area: float | None,
    backend: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Take single errors out of the map of RUN, a run directory.

    Single pixels (or tiles) among others of one class are mostly errors.

    \b
    plurality    The pixels of a square vote, the middle one --centre times; where several classes
                 have most votes a pixel keeps its own if it is among them.
    probability  Tiles take the class that is most probable in the mean of the square around them.
                 Takes a run that was scored with output.probabilities.
    area         Connected areas smaller than --minimum-area take the class that they share most of
                 their border with, the smallest first, until none is smaller.

    What has no class neither counts nor gets one. Scenes that lie side by side know each other.

    DIR is a run directory like any other: every other command takes it. Its run.json says from which
    run it came, and how.
    """
    if rule == "area" and minimum_area is None:
        raise click.UsageError("--rule area needs --minimum-area.")
    if rule != "area" and minimum_area is not None:
        raise click.UsageError("--minimum-area has no meaning without --rule area.")
    opened = open_run(run, date)
    with progress_of("smoothing", "steps") as progress:
        made = opened.smooth(
            output,
            window,
            centre,
            backend_of(backend, workers),
            rule=rule,
            minimum_area=minimum_area,
            progress=progress,
        )
    if as_json:
        say(json.dumps(made.summary, indent=2))
        return
    if made.summary.get("note"):
        say_lines(made.summary["note"])
    for name in made.summary["files"]:
        say(f"{made.path}/{name}")
