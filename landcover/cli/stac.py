"""``landcover stac``: a run as a STAC collection."""

from __future__ import annotations

import json

import click

from landcover.cli.dates import date_option
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

    outputs.json is an item of the maps (with their grids, and the classes with codes, names and
    colours), pictures and tables. model.json is an item of the model that made them, with what goes
    in and out of it. Files are referred to by relative paths: keep the folders together.
    """
    files = open_run(run, date).stac(output, taken)
    say(json.dumps(files, indent=2) if as_json else "\n".join(files))
