"""The option ``--date`` of commands that look at a finished run."""

from __future__ import annotations

import click

date_option = click.option(
    "--date",
    default="",
    metavar="DATE",
    help="Which map is meant, of a run over scenes of several dates, such as 2016-09-15.",
)
