"""Options of commands that hold a run against what is true."""

from __future__ import annotations

import click

from landcover.classes import scheme_names

scheme_option = click.option(
    "--scheme",
    type=click.Choice(scheme_names()),
    help="The classes of references and samples.  [default: those of the run]",
)
field_option = click.option(
    "--field", metavar="NAME", help="Of points: the column that has their classes."
)
ignore_option = click.option(
    "--ignore",
    multiple=True,
    type=int,
    metavar="CODE",
    help="A code of a reference raster that counts as no reference. May be repeated.",
)
