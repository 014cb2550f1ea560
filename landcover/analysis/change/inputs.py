"""The runs that are to be compared: whether they can be, and what their labels are worth."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from landcover.analysis.change.alignment import Dated
from landcover.analysis.change.confusion import measured_rates
from landcover.analysis.change.decision import Rule
from landcover.analysis.change.evidence import Evidence, Rates, TileScores
from landcover.analysis.dated import DatedRun, dated_runs, refuse_disorder
from landcover.analysis.map_blocks import (
    finished,
    grid_of,
    labels_pixels,
    map_names,
    opened_map,
)
from landcover.classes import Scheme
from landcover.errors import ConfigError, OutputError, SourceError
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import MapGrid
from landcover.tiles.reprojection import bounds_in

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Inputs:
    """Runs that can be compared.

    Args:
        dated: the first date first, each in its own scheme.
        dates: their maps.
        grid: of the first one.
        unit: what its pixels are: "pixels" or "tiles".
    """

    dated: tuple[DatedRun, ...]
    dates: tuple[Dated, ...]
    grid: MapGrid
    unit: str

    @property
    def runs(self) -> tuple[RunDirectory, ...]:
        """Their directories, each opened for its date."""
        return tuple(one.run for one in self.dated)

    @property
    def scheme(self) -> Scheme:
        """The classes, as the first run counts them."""
        return self.runs[0].scheme


def inputs(opened: Sequence[RunDirectory], dates: Sequence[str] = ()) -> Inputs:
    """Take runs that are to be compared.

    Args:
        opened: their directories, the first date first; one over several dates that was opened for
            none stands for each of them.
        dates: of each, as :func:`landcover.analysis.dated.dated_runs` takes them.

    Raises:
        ConfigError: if there are fewer than two, their classes differ, or a later one comes first.
        OutputError: if one is not done, has no map, or it cannot be read.
        SourceError: if two have no ground in common.
    """
    for run in opened:
        finished(run)
    dated = dated_runs(opened, dates)
    if len(dated) < 2:
        reason = "a change needs two dates or more: runs of them, or one run over several"
        raise ConfigError([reason], "change")
    refuse_disorder(dated)
    runs = [one.run for one in dated]
    for run in runs:
        _check_classes(runs[0], run)
    scheme = runs[0].scheme
    maps = tuple(Dated(replace(run, scheme=scheme), tuple(map_names(run))) for run in runs)
    if len(maps[0].names) > 1:
        reason = "has no map of all its scenes, which lie far apart: compare runs of one scene each"
        raise OutputError(runs[0].path, reason)
    grid = _grids(maps[0])[0]
    for date in maps[1:]:
        _check_overlap(maps[0], grid, date)
    return Inputs(tuple(dated), maps, grid, "pixels" if labels_pixels(runs[0]) else "tiles")


def evidence_of(
    found: Inputs, rule: Rule, confusions: Sequence[Path]
) -> tuple[tuple[Evidence, ...], list[str]]:
    """What the labels of each run are worth, and that in words.

    Args:
        found: the runs.
        rule: what is taken for granted where nothing is known.
        confusions: files of confusion matrices: none, one for all runs, or one each.

    Raises:
        ConfigError: if there is another number of files.
        SourceError: if a file is no confusion matrix of the classes.
    """
    if len(confusions) not in (0, 1, len(found.runs)):
        reason = f"{len(confusions)} confusion matrices for {len(found.runs)} runs: give one, or one a run"
        raise ConfigError([reason], "change")
    if confusions:
        rates = [measured_rates(one, found.scheme, rule.accuracy) for one in confusions]
        names = [f"labels, by the confusion matrix {os.fspath(one)}" for one in confusions]
        times = len(found.runs) // len(confusions)
        return tuple(rates * times), names * times
    usual = Rates.assumed(len(found.scheme), rule.accuracy)
    assumed = f"labels, which are thought to be right {rule.accuracy:.0%} of the time"
    evidence: list[Evidence] = []
    words = []
    for run in found.runs:
        # Labels that were smoothed keep the scores of those that the network gave.
        labels_only = labels_pixels(run) or "smoothed" in run.manifest()
        evidence.append(usual if labels_only else TileScores(run, found.scheme, rule.surest, usual))
        words.append(assumed if labels_only else "probabilities of tiles")
    return tuple(evidence), words


def _check_classes(first: RunDirectory, run: RunDirectory) -> None:
    """Refuse runs of other classes.

    Raises:
        ConfigError: if their codes stand for other names.
    """
    one, other = ({item.code: item.name for item in each.scheme} for each in (first, run))
    if one == other:
        return
    apart: list[Any] = [code for code in (*one, *other) if one.get(code) != other.get(code)]
    code = apart[0]
    said = (f"{code} is {each.get(code, 'no class')!r}" for each in (one, other))
    reason = f"classes differ: in {first.path} {next(said)}, in {run.path} {next(said)}"
    raise ConfigError([f"{reason}; runs of one scheme can be compared"], "change")


def _grids(date: Dated) -> list[MapGrid]:
    found = []
    for name in date.names:
        with opened_map(date.run, name) as file:
            found.append(grid_of(file))
    return found


def _check_overlap(first: Dated, grid: MapGrid, date: Dated) -> None:
    """Refuse maps that lie elsewhere.

    Raises:
        SourceError: if none of a run's maps meets that of the first one.
    """
    for other in _grids(date):
        box = bounds_in(other.crs, grid.crs, other.bounds)
        left, low, right, high = grid.bounds
        apart = box[0] >= right or box[2] <= left or box[1] >= high or box[3] <= low
        if not apart or not np.isfinite(box).all():
            return
    raise nothing_in_common(first.run, date.run)


def nothing_in_common(first: RunDirectory, *others: RunDirectory) -> SourceError:
    """The error that says that maps show other ground."""
    names = " and ".join(run.path for run in others)
    return SourceError(
        names, f"shows no ground that {first.path} has a class for: give runs of one place"
    )
