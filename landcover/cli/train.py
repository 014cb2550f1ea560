"""``landcover train``: a network from labelled tiles, with all that is to be told of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from landcover.cli.saying import say
from landcover.config import parse_override
from landcover.training.learned import Progress as Say
from landcover.training.learned import Step
from landcover.training.results import Trained
from landcover.training.train import train as run_train

_SECONDS = 10.0


@click.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.option("--output", metavar="FOLDER", help="Where the network and its results go.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY.PATH=VALUE",
    help="Set one key of the config, as in --set method.filters=512. May be repeated.",
)
@click.option("--restart", is_flag=True, help="Train anew where a finished training lies.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of tables.")
@click.option("--quiet", is_flag=True, help="Show no progress, only what came out.")
def train(
    config: str,
    output: str | None,
    overrides: tuple[str, ...],
    restart: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train a network on labelled tiles, as CONFIG says.

    The tiles are image files in a folder a class, as landcover prepare writes them or as they were
    sorted by hand. The shortest CONFIG is two lines:

    \b
      data: tiles          # train/CLASS/*.png, validation/..., test/...; or CLASS/*.png
      output: first-model

    That fits a probe, which needs neither weights nor many labels: ten a class are enough to begin
    with. "method: network" trains a small network from scratch (hundreds of labels a class);
    "method: {name: transfer, base: FILE.keras}" goes on from a network of yours; "method: unet"
    trains a network that labels pixels, on tiles of landcover prepare --pixels (docs/training.md).

    The output holds model.keras with its sidecar model.yaml, which landcover score takes as they
    are, a model card (CARD.md), figures, and training.json. Tiles of test/ only measure.
    """
    values: dict[str, Any] = dict(parse_override(text) for text in overrides)
    if output:
        values["output"] = output
    with _progress(quiet) as progress:
        found = run_train(config, overrides=values, progress=progress, restart=restart)
    if as_json:
        say(json.dumps(found.summary, indent=2, ensure_ascii=False))
        return
    _tell(found)


def _tell(found: Trained) -> None:
    for one in found.summary["judged"]:
        say(f"by {one['of']}: {one['text']}")
        error, before = one["calibration_error"], one["calibration_error_before"]
        say(f"expected calibration error {error:.3f} (before calibration {before:.3f})")
    say(f"the network: {found.model}; what is to be known of it: {found.path}/CARD.md")


@contextmanager
def _progress(quiet: bool) -> Iterator[Say]:
    """A bar on a terminal, plain lines elsewhere: one an epoch, else one every ten seconds."""
    if quiet:
        yield lambda step: None
        return
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("")

        def say(step: Step) -> None:
            told = f"{step.unit} {step.told}".strip()
            bar.update(task, completed=step.done, total=step.total, description=told)

        yield say


class _Lines:
    def __init__(self) -> None:
        self._next = time.monotonic() + _SECONDS

    def __call__(self, step: Step) -> None:
        if step.told or time.monotonic() >= self._next:
            self._next = time.monotonic() + _SECONDS
            told = f": {step.told}" if step.told else ""
            say(f"{step.done:,} of {step.total:,} {step.unit}{told}", err=True)
