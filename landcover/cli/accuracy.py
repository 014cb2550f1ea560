"""``landcover accuracy``: how often the labels of a run are right."""

from __future__ import annotations

import io
import json
from typing import Any

import click
import pandas as pd

from landcover.analysis.reference import Comparison
from landcover.analysis.stratified import Estimates
from landcover.cli.dates import date_option
from landcover.cli.files import plain, write_file
from landcover.cli.progress import progress_of
from landcover.cli.references import field_option, ignore_option, scheme_option
from landcover.cli.saying import say
from landcover.cli.tables import new_table, show
from landcover.report.figures import confusion_figure
from landcover.run import open_run


@click.command()
@click.argument("run")
@date_option
@click.option(
    "--reference",
    metavar="FILE",
    help="What is held to be true: a raster of class codes, or a vector file of points, in any CRS; "
    "or the word 'folders': images lie in folders called after what they show.  [default: folders]",
)
@scheme_option
@field_option
@ignore_option
@click.option(
    "--sample",
    metavar="FILE",
    help="A sample that 'landcover sample' drew, labelled: estimates for the whole map.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of tables.")
@click.option("--figure", metavar="FILE.png", help="Draw the confusion matrix.")
def accuracy(
    run: str,
    date: str,
    reference: str | None,
    scheme: str | None,
    field: str | None,
    ignore: tuple[int, ...],
    sample: str | None,
    as_json: bool,
    figure: str | None,
) -> None:
    """Say how often the labels of RUN, a run directory, are right.

    Against --reference: confusion matrix, overall, producer's and user's accuracy, F1, intersection
    over union and kappa, in the classes of the run and in groups of them (the six and the three
    classes of NLCD that the 2017 guide uses). A pixel is held against the pixel of the reference in
    which its centre lies, a tile against the class that is commonest in it. An NLCD raster under a
    network of six classes is --reference nlcd.tif --scheme nlcd.

    With --sample: what holds for the whole map, not for some places of it. Accuracy and hectares of
    each class, adjusted for the errors of the map, with standard errors and 95 % confidence
    intervals (Olofsson et al. 2014; Stehman 2014). The sample is one that 'landcover sample' drew,
    with a class written into its column 'reference' for every point.
    """
    opened = open_run(run, date)
    if sample is not None:
        clash = {"--reference": reference, "--ignore": ignore or None, "--figure": figure}
        given = [name for name, value in clash.items() if value is not None]
        if given:
            raise click.UsageError(f"{given[0]} has no meaning beside --sample.")
        found = opened.estimates(sample, scheme, field)
        if as_json:
            say(json.dumps(_estimates(found), indent=2))
        else:
            _show_estimates(found)
        return
    with progress_of("comparing", "blocks of the map") as progress:
        compared = opened.accuracy(reference or "folders", scheme, field, ignore, progress)
    if figure:
        _draw(compared, figure)
    if as_json:
        say(json.dumps(compared.to_json(), indent=2))
    else:
        say(compared.text)
        if figure:
            say(figure)


def _draw(compared: Comparison, path: str) -> None:
    first = next(iter(compared.levels.values()))
    drawn = io.BytesIO()
    confusion_figure(first.matrix, first.names, drawn)
    write_file(path, drawn.getvalue())


_TABLES = ("overall", "users", "producers", "areas")


def _estimates(found: Estimates) -> dict[str, Any]:
    tables = {name: getattr(found, name) for name in _TABLES}
    rows = {
        name: {str(key): plain(row) for key, row in table.to_dict("index").items()}
        for name, table in tables.items()
    }
    pairs = found.matrix.reset_index().to_dict("records")
    told = {"points": found.points, "finite_population_correction": found.finite}
    return {**told, **rows, "matrix": [plain(row) for row in pairs]}


def _show_estimates(found: Estimates) -> None:
    overall = found.overall.iloc[0]
    say(f"overall accuracy {_share(overall)}, from {found.points:,} points")
    shown = new_table(("class",), ("user's", "producer's", "hectares", ""))
    for place, name in enumerate(found.areas.index):
        area = found.areas.iloc[place]
        half = (area["high"] - area["low"]) / 2
        shown.add_row(
            str(name),
            _share(found.users.iloc[place]),
            _share(found.producers.iloc[place]),
            f"{area['estimate']:,.1f}",
            f"± {half:,.1f}",
        )
    show(shown)
    say("± is half of a 95 % confidence interval")
    if any((table["se"] == 0).any() for table in (found.overall, found.users, found.producers)):
        say("± 0.0% says that no point was wrong there, not that nothing is: draw more to know")


def _share(row: pd.Series[Any]) -> str:
    if pd.isna(row["estimate"]):
        return "-"
    return f"{row['estimate']:.1%} ± {(row['high'] - row['low']) / 2:.1%}"
