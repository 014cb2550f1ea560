"""``landcover prepare``: labelled tiles from imagery and a reference."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click

from landcover.cli.progress import progress_of
from landcover.cli.saying import say
from landcover.cli.signals import GOES_ON, interruptible
from landcover.cli.tables import new_table, show
from landcover.config import parse_override
from landcover.labelling.folder import FIGURE, TABLE
from landcover.labelling.prepare import Progress
from landcover.labelling.prepare import prepare as run_prepare
from landcover.labelling.tile_set import TileSet


@click.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.option("--backend", help="local, dask, spark or another registered backend.")
@click.option("--output", help="The folder of the tiles.")
@click.option("--pixels", is_flag=True, help="Write the class of every pixel too (for U-Nets).")
@click.option("--tfrecord", is_flag=True, help="Write TFRecord shards and labels.txt too.")
@click.option("--cntk", is_flag=True, help="Write map files for CNTK too.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY.PATH=VALUE",
    help="Set one key of the config, as in --set draw.seed=1. May be repeated.",
)
@click.option(
    "--restart", is_flag=True, help="Remove what was written there before, and begin anew."
)
@click.option("--yes", is_flag=True, help="With --restart: do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
def prepare(
    config: str,
    backend: str | None,
    output: str | None,
    pixels: bool,
    tfrecord: bool,
    cntk: bool,
    overrides: tuple[str, ...],
    restart: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Cut the imagery that CONFIG names into tiles, and label them with the reference that it names.

    The reference is a raster of class codes (NLCD, CDL or any other with a scheme), or a vector file
    of points or polygons with a column of classes, in any CRS and resolution. It is looked at where the tiles lie: no pixel of the imagery is warped. A tile gets a
    label by labels.rule: 'nine-point' (the 2017 guide's: the classes at nine regularly spaced points,
    after grouping NLCD codes, are all equal), 'majority' (one class covers at least labels.share of
    it) or 'centre'. Tiles with nodata are left out.

    Tiles are split into train, validation and test by blocks of ground, by scene, or by polygons
    such as counties, and keep split.buffer metres between them. Of each class as many are drawn as
    of the rarest, unless draw.balance is 'none'.

    Written are TRAIN/CLASS/NAME.png (GeoTIFF for other than 1 or 3 bands of bytes), manifest.parquet
    (GeoParquet: a row a tile), counts.png and prepare.json. What was interrupted goes on when the
    same command is given again. 'landcover train' reads the folder.
    """
    settings: dict[str, Any] = dict(parse_override(text) for text in overrides)
    flags = {"pixels": pixels, "tfrecord": tfrecord, "cntk": cntk}
    settings |= {f"output.{name}": True for name, given in flags.items() if given}
    if restart and not yes:
        click.confirm("Remove what was written there before, and begin anew?", abort=True)
    try:
        with interruptible(GOES_ON), _stages() as progress:
            made = run_prepare(
                config,
                backend=backend,
                output=output,
                overrides=settings,
                progress=progress,
                restart=restart,
            )
    except KeyboardInterrupt:
        say(GOES_ON, err=True)
        sys.exit(1)
    if as_json:
        say(json.dumps({"path": made.path, **made.summary}, indent=2))
    else:
        _show(made)


@contextmanager
def _stages() -> Iterator[Progress]:
    """A bar for each stage of the work."""
    with ExitStack() as stack:
        shown: dict[str, Any] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in shown:
                stack.close()
                shown[what] = stack.enter_context(progress_of(what, "tiles"))
            shown[what](done, total)

        yield progress


def _show(made: TileSet) -> None:
    said = made.summary
    counts = said["counts"]
    shown = new_table(("class",), (*counts, "all"))
    for item in said["classes"]:
        row = [counts[split][item["name"]] for split in counts]
        shown.add_row(item["name"], *(f"{n:,}" for n in (*row, sum(row))))
    totals = [sum(counts[split].values()) for split in counts]
    shown.add_row("all", *(f"{n:,}" for n in (*totals, sum(totals))))
    show(shown)
    found = sum(n for of in said["found"].values() for n in of.values())
    say(f"drawn from {found:,} tiles with a label, of {said['planned']:,}")
    left = ", ".join(f"{count:,} {reason}" for reason, count in said["left_out"].items() if count)
    if left:
        say(f"left out: {left}")
    if said.get("unreadable"):
        say(said["unreadable"], err=True)
    for name in (TABLE, FIGURE):
        say(made.folder.storage.where(name))
