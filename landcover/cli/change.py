"""``landcover change``: what changed between runs of different dates."""

from __future__ import annotations

import json

import click

from landcover.analysis.change.compare import Wanted
from landcover.analysis.change.decision import Rule
from landcover.changes import Change
from landcover.changes import change as compare
from landcover.cli.backends import backend_of, backend_options
from landcover.cli.dates import each_date_option
from landcover.cli.progress import progress_of
from landcover.cli.saying import say
from landcover.cli.tables import new_table, show


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="BEFORE AFTER [MORE ...]")
@each_date_option
@click.option("-o", "--output", required=True, metavar="DIR", help="The directory to be made.")
@click.option(
    "--from",
    "sources",
    multiple=True,
    metavar="CLASS",
    help="Candidates are changes from this class. May be repeated.  [default: from any]",
)
@click.option(
    "--to",
    "targets",
    multiple=True,
    metavar="CLASS",
    help="Candidates are changes to this class. May be repeated.  [default: to any]",
)
@click.option(
    "--threshold",
    default=Rule.threshold,
    show_default=True,
    help="How probable a change has to be to count: more finds fewer, and errs less.",
)
@click.option(
    "--changing",
    default=Rule.changing,
    show_default=True,
    metavar="SHARE",
    help="Which share of the ground is thought to have changed.",
)
@click.option(
    "--accuracy",
    default=Rule.accuracy,
    show_default=True,
    metavar="SHARE",
    help="How often labels are right of which nothing else is known: maps of pixels, smoothed maps.",
)
@click.option(
    "--confusion",
    "confusions",
    multiple=True,
    metavar="FILE.json",
    help="What 'landcover accuracy RUN --json' printed: how often each label is right takes the "
    "place of the network's own probabilities. Once for all runs, or once for each.",
)
@click.option(
    "--chips",
    default=Wanted.chips,
    show_default=True,
    metavar="N",
    help="How many candidates get pictures of the imagery, those with most changed ground first.",
)
@backend_options
@click.option("--json", "as_json", is_flag=True, help="Print change.json in place of tables.")
def change(
    runs: tuple[str, ...],
    dates: tuple[str, ...],
    output: str,
    sources: tuple[str, ...],
    targets: tuple[str, ...],
    threshold: float,
    changing: float,
    accuracy: float,
    confusions: tuple[str, ...],
    chips: int,
    backend: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Say what changed between BEFORE and AFTER, and MORE later dates: run directories.

    A single run over scenes of several dates (source.date) is compared date by date.

    Two maps of one place differ mostly because one of them is wrong. A change counts here where it
    is likelier than errors of the labels: given the probabilities that the network gave to tiles
    (else how often its labels are right), and whether the places around changed too. With three
    dates or more a change also has to hold at all later dates; what comes back (A-B-A) is reported
    apart, as flicker.

    All runs are seen on the grid of BEFORE; they may have other grids, resolutions, scenes and CRSs.
    Their classes must be the same.

    DIR gets change.tif (a class for each transition, with names and colours in QGIS), change.png,
    transitions.csv, candidates.gpkg and candidates.parquet (a polygon for each place that changed,
    with its probability, hectares and coordinates), chips/ (what candidates look like at the first
    date and at the last) and change.json, which says everything. 'landcover areas DIR --by
    zones.gpkg' sums up what changed by zone; 'landcover sample DIR' draws points of each
    transition, with which 'landcover accuracy DIR --sample' says how much really changed, with
    confidence intervals.
    """
    made = compare(
        *runs,
        output=output,
        dates=dates,
        before_classes=sources,
        after_classes=targets,
        threshold=threshold,
        changing=changing,
        accuracy=accuracy,
        confusions=confusions,
        chips=chips,
        backend=backend_of(backend, workers),
        watch=progress_of,
    )
    if as_json:
        say(json.dumps(made.summary, indent=2))
    else:
        _show(made)


def _show(made: Change) -> None:
    said = made.summary
    common = said["overlap"]
    shares = ", ".join(
        f"{share:.1%} of {run['name']}"
        for share, run in zip(common["shares"], said["runs"], strict=True)
    )
    say(f"{common['hectares']:,.1f} hectares in common: {shares}")
    shown = new_table(("from", "to"), ("hectares that differ", "hectares that changed"))
    moves = [row for row in said["transitions"] if row["from"] != row["to"]]
    for row in sorted(moves, key=lambda row: -row["decided_hectares"]):
        amounts = (f"{row[key]:,.2f}" for key in ("hectares", "decided_hectares"))
        shown.add_row(row["from"], row["to"], *amounts)
    sums = (sum(row[key] for row in moves) for key in ("hectares", "decided_hectares"))
    shown.add_row("all", "", *(f"{one:,.2f}" for one in sums))
    show(shown)
    if said["flicker"]:
        say(f"{said['flicker']['hectares']:,.2f} hectares came back to the class they had")
    say(f"{said['candidates']:,} candidates, {said['chips']:,} pictures")
    for name in said["files"]:
        say(f"{made.path}/{name}")
