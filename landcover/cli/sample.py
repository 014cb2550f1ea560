"""``landcover sample``: draw points of a run's map for people to look at."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landcover.analysis.chips import chips, edge_of, usual_sizes
from landcover.analysis.sample_size import FEWEST
from landcover.analysis.sampling import EXPECTED
from landcover.cli.dates import date_option
from landcover.cli.numbers import Finite
from landcover.cli.progress import progress_of
from landcover.cli.saying import say
from landcover.cli.tables import new_table, show
from landcover.errors import OutputError
from landcover.local_files import TEMPORARY, scratch, write_checked
from landcover.run import Run, open_run
from landcover.runs.directory import RunDirectory
from landcover.runs.vector_files import publish, write_frame, written

if TYPE_CHECKING:
    import geopandas as gpd


def _pairs(
    context: click.Context, parameter: click.Parameter, given: Iterable[str]
) -> dict[str, str]:
    """CLASS=NUMBER, of which a class may hold "="."""
    found = {}
    for text in given:
        name, sign, value = text.rpartition("=")
        if not sign:
            raise click.BadParameter(f"{text!r} is not of the form CLASS=NUMBER")
        found[name] = value
    return found


@click.command()
@click.argument("run")
@date_option
@click.option("-o", "--output", required=True, metavar="FILE.gpkg", help="Where the points go.")
@click.option("--size", type=click.IntRange(min=2), help="Points of the whole sample.")
@click.option(
    "--se",
    "standard_error",
    type=Finite(min=0, min_open=True),
    metavar="SHARE",
    help="In its place: the standard error that the overall accuracy shall have, such as 0.01.",
)
@click.option(
    "--points",
    multiple=True,
    callback=_pairs,
    metavar="CLASS=NUMBER",
    help="In its place: points of one class. Repeated for every class on the map.",
)
@click.option(
    "--expected",
    multiple=True,
    callback=_pairs,
    metavar="CLASS=SHARE",
    help=f"For --se: the user's accuracy that a class is thought to have.  [default: {EXPECTED}]",
)
@click.option("--minimum", default=FEWEST, show_default=True, help="Points of each class at least.")
@click.option("--seed", default=0, show_default=True, help="The same one draws the same points.")
@click.option(
    "--chip",
    default=0.0,
    metavar="METRES",
    help="How far across the pictures are.  [default: 3 tiles, or 60 pixels]",
)
@click.option("--no-chips", is_flag=True, help="Draw points only, no pictures of the imagery.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
def sample(
    run: str,
    date: str,
    output: str,
    size: int | None,
    standard_error: float | None,
    points: dict[str, str],
    expected: dict[str, str],
    minimum: int,
    seed: int,
    chip: float,
    no_chips: bool,
    as_json: bool,
) -> None:
    """Draw a stratified random sample of the map of RUN, a run directory.

    The strata are the classes of the map; within a class every pixel (or tile) is as likely as any
    other. Every class gets at least --minimum points, and what is left of --size is shared by area.
    With --se the size follows from the standard error wanted (Olofsson et al. 2014, equation 13).

    FILE.gpkg holds a point a row, in random order, with an empty column 'reference': write the class
    that you see there, by name or code, for every point, without looking at column 'mapped'. The
    folder FILE-chips/ has a picture of each place; the square is what is to be labelled. Then:

      landcover accuracy RUN --sample FILE.gpkg
    """
    if not 0 <= chip < math.inf:
        raise click.UsageError(f"--chip is so many metres across, not {chip:g}.")
    opened = open_run(run, date)
    _check(Path(output))
    with progress_of("drawing", "blocks of the map") as progress:
        drawn = opened.sample(
            size=size,
            standard_error=standard_error,
            sizes=_numbers(points, int) or None,
            expected=_numbers(expected, float),
            fewest=minimum,
            seed=seed,
            progress=progress,
        )
    with scratch(Path(output).parent, TEMPORARY) as folder:
        pictures = None if no_chips else _draw(opened, drawn, chip, folder / "chips", output)
        whole = folder / "points.gpkg"
        write_frame(drawn, whole, output)
        with written(output), _all_or_nothing(Path(output), _chips_of(output)):
            if pictures is not None:
                pictures.rename(_chips_of(output))
            publish(whole, Path(output))
    if as_json:
        say(json.dumps(_told(drawn, output, pictures is not None), indent=2))
    else:
        _tell(drawn, output, pictures is not None)


def _numbers(given: dict[str, str], kind: type) -> dict[str, float]:
    try:
        return {name: kind(value) for name, value in given.items()}
    except ValueError as error:
        raise click.UsageError(f"{error}: expected a number after '='.") from error


def _chips_of(output: str) -> Path:
    return Path(output).with_name(f"{Path(output).stem}-chips")


def _check(path: Path) -> None:
    """Refuse to write over what somebody may have spent days on."""
    if path.suffix.lower() != ".gpkg":
        raise click.UsageError(f"{path} is no GeoPackage: call it {path.stem or 'sample'}.gpkg.")
    for one in (path, _chips_of(str(path))):
        if one.exists():
            raise OutputError(str(one), "is there already, and may hold labels: name another file")
    if not path.parent.is_dir():
        raise OutputError(str(path.parent), "is no folder: make it first")


@contextmanager
def _all_or_nothing(file: Path, folder: Path) -> Iterator[None]:
    """Remove what was put in its place where something else could not be: neither was there before."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        file.unlink(missing_ok=True)
        raise


def _draw(
    run: Run, drawn: gpd.GeoDataFrame, metres: float, folder: Path, output: str
) -> Path | None:
    """Write the pictures, and name each in its row."""
    folder.mkdir()
    mark, edge = usual_sizes(run.directory)
    if metres:
        edge = edge_of(drawn.crs, metres)
    outlines = drawn.geometry.buffer(mark / 2, cap_style="square")
    shown = _shown(run)
    with progress_of("looking", "pictures") as progress:
        for place, (column, one) in enumerate(shown.items()):
            names: list[str | None] = []
            pictures = chips(one, drawn.geometry, edge, outlines)
            for number, picture in enumerate(pictures, 1):
                name = f"{number:05d}{column.removeprefix('chip').replace('_', '-')}.png"
                if picture is not None:
                    with written(output):
                        write_checked(folder / name, [picture])
                names.append(None if picture is None else f"{_chips_of(output).name}/{name}")
                progress(place * len(drawn) + number, len(shown) * len(drawn))
            drawn[column] = names
    return folder


def _shown(run: Run) -> dict[str, RunDirectory]:
    """Whose imagery is shown, by the column that names the pictures: of changes both dates."""
    compared = run.summary.get("compared")
    if not compared:
        return {"chip": run.directory}
    dates = run.summary.get("compared_dates") or [""] * len(compared)
    ends = {"chip_before": 0, "chip_after": -1}
    return {
        column: replace(RunDirectory.open(compared[end]), date=dates[end])
        for column, end in ends.items()
    }


def _told(drawn: gpd.GeoDataFrame, output: str, pictures: bool) -> dict[str, Any]:
    """What was drawn, as plain JSON values."""
    strata = [
        {
            "class": str(name),
            "hectares": float(group["stratum_hectares"].iloc[0]),
            "points": len(group),
        }
        for name, group in drawn.groupby("stratum", sort=False)
    ]
    chips_folder = str(_chips_of(output)) if pictures else None
    return {"strata": strata, "points": len(drawn), "file": output, "chips": chips_folder}


def _tell(drawn: gpd.GeoDataFrame, output: str, pictures: bool) -> None:
    shown = new_table(("class",), ("hectares", "points"))
    for name, group in drawn.groupby("stratum", sort=False):
        shown.add_row(str(name), f"{group['stratum_hectares'].iloc[0]:,.1f}", f"{len(group):,}")
    shown.add_row("all", f"{drawn['map_hectares'].iloc[0]:,.1f}", f"{len(drawn):,}")
    show(shown)
    say(output)
    if pictures:
        say(f"{_chips_of(output)}/")
        blank = int(drawn.filter(like="chip").isna().any(axis=1).sum())
        if blank:
            say(f"{blank:,} places have no picture: no scene shows them", err=True)
