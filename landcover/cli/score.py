"""``landcover score``: run a config file, show progress, say what came out."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from landcover.cli.figures import duration, figure_lines
from landcover.cli.saying import say, say_lines
from landcover.cli.signals import GOES_ON, interruptible
from landcover.cli.supervision import note_progress
from landcover.config import parse_override
from landcover.errors import TooManyFailures
from landcover.run import Run, open_run
from landcover.scoring.score import score as run_score
from landcover.scoring.totals import Tiles

_ANY_NUMBER = 10**15


@click.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.option("--backend", help="local, dask, spark or another registered backend.")
@click.option("--output", help="The directory of the run.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY.PATH=VALUE",
    help="Set one key of the config, as in --set backend.workers=4. May be repeated.",
)
@click.option("--extend", is_flag=True, help="Score only inputs that are new or have changed.")
@click.option("--restart", is_flag=True, help="Remove what the run has written, and begin anew.")
@click.option(
    "--yes", is_flag=True, help="Do not ask with --restart, nor refuse a plan for its size."
)
@click.option("--quiet", is_flag=True, help="Show no progress, only what came out.")
def score(
    config: str,
    backend: str | None,
    output: str | None,
    overrides: tuple[str, ...],
    extend: bool,
    restart: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Score the imagery that CONFIG names with the model that it names.

    The results lie in the run's directory: tiles/ (GeoParquet), map.tif, map.png, run.json. A run
    that was interrupted goes on when the same command is given again.
    """
    settings: dict[str, Any] = dict(parse_override(text) for text in overrides)
    if extend and restart:
        raise click.UsageError("--extend and --restart exclude one another.")
    if yes:
        settings["source.most_tiles"] = _ANY_NUMBER
    elif restart:
        click.confirm("Remove what an earlier run has written there, and begin anew?", abort=True)
    try:
        with interruptible(GOES_ON), _progress(quiet) as progress:
            run = run_score(
                config,
                backend=backend,
                output=output,
                overrides=settings,
                progress=progress,
                extend=extend,
                restart=restart,
            )
    except KeyboardInterrupt:
        say(GOES_ON, err=True)
        sys.exit(1)
    except TooManyFailures as error:
        ended = open_run(error.run)
        if ended.summary["status"] == "done":  # with failures.policy fail it stops on the way
            _tell(ended)
        raise
    _tell(run)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[Tiles], None]]:
    if quiet:
        yield _noted(lambda tiles: None)
    elif sys.stderr.isatty():
        yield from map(_noted, _bar())
    else:
        yield _noted(_Lines())


def _noted(show: Callable[[Tiles], None]) -> Callable[[Tiles], None]:
    """With each task that comes home, who watches over this process is told as well."""

    def progress(tiles: Tiles) -> None:
        note_progress()
        show(tiles)

    return progress


def _bar() -> Iterator[Callable[[Tiles], None]]:
    columns = (
        TextColumn("scoring"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("tiles, {task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("score", total=None, rate="starting")

        def show(tiles: Tiles) -> None:
            bar.update(task, total=tiles.planned, completed=tiles.done, rate=_rate(tiles))

        yield show


class _Lines:
    """Plain lines for logs: one at the start, at the end and every ten seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, tiles: Tiles) -> None:
        now = time.monotonic()
        if now < self._next and tiles.done < tiles.planned:
            return
        self._next = now + 10
        left = f", {duration(tiles.seconds_left)} left" if tiles.seconds_left else ""
        say(f"{tiles.done:,} of {tiles.planned:,} tiles, {_rate(tiles)}{left}", err=True)


def _rate(tiles: Tiles) -> str:
    return f"{tiles.per_second:,.1f} tiles/s" if tiles.per_second else "starting"


def _tell(run: Run) -> None:
    """Print what came out of a run: counts, speed, the bottleneck, accuracy, where things lie."""
    said = run.summary
    tiles = Counter(said.get("tiles", {}))
    parts = [f"{tiles['scored']:,} tiles scored"]
    parts += [f"{tiles[key]:,} {key}" for key in ("skipped", "quarantined") if tiles[key]]
    took = f" in {said.get('seconds', 0):.1f} s"
    if earlier := said.get("earlier_tiles"):  # else the speed of all would be told by that of some
        took = f"; {sum(tiles.values()) - tiles['planned'] - earlier:,} tiles of them{took}, the others before"
    say(f"{', '.join(parts)}{took}")
    if said.get("tiles_per_second"):
        speed = f"{said['tiles_per_second']:,.1f} tiles/s"
        say(f"{speed} from the first task to the last: start, end and maps are not in it")
    figures, planned = said.get("figures", {}), said.get("planned", {})
    if planned or {"cost", "kwh"} & figures.keys():
        for line in figure_lines(planned, figures):
            say(line)
    if said.get("retryable"):
        say(f"the same command tries {said['retryable']:,} of the quarantined tiles again")
    if said.get("undefined_pixels"):
        told = "pixels have no class, since the network returned no probabilities for them"
        say(f"{said['undefined_pixels']:,} {told}")
    if said.get("advice"):
        say_lines(said["advice"])
    if said.get("precision_check"):
        say(_precision(said["precision_check"]))
    if said.get("accuracy"):
        say_lines(said["accuracy"]["text"])
    if said.get("note"):
        say_lines(said["note"])
    for name in said.get("files", []):
        say_lines(f"{run.path}/{name}")


def _precision(check: Mapping[str, Any]) -> str:
    """What a precision below f32 changed on a sample, in one line."""
    bound = f" (at least {check['lower_bound']:.2%} of all)" if "lower_bound" in check else ""
    return (
        f"in {check['precision']}, {check['agreement']:.2%} of {check['labels']:,} labels of "
        f"{check['tiles']} tiles are those of f32{bound}; scores differ by "
        f"{check['largest_score_difference']:.4f} at most"
    )
