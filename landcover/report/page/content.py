"""What a report says of each run, before it becomes HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pandas as pd

from landcover.analysis.areas import areas
from landcover.analysis.labelled_sample import estimates
from landcover.analysis.map_blocks import finished
from landcover.analysis.reference import Comparison, compare
from landcover.analysis.stratified import Estimates
from landcover.analysis.true_labels import FOLDERS
from landcover.redaction import printable, redacted
from landcover.report.facts import facts
from landcover.report.page.maps import Phase
from landcover.report.page.quarantine import Reason, reasons
from landcover.report.page.tables import counted_labels
from landcover.runs.directory import RunDirectory


@dataclass(frozen=True)
class Wanted:
    """A run and what its labels are held against.

    Args:
        run: its directory.
        name: what the report calls it.
        reference: a raster, points, or "folders"; None: none.
        sample: a labelled sample; None: none.
        scheme: of the reference or sample; None: that of the run.
        field: the column of points that has their classes; None: the usual ones.
        ignored: codes of a raster that count as no reference.
    """

    run: RunDirectory
    name: str
    reference: str | None = None
    sample: str | None = None
    scheme: str | None = None
    field: str | None = None
    ignored: Collection[int] = ()


@dataclass(frozen=True)
class Told:
    """What the report says of a run.

    Args:
        name: what it is called.
        path: its directory.
        run: likewise, opened.
        facts: how it was made, by what it is.
        tiles: planned, scored, quarantined, skipped.
        has_map: whether it has a place on the ground.
        areas: hectares by class; None without a map.
        labels: tiles by class, of a run without a map.
        reasons: of tiles in quarantine, the commonest first.
        other_reasons: how many tiles have yet others.
        comparison: with a reference; None without one.
        estimates: by a sample; None without one.
    """

    name: str
    path: str
    run: RunDirectory
    facts: dict[str, str]
    tiles: dict[str, int]
    has_map: bool
    areas: pd.DataFrame | None
    labels: Counter[str]
    reasons: list[Reason]
    other_reasons: int
    comparison: Comparison | None
    estimates: Estimates | None


def told(wanted: Wanted, phase: Phase) -> Told:
    """Collect what the report says of a run, its map apart.

    Raises:
        OutputError: if the run is not done, or something of it cannot be read.
        SourceError: if the reference or the sample cannot be used.
        ConfigError: if their classes and those of the run cannot be compared.
        MissingExtra: if they take a library that is not installed.
    """
    run = wanted.run
    said = finished(run)
    has_map = any(str(name).endswith((".tif", ".vrt")) for name in said.get("files", []))
    found = None
    if has_map:
        with phase(f"measuring {wanted.name}", "rows of blocks") as progress:
            found = areas(run, progress=progress)
    grouped, others = reasons(run)
    return Told(
        wanted.name,
        printable(redacted(run.path)),
        run,
        facts(said),
        _counts(said),
        has_map,
        found,
        Counter() if has_map else counted_labels(run),
        grouped,
        others,
        _compared(wanted, said, phase),
        estimates(run, wanted.sample, wanted.scheme, wanted.field) if wanted.sample else None,
    )


def _compared(wanted: Wanted, said: dict[str, Any], phase: Phase) -> Comparison | None:
    reference = wanted.reference
    if reference is None and not wanted.sample and "accuracy" in said:
        reference = FOLDERS  # images that lie in folders called after what they show
    if reference is None:
        return None
    with phase(f"comparing {wanted.name}", "blocks of the map") as progress:
        how = (wanted.scheme, wanted.field, wanted.ignored)
        return compare(wanted.run, reference, *how, progress)


def _counts(said: dict[str, Any]) -> dict[str, int]:
    found = said.get("tiles")
    counts = found if isinstance(found, dict) else {}
    return {
        name: counts[name]
        for name in ("planned", "scored", "quarantined", "skipped")
        if isinstance(counts.get(name), int)
    }
