"""``landcover report``: one file about runs that opens offline in any browser."""

from __future__ import annotations

import json
from pathlib import Path

import click

from landcover.cli.dates import each_date_option
from landcover.cli.progress import progress_of
from landcover.cli.references import field_option, ignore_option, scheme_option
from landcover.cli.saying import say
from landcover.report.page.write import write_report


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN [RUN ...]")
@each_date_option
@click.option(
    "-o",
    "--output",
    default="report.html",
    show_default=True,
    metavar="FILE.html",
    help="The file to be written; an older one is replaced.",
)
@click.option(
    "--change",
    metavar="DIR",
    help="What 'landcover change' has written: transitions, and candidates before and after.",
)
@click.option(
    "--reference",
    multiple=True,
    metavar="FILE",
    help="What is held to be true, for a confusion matrix: a raster of class codes, points, or the "
    "word 'folders'. Once for all runs, or once for each, in their order.",
)
@click.option(
    "--sample",
    multiple=True,
    metavar="FILE",
    help="A labelled sample that 'landcover sample' drew, for areas and accuracies with intervals. "
    "Once for all runs, or once for each.",
)
@scheme_option
@field_option
@ignore_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the file and its size.")
def report(
    runs: tuple[str, ...],
    dates: tuple[str, ...],
    output: str,
    change: str | None,
    reference: tuple[str, ...],
    sample: tuple[str, ...],
    scheme: str | None,
    field: str | None,
    ignore: tuple[int, ...],
    as_json: bool,
) -> None:
    """Write one HTML file about one or several RUNs, run directories that are done.

    It opens in any browser without a network, and can be sent by mail: the maps of all runs side by
    side, moved and zoomed together, with label and score under the pointer; hectares of each class;
    accuracy where a reference or a sample is given; what could not be scored and why; how each run
    was made. With --change also what changed, and where to go and look. Runs of one place at different dates lie above one another, whatever their grids.

    Large maps are shown by their overviews, so that the file stays below 20 MB. Areas and accuracies
    count every pixel.
    """
    path = write_report(
        runs,
        output,
        dates=dates,
        change=change,
        reference=reference or None,
        sample=sample or None,
        scheme=scheme,
        field=field,
        ignored=ignore,
        phase=progress_of,
    )
    _tell(path, as_json)


def _tell(path: Path, as_json: bool) -> None:
    size = path.stat().st_size
    if as_json:
        say(json.dumps({"report": str(path), "bytes": size}))
    else:
        say(f"{path} ({size / 1e6:.1f} MB)")
