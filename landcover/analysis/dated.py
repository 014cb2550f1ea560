"""Which maps some runs stand for, and when their imagery was taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import PurePosixPath
from typing import NamedTuple

from landcover.errors import ConfigError, OutputError
from landcover.redaction import printable, redacted
from landcover.runs.directory import RunDirectory
from landcover.tiles.rasters.dates import iso_date

_WHERE = "the dates of runs"


class DatedRun(NamedTuple):
    """A run, or one date of a run over several.

    Args:
        run: its directory, opened for that date.
        date: "2016", "2016-09" or "2016-09-15"; "" where nobody says.
    """

    run: RunDirectory
    date: str


def dated_runs(runs: Sequence[RunDirectory], dates: Sequence[str] = ()) -> list[DatedRun]:
    """The maps that runs stand for.

    Args:
        runs: the directories.
        dates: one for each, in their order: which map is meant of a run over scenes of several dates,
            and when the imagery was taken of a run that does not say so itself. None: a run over
            several dates stands for one a date, the earliest first.

    Raises:
        ConfigError: if they are not as many as runs, or one is no date.
        OutputError: if a run has other dates, or cannot be read.
    """
    if not dates:
        return [one for run in runs for one in _all(run)]
    if len(dates) != len(runs):
        reason = f"{len(dates)} dates for {len(runs)} runs: give one for each, in their order"
        raise ConfigError([reason], _WHERE)
    return [_of(run, date) for run, date in zip(runs, dates, strict=True)]


def refuse_disorder(runs: Sequence[DatedRun]) -> None:
    """Raise where a run is of an earlier date than one before it.

    Raises:
        ConfigError: with both of them.
    """
    for one, other in pairwise([run for run in runs if run.date]):
        known = min(len(one.date), len(other.date))
        if other.date[:known] < one.date[:known]:
            told = (f"{dated.run.path} is of {dated.date}" for dated in (one, other))
            raise ConfigError([f"{', and '.join(told)}: name the earlier one first"], _WHERE)


def names_of(runs: Sequence[DatedRun]) -> list[str]:
    """What runs are called: the last part of their paths, more of it where that is not enough, and
    their dates."""
    paths = [PurePosixPath(printable(redacted(one.run.path))) for one in runs]
    for length in range(1, max([1, *(len(path.parts) for path in paths)]) + 1):
        ends = [PurePosixPath(*path.parts[-length:]) if path.parts else "run" for path in paths]
        names = [
            ", ".join(filter(None, (str(end), one.date)))
            for end, one in zip(ends, runs, strict=True)
        ]
        if len({*names}) == len(names):
            return names
    return [f"{number}: {path}" for number, path in enumerate(paths, 1)]


def _own(run: RunDirectory) -> list[str]:
    """The dates that a run says it is of."""
    said = run.manifest()
    smoothed = (said.get("smoothed") or {}).get("date")
    return sorted(said.get("dates", {})) or ([smoothed] if smoothed else [])


def _all(run: RunDirectory) -> list[DatedRun]:
    own = _own(run)
    if run.date or len(own) < 2:
        return [DatedRun(run, run.date or "".join(own))]
    return [DatedRun(replace(run, date=date), date) for date in own]


def _of(run: RunDirectory, given: str) -> DatedRun:
    date, own = iso_date(given), _own(run)
    if date is None:
        raise ConfigError([f"{given!r} is no date such as 2016, 2016-09 or 2016-09-15"], _WHERE)
    if own and date not in own:
        raise OutputError(run.path, f"has no map of {date!r}; there are: {', '.join(own)}")
    return DatedRun(replace(run, date=date) if len(own) > 1 else run, date)
