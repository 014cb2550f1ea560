"""Write the report of runs: one HTML file that opens offline and asks nothing of any server."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from landcover.analysis.dated import dated_runs, names_of
from landcover.analysis.map_blocks import Progress, finished, no_progress
from landcover.errors import ConfigError, OutputError
from landcover.report.page.changes import change_said, change_told
from landcover.report.page.content import Wanted, told
from landcover.report.page.maps import Phase, maps_of
from landcover.report.page.render import Page
from landcover.runs.directory import RunDirectory
from landcover.runs.storage import Storage

File = str | os.PathLike[str]


class Opened(Protocol):
    """A run that is open, as :func:`landcover.open_run` returns it."""

    @property
    def directory(self) -> RunDirectory:
        """Where it lies."""
        ...


@contextmanager
def in_silence(what: str, unit: str) -> Iterator[Progress]:
    """Show nobody how far something has come."""
    yield no_progress


def write_report(
    runs: File | Opened | Sequence[File | Opened],
    output: File,
    *,
    dates: Sequence[str] = (),
    change: File | Opened | None = None,
    reference: File | Sequence[File] | None = None,
    sample: File | Sequence[File] | None = None,
    scheme: str | None = None,
    field: str | None = None,
    ignored: Collection[int] = (),
    phase: Phase = in_silence,
) -> Path:
    """Write one HTML file about runs: maps, areas, accuracy, quarantine, and how they were made.

    It opens offline, asks nothing of any server, and stays below 20 MB: large maps are shown by their
    overviews, while areas and accuracies count every pixel.

    Args:
        runs: one or several that are done: directories, or what :func:`landcover.open_run` returns.
            A run over scenes of several dates stands for one a date.
        output: the file, replaced as a whole where there is one.
        dates: one for each run, such as "2016-09-15": which map is meant of a run over several dates,
            and when the imagery was taken of one that does not say so.
        change: what changed between runs: a directory that ``landcover change`` has written, or what
            :func:`landcover.change` returned.
        reference: what the labels are held against, as :meth:`landcover.Run.accuracy` takes it: one
            for all runs, or one for each, in their order.
        sample: a labelled sample, likewise, as :meth:`landcover.Run.estimates` takes it.
        scheme: of references and samples; None: that of the runs.
        field: the column of points that has their classes.
        ignored: codes of a reference raster that count as no reference.
        phase: called with what is being done and the unit of what is counted; returns a context
            manager whose value is called with how many are done, and how many there are.

    Returns:
        the file.

    Raises:
        OutputError: if a run is not done or cannot be read, or the file cannot be written.
        SourceError: if a reference or sample cannot be used.
        ConfigError: if classes cannot be compared, or references are not as many as runs.
        MissingExtra: if Jinja2 is not installed, or geopandas for points and samples.
    """
    opened = [_directory(run) for run in _listed(runs)]
    if not opened:
        raise ConfigError(["name at least one run"], "the report")
    for directory in opened:
        finished(directory)
    shown = dated_runs(opened, dates)
    directories = [one.run for one in shown]
    compared = None if change is None else _directory(change)
    if compared:
        change_said(compared)
    place = Path(output)
    if not place.parent.is_dir():
        raise OutputError(str(place.parent), "is no folder: the report cannot be written there")
    page = Page()
    how = (scheme, field, ignored)
    several = (_each("reference", reference, directories), _each("sample", sample, directories))
    columns = zip(directories, names_of(shown), *several, strict=True)
    found = [told(Wanted(*one, *how), phase) for one in columns]
    mapped = [one for one in found if one.has_map]
    maps = maps_of([one.run for one in mapped], [one.name for one in mapped], compared, phase)
    changes = change_told(compared, maps.frame) if compared and maps else None
    Storage(str(place.parent)).put(place.name, page.rendered(found, maps, changes).encode())
    return place


def _listed(runs: File | Opened | Sequence[File | Opened]) -> Sequence[File | Opened]:
    alone = isinstance(runs, (str, os.PathLike)) or not isinstance(runs, Sequence)
    return [runs] if alone else runs  # type: ignore[list-item, return-value]


def _directory(run: File | Opened) -> RunDirectory:
    return RunDirectory.open(str(run)) if isinstance(run, (str, os.PathLike)) else run.directory


def _each(
    what: str, given: File | Sequence[File] | None, runs: Sequence[RunDirectory]
) -> list[str | None]:
    """What is given for each run: one for all, or as many as there are runs."""
    if given is None:
        return [None] * len(runs)
    listed = [given] if isinstance(given, (str, os.PathLike)) else list(given)
    if len(listed) not in (1, len(runs)):
        told = f"{len(listed)} {what}s for {len(runs)} runs"
        raise ConfigError([f"{told}: give one for all of them, or one for each"], "the report")
    return [str(one) for one in (listed * len(runs) if len(listed) == 1 else listed)]
