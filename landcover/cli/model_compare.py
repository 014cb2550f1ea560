"""``landcover model compare``: one network in several runtimes, side by side."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from landcover.cli.model_head import head_option
from landcover.cli.model_images import images_of
from landcover.cli.saying import say, say_over
from landcover.cli.tables import new_table, show
from landcover.config import ModelSettings, checked, load_config
from landcover.errors import ModelError
from landcover.local_files import scratch_file
from landcover.models.comparison.comparison import Comparison, Conditions, Result, check_conditions
from landcover.models.comparison.comparison import compare as compare_model
from landcover.models.fetch import local_path, shown
from landcover.models.formats.detection import detect
from landcover.models.inspection.operation_counts import operations_of
from landcover.models.runtimes.environment import stderr_to


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--runtimes", help="Names with commas; default: all that run the format.")
@click.option("--precision", default="f32", show_default=True, help="f32, bf16, f16, with commas.")
@click.option("--images", help="A glob of images to cut tiles from; default: noise.")
@click.option("--batch", default=16, show_default=True, help="Tiles at once for the speed.")
@click.option("--threads", default=0, help="CPU threads each; default: what the runtime chooses.")
@click.option(
    "--references/--no-references",
    default=True,
    help="Compare with the outputs stored in NAME.npz beside a model, where they are (default).",
)
@head_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(
    files: Sequence[str],
    runtimes: str | None,
    precision: str,
    images: str | None,
    batch: int,
    threads: int,
    references: bool,
    head: str | int | None,
    as_json: bool,
) -> None:
    """Run the network in each FILE in several runtimes: do they agree, and how fast are they?

    A FILE may also be a configuration (.yaml): its model is compared on its images.

    One FILE gives a line for every runtime, with its speed; several give a line each, with the
    largest difference as a share of the largest number of the reference. The reference is what is
    stored in NAME.npz beside the model (keys 'input' and 'output', or 'output_0' and so on), else
    CNTK itself for its own files where it is installed, else the first runtime.
    """
    conditions = Conditions(
        tuple(filter(None, (runtimes or "").split(","))),
        tuple(precision.split(",")),
        *(threads, batch, len(files) == 1, references and images is None),
    )
    check_conditions(conditions)
    found = list(_compared(files, head, conditions, images))
    if as_json:
        say(json.dumps([entry for _, entry in found], indent=2, ensure_ascii=False))
    elif len(files) == 1:
        _tell_one(found[0][0], found[0][1])
    else:
        _tell_many(found)


def _asked(
    file: str, head: str | int | None, images: str | None
) -> tuple[ModelSettings, Sequence[str]]:
    """The model that is meant, and images to compare with: a configuration names both."""
    given = [images] if images else []
    if not file.endswith((".yaml", ".yml")):
        return checked(ModelSettings, {"path": file, "head": head}), given
    config = load_config(file)
    settings = config.model if head is None else config.model.model_copy(update={"head": head})
    named = [
        path
        for entry in (*config.source.images, *config.source.rasters)
        for path in ((entry,) if isinstance(entry, str) else entry)
    ]
    return settings, given or [path for path in named if "://" not in path]


_AS_THEY_ARE = "pixels were given as they are, for nothing says which numbers it wants"

Entry = tuple[Comparison | ModelError, dict[str, Any]]


def _compared(
    files: Sequence[str], head: str | int | None, conditions: Conditions, images: str | None
) -> Iterator[Entry]:
    """Each file's comparison, or why there is none; and both as JSON values."""
    for number, file in enumerate(files, 1):
        _progress(f"{number} of {len(files)}: {file}", len(files))
        settings, patterns = _asked(file, head, images)
        pixels = images_of(patterns) if patterns else None
        try:
            # C++ libraries print past Python, warnings of CNTK above all.
            with scratch_file() as said, stderr_to(said):
                kinds = operations_of(detect(local_path(settings.path), shown(settings.path)))
                found = compare_model(settings, conditions, pixels)
            values = {"operations": dict(kinds), **dataclasses.asdict(found), "refusal": None}
            yield found, values
        except ModelError as error:
            if len(files) == 1:
                raise
            yield error, {"path": file, "refusal": error.reason}


def _progress(text: str, files: int) -> None:
    if files > 1 and sys.stderr.isatty():
        say_over(text)


def _tell_one(found: Comparison | ModelError, values: dict[str, Any]) -> None:
    assert isinstance(found, Comparison)
    total, kinds = _operations(values)
    say(f"{found.path}: {found.format}, {total} operations of {kinds} kinds")
    outputs = "1 output" if found.outputs == 1 else f"{found.outputs} outputs"
    say(f"{found.tiles} tiles, {outputs}, compared with {found.reference}")
    if found.as_they_are:
        say(f"{_AS_THEY_ARE}: set mean and scale in a sidecar")
    say()
    measures = ("largest difference", "relative", "labels agree", "tiles a second")
    table = new_table(("runtime", "precision"), measures)
    for result in found.results:
        table.add_row(result.runtime, result.precision, *_cells(result, found.outputs))
    show(table)
    for result in found.results:
        if result.reason:
            say(f"{result.runtime} in {result.precision}: {result.reason}")


def _cells(result: Result, outputs: int) -> tuple[str, str, str, str]:
    agreed = result.agreement
    if agreed is None:
        return "-", "-", "-", "-"
    speed = "-" if result.tiles_a_second is None else f"{result.tiles_a_second:,.1f}"
    labels = "-" if agreed.labels is None else f"{agreed.labels:.2%}"
    return f"{agreed.absolute:.2e}", _relative(result, outputs), labels, speed


def _relative(result: Result | None, outputs: int) -> str:
    if result is None or result.agreement is None:
        return "-"
    part = f" ({result.outputs} of {outputs})" if result.outputs < outputs else ""
    return f"{result.agreement.relative:.1e}{part}"


def _tell_many(found: Sequence[Entry]) -> None:
    done = [entry for entry, _ in found if isinstance(entry, Comparison)]
    columns = list(dict.fromkeys((r.runtime, r.precision) for c in done for r in c.results))
    plain = all(precision == "f32" for _, precision in columns)
    names = tuple(r if plain else f"{r} {p}" for r, p in columns)
    table = new_table(("file", "format"), ("operations", "kinds", "bytes", "outputs", *names))
    for entry, values in found:
        if isinstance(entry, Comparison):
            table.add_row(*_row(entry, values, columns))
    _progress("", len(found))
    show(table)
    for line in _reasons(found):
        say(line)


def _row(
    found: Comparison, values: dict[str, Any], columns: Sequence[tuple[str, str]]
) -> list[str]:
    results = {(result.runtime, result.precision): result for result in found.results}
    cells = [_relative(results.get(column), found.outputs) for column in columns]
    name = os.path.basename(found.path.rstrip("/"))  # noqa: PTH119 (may be a URL)
    total, kinds = _operations(values)
    return [
        name,
        found.format,
        str(total),
        str(kinds),
        f"{found.size:,}",
        str(found.outputs),
        *cells,
    ]


def _operations(values: dict[str, Any]) -> tuple[int, int]:
    return sum(values["operations"].values()), len(values["operations"])


def _reasons(found: Sequence[Entry]) -> Iterator[str]:
    """Refused files, and contenders that did not compute everything; each reason once."""
    files: dict[str, list[str]] = {}
    for entry, _ in found:
        if isinstance(entry, ModelError):
            yield f"refused: {entry}"
            continue
        reasons = [f"{r.runtime} in {r.precision}: {r.reason}" for r in entry.results if r.reason]
        for reason in (*([_AS_THEY_ARE] if entry.as_they_are else []), *reasons):
            files.setdefault(reason, []).append(entry.path)
    for reason, paths in files.items():
        others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield f"{paths[0]}{others}: {reason}"
