"""``landcover vectorize``: the map of a run as polygons."""

from __future__ import annotations

import json

import click

from landcover.cli.backends import backend_of, backend_options
from landcover.cli.dates import date_option
from landcover.cli.files import plain
from landcover.cli.progress import progress_of
from landcover.cli.saying import say
from landcover.cli.tables import new_table, show
from landcover.run import open_run


@click.command()
@click.argument("run")
@date_option
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="Where the polygons go: .gpkg (GeoPackage), .parquet (GeoParquet) or .fgb (FlatGeobuf).",
)
@click.option(
    "--minimum",
    default=0.0,
    metavar="M2",
    help="Leave out areas smaller than so many square metres.  [default: none is left out]",
)
@backend_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
def vectorize(
    run: str,
    date: str,
    output: str,
    minimum: float,
    backend: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Write the map of RUN, a run directory, as polygons: one for each connected area of a class.

    Pixels (or tiles) that share a side belong together; those that touch at a corner only do not.
    Outlines follow the sides of pixels, across tasks, tiles and scenes that lie side by side, with
    holes: rasterized again, the polygons are the map, and their hectares are those that landcover
    areas tells. A map of any size is read in strips.

    The columns are class, code, pixels, hectares and geometry. QGIS shows the polygons in the
    colours of the classes: by a style in the GeoPackage, or by FILE.qml beside the other kinds.

    With --minimum, what is left out leaves gaps. To have such areas join their neighbours, give
    landcover smooth --rule area first.
    """
    opened = open_run(run, date)
    with progress_of("outlining", "rows of the map") as progress:
        pool = backend_of(backend, workers)
        table = opened.vectorize(output, minimum, progress, pool)
    if as_json:
        say(json.dumps([plain(row) for row in table.reset_index().to_dict("records")], indent=2))
        return
    shown = new_table(("class",), ("polygons", "hectares"))
    for name, row in table[table["polygons"] > 0].iterrows():
        shown.add_row(str(name), f"{int(row['polygons']):,}", f"{row['hectares']:,.2f}")
    shown.add_row("all", f"{table['polygons'].sum():,}", f"{table['hectares'].sum():,.2f}")
    show(shown)
    say(output)
