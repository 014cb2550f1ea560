"""Runs of several dates compared: a directory with the map of what changed, tables and candidates."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from landcover.analysis.areas import areas
from landcover.analysis.change.blocks import ChangeMap, CompareBlock, Comparison, DateMap, Tally
from landcover.analysis.change.candidates import (
    FILES,
    candidates,
    draw_chips,
    geopandas_of,
    write_candidates,
)
from landcover.analysis.change.decision import Rule
from landcover.analysis.change.inputs import Inputs, Path, evidence_of, inputs, nothing_in_common
from landcover.analysis.change.legend import Legend
from landcover.analysis.change.places import FOLDER, joined
from landcover.analysis.change.summary import summary, transitions_table
from landcover.analysis.chips import usual_sizes
from landcover.analysis.dated import DatedRun, names_of
from landcover.analysis.map_blocks import Progress
from landcover.contracts import Backend, Lost
from landcover.errors import ConfigError, OutputError, SourceError
from landcover.runs.claiming import claim
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Area
from landcover.runs.map_format.grid import MapGrid, file_names
from landcover.runs.maps.maker import CHANGE, MapMaker, Maps, steps_of
from landcover.runs.maps.origins import Origin

_log = logging.getLogger(__name__)
SAID = "change.json"
Watch = Callable[[str, str], AbstractContextManager[Progress]]
"""Called with what is being done and the unit of what is counted, as "comparing", "blocks"."""


@dataclass(frozen=True)
class Wanted:
    """Which changes are candidates, and how many of them are shown.

    Args:
        before: classes that they come from; none: any.
        after: classes that they lead to; none: any.
        chips: how many candidates get pictures, in their order.
    """

    before: Collection[str] = ()
    after: Collection[str] = ()
    chips: int = 200

    def codes(self, legend: Legend) -> frozenset[int]:
        """The codes of their transitions.

        Raises:
            ConfigError: if a class is none of those compared, or the number is below 0.
        """
        names = legend.classes.names
        strange = [one for one in (*self.before, *self.after) if one not in names]
        mistakes = [f"there is no class {one!r}: there is {', '.join(names)}" for one in strange]
        if self.chips < 0:
            mistakes.append(
                f"the number of candidates with pictures is 0 or more, not {self.chips}"
            )
        if mistakes:
            raise ConfigError(mistakes, "change")
        return frozenset(
            legend.code(one, other)
            for one, before in enumerate(names)
            for other, after in enumerate(names)
            if one != other
            and (not self.before or before in self.before)
            and (not self.after or after in self.after)
        )


def compare(
    runs: Sequence[RunDirectory],
    dates: Sequence[str],
    output: str,
    rule: Rule,
    wanted: Wanted,
    confusions: Sequence[Path],
    pool: Backend,
    watch: Watch,
    draw: Callable[[RunDirectory, Maps], str],
) -> RunDirectory:
    """Compare runs of several dates, and write what changed.

    All are seen on the grid of the first one's map: the nearest pixel at the centre of each of its
    pixels. Places count where every date has a class.

    Args:
        runs: their directories, the first date first.
        dates: of each; none: as the runs say.
        output: the directory to be made.
        rule: how changes are told from errors.
        wanted: which changes are candidates.
        confusions: files of confusion matrices: none, one for all runs, or one each.
        pool: whose workers do it.
        watch: shows how far it has come.
        draw: makes a picture of the map, and returns the name of its file.

    Returns:
        the directory: a run directory whose classes are transitions.

    Raises:
        ConfigError, SourceError: if the runs cannot be compared as asked.
        OutputError: if one cannot be read, or the directory not be written. Nothing is left in a
            directory that was new then.
        MissingExtra: if geopandas is not installed.
    """
    geopandas_of()
    found = inputs(runs, dates)
    if output.rstrip("/") in {run.path.rstrip("/") for run in runs}:
        raise OutputError(output, "is one of the runs that are compared: name another output")
    legend = Legend(found.scheme)
    codes = wanted.codes(legend)
    evidence, words = evidence_of(found, rule, confusions)
    comparison = Comparison(found.dates, evidence, found.grid, rule, legend)
    fingerprint = {
        "change": {
            "runs": [_digest_of(one) for one in found.dated],
            "rule": asdict(rule),
            "evidence": hashlib.sha256(repr(evidence).encode()).hexdigest(),
            "candidates": sorted(codes),
        }
    }
    told = {
        "model": {"output": "pixel" if found.unit == "pixels" else "tile"},
        "compared": [run.path for run in found.runs],
        "compared_dates": [run.date for run in found.runs],
    }
    with claim(output, fingerprint, legend.scheme, told, at_once=True) as made:
        work = _Work(made, found, comparison, wanted, codes, pool, watch)
        made.finish({"files": work.write(words, draw)})
    return made


@dataclass(frozen=True)
class _Work:
    """What is done in the directory, once it is known that it can be."""

    made: RunDirectory
    found: Inputs
    comparison: Comparison
    wanted: Wanted
    codes: frozenset[int]
    pool: Backend
    watch: Watch

    def write(self, words: Sequence[str], draw: Callable[[RunDirectory, Maps], str]) -> list[str]:
        """Write everything; the names of the files."""
        put = self.made.storage.put
        self.made.storage.remove(SAID)
        self.made.storage.prepare(FOLDER)
        tally = self._tally()
        if not tally.pairs.any():
            raise nothing_in_common(*self.found.runs)
        maps = self._maps()
        legend = self.comparison.legend
        put("change.qml", legend.style({*maps.counts} & {*legend.scheme.codes}))
        count, pictures = self._candidates(tally.places)
        whole = [self._hectares(run) for run in self.found.runs]
        said = summary(self.found, self.comparison, tally, maps, whole, words)
        table = transitions_table(said)
        put("transitions.csv", table.encode())
        files = [*maps.files, "change.qml", draw(self.made, maps), "transitions.csv", *FILES]
        files += [*self._date_maps(), SAID]
        said |= {"candidates": count, "chips": pictures, "files": files}
        put(SAID, json.dumps(said, indent=2).encode() + b"\n")
        for folder in (FOLDER, "tiles", "quarantine", "pixels"):
            self.made.storage.remove_folder(folder)
        return files

    def _tally(self) -> Tally:
        items = list(self.comparison.areas())
        work = CompareBlock(self.comparison, self.made, self.codes)
        tally = Tally.empty(len(self.found.runs), len(self.found.scheme))
        with self.watch("comparing", "blocks of the map") as progress:
            for done, one in enumerate(self._done(work, items), 1):
                tally.add(one)
                progress(done, len(items))
        return tally

    def _hectares(self, run: RunDirectory) -> float:
        """Of the whole map of a run."""
        with self.watch("measuring", "rows of blocks") as progress:
            return float(areas(run, progress=progress, pool=self.pool)["hectares"].sum())

    def _done(self, work: CompareBlock, items: Iterable[Area]) -> Iterator[Tally]:
        for result in self.pool.map(work, items):
            if isinstance(result, Lost):
                reason = f"cannot be made: {result.reason}; the same command begins anew"
                raise OutputError(self.made.path, reason)
            yield result

    def _maps(self) -> Maps:
        origin = ChangeMap(self.comparison)
        return self._mapped(self.made, [(CHANGE, self.found.grid, origin)])

    def _date_maps(self) -> list[str]:
        """The maps of all dates on one grid, where there are more than two."""
        if len(self.found.dates) == 2:
            return []
        grid = self.found.grid
        names = [
            f"dates/{number}-{name}.tif"
            for number, name in enumerate(file_names(names_of(self.found.dated)), 1)
        ]
        pairs = zip(names, self.found.dates, strict=True)
        wanted = [(name, grid, DateMap(date, grid)) for name, date in pairs]
        of_dates = RunDirectory(self.made.path, self.found.scheme)
        return list(self._mapped(of_dates, wanted).files)

    def _mapped(self, run: RunDirectory, wanted: Sequence[tuple[str, MapGrid, Origin]]) -> Maps:
        """Make maps, and show how far that has come."""
        numbers, total = count(1), steps_of(grid for _, grid, _ in wanted)
        with self.watch("mapping", "steps") as progress:
            maker = MapMaker(run, self.pool, "tile", lambda: progress(next(numbers), total))
            return maker.remake(wanted, None)

    def _candidates(self, blocks: Iterable[Area]) -> tuple[int, int]:
        """Write the candidates; how many there are, and how many pictures."""
        places = joined(self.made, sorted(blocks))
        unit = self.found.unit
        frame = candidates(places, self.comparison.legend, self.found.grid, unit)
        best = frame.iloc[: self.wanted.chips]
        shown = {"before": self.found.runs[0], "after": self.found.runs[-1]}
        with self.watch("looking", "pictures") as progress:
            least = usual_sizes(self.found.runs[0])[1]
            drawn = draw_chips(best, shown, least, self.made, progress, _Once())
        at = frame.columns.get_loc("geometry")
        for place, (date, names) in enumerate(zip(shown, drawn, strict=True)):
            column = frame["id"].map(names).astype(object)
            frame.insert(at + place, f"chip_{date}", column.where(column.notna(), None))
        write_candidates(frame, self.made)
        return len(frame), sum(map(len, drawn))


class _Once:
    """Says once that imagery is gone."""

    def __init__(self) -> None:
        self._said = False

    def __call__(self, error: SourceError) -> None:
        if not self._said:
            self._said = True
            _log.warning("%s; candidates that only it shows get no picture", error)


def _digest_of(one: DatedRun) -> Any:
    said: Mapping[str, Any] = one.run.manifest().get("fingerprint", {})
    return [said.get("digest"), one.date] if one.date else said.get("digest")
