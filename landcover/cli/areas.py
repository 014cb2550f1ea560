"""``landcover areas``: hectares and shares of each class of a run."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import click
import pandas as pd

from landcover.analysis.areas import areas_of
from landcover.analysis.dated import dated_runs
from landcover.analysis.map_blocks import Progress
from landcover.cli.backends import backend_of, backend_options
from landcover.cli.dates import each_date_option
from landcover.cli.files import plain, write_file
from landcover.cli.progress import progress_of
from landcover.cli.saying import say
from landcover.cli.tables import new_table, show
from landcover.report.area_bars import areas_figure
from landcover.runs.directory import RunDirectory


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN [RUN ...]")
@each_date_option
@click.option("--by", metavar="FILE", help="Zones: a vector file of polygons, in any CRS.")
@click.option(
    "--field",
    metavar="NAME",
    help="The column of --by that names a zone.  [default: 'name', else zones are numbered]",
)
@backend_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
@click.option("-o", "--output", metavar="FILE.csv", help="Write the table as CSV too.")
@click.option("--figure", metavar="FILE.png", help="Draw the areas as bars.")
def areas(
    runs: tuple[str, ...],
    dates: tuple[str, ...],
    by: str | None,
    field: str | None,
    backend: str,
    workers: int | None,
    as_json: bool,
    output: str | None,
    figure: str | None,
) -> None:
    """Say how many hectares of the ground are of each class in RUN, a run directory.

    Several runs, and a run over scenes of several dates, are told apart in one table.

    Areas are true areas on the ground. In a projected CRS (UTM, state plane, Albers) a pixel is as
    large as its sides say; in degrees, Web Mercator and other CRSs that stretch areas by more than
    0.5 % its corners are taken to an equal-area projection first. Ground that several scenes show
    counts once, as the map shows it. Where the network labels tiles, a tile counts as a whole.

    With --by, the same for each zone (counties, parcels, watersheds): a pixel belongs to a zone if
    its centre lies inside.

    These are areas of the map, with its errors in them. What the ground really has, with confidence
    intervals, takes a sample: landcover sample, then landcover accuracy --sample.
    """
    shown = dated_runs([RunDirectory.open(run) for run in runs], dates)
    with backend_of(backend, workers) as pool:
        table = areas_of(shown, by, field, _watch, pool)
    if output:
        write_file(output, table.to_csv().encode())
    if figure:
        drawn = io.BytesIO()
        areas_figure(table, shown[0].run.scheme, drawn)
        write_file(figure, drawn.getvalue())
    if as_json:
        say(json.dumps(_told(table), indent=2))
        return
    _show(table)
    _warn([RunDirectory.open(run) for run in runs], table)
    for path in filter(None, (output, figure)):
        say(path)


def _told(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The table as plain JSON values: a row a class, or a row a zone and class."""
    return [plain(row) for row in table.reset_index().to_dict("records")]


def _show(table: pd.DataFrame) -> None:
    shown = new_table(tuple(map(str, table.index.names)), ("hectares", "share"))
    for key, row in table[table["pixels"] > 0].iterrows():
        names = key if isinstance(key, tuple) else (key,)
        shown.add_row(*map(str, names), f"{row['hectares']:,.2f}", f"{row['share']:.2%}")
    if table.index.nlevels == 1:
        shown.add_row("all", f"{table['hectares'].sum():,.2f}", "")
    show(shown)


def _watch(name: str) -> AbstractContextManager[Progress]:
    return progress_of(f"measuring {name}", "rows of blocks")


def _warn(runs: Sequence[RunDirectory], table: pd.DataFrame) -> None:
    """Say what is in no class."""
    quarantined = sum((run.manifest().get("tiles") or {}).get("quarantined", 0) for run in runs)
    if quarantined:
        say(f"{quarantined:,} tiles are in quarantine: their ground is in no class", err=True)
    if "zone" in table.index.names:
        mapped = table["pixels"].groupby(level="zone", sort=False).sum()
        empty = [str(name) for name in mapped.index[mapped == 0]]
        if empty:
            listed = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
            say(f"of {len(empty)} zones nothing is mapped: {listed}", err=True)
