"""``landcover stac``: a run as a STAC collection."""

from __future__ import annotations

import json

import click

from landcover.cli.dates import date_option
from landcover.cli.progress import progress_of
from landcover.cli.saying import say
from landcover.run import open_run


@click.command()
@click.argument("run")
@date_option
@click.option("-o", "--output", metavar="DIR", help="The folder to write to.  [default: RUN/stac]")
@click.option(
    "--taken",
    metavar="DATE",
    help="When the imagery was taken, such as 2016-09-15.  [default: the map's date, or the run's time]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the files as JSON.")
def stac(run: str, date: str, output: str | None, taken: str | None, as_json: bool) -> None:
    """Describe RUN, a run directory, as a STAC collection, for catalogues and STAC browsers.

    outputs.json is an item of the maps (with their grids, and the classes with codes, names,
    colours, pixels and percentages), pictures and tables. model.json is an item of the model that made them, with what goes
    in and out of it. Files are referred to by relative paths: keep the folders together.
    """
    opened = open_run(run, date)
    with progress_of("counting pixels", "rows of the maps") as progress:
        files = opened.stac(output, taken, progress)
    say(json.dumps(files, indent=2) if as_json else "\n".join(files))
