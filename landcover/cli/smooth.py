"""``landcover smooth``: a run whose map is that of another one, smoothed."""

from __future__ import annotations

import click

from landcover.cli.dates import date_option
from landcover.plugins import load_backend
from landcover.run import open_run


@click.command()
@click.argument("run")
@date_option
@click.option("-o", "--output", required=True, metavar="DIR", help="The run directory to be made.")
@click.option("--window", default=3, show_default=True, help="Pixels along the side of the square.")
@click.option("--centre", default=2, show_default=True, help="How many votes its middle has.")
@click.option("--backend", default="local", show_default=True, help="local, dask, spark.")
@click.option("--workers", type=click.IntRange(min=1), help="How many work at the same time.")
def smooth(
    run: str, date: str, output: str, window: int, centre: int, backend: str, workers: int | None
) -> None:
    """Give every pixel (or tile) of RUN, a run directory, the class that is commonest around it.

    Single tiles among others of one class are mostly errors. The pixels of a square vote, the middle
    one --centre times; where several classes have most votes a pixel keeps its own if it is among
    them. What has no class neither votes nor gets one. Scenes that lie side by side know each other.

    DIR is a run directory like any other: areas, accuracy and sample take it. Its run.json says from
    which run it came.
    """
    opened = open_run(run, date)
    options = {} if workers is None else {"workers": workers}
    made = opened.smooth(output, window, centre, load_backend(backend, **options))
    for name in made.summary["files"]:
        click.echo(f"{made.path}/{name}")
