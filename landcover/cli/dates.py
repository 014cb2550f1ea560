"""The option ``--date`` of commands that look at finished runs."""

from __future__ import annotations

import click

each_date_option = click.option(
    "--date",
    "dates",
    multiple=True,
    metavar="DATE",
    help="Once for each run, in their order, such as 2016-09-15: which map is meant of a run over "
    "scenes of several dates, and when the imagery was taken of a run that does not say so.  "
    "[default: as the runs say; one over several dates stands for each of them]",
)
date_option = click.option(
    "--date",
    default="",
    metavar="DATE",
    help="Which map is meant, of a run over scenes of several dates, such as 2016-09-15.",
)
