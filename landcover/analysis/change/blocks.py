"""Several maps compared block after block: what a worker does, and what it brings home."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from landcover.analysis.change.alignment import Dated, Labels
from landcover.analysis.change.decision import HALO, Judged, Rule, Vectors, VectorsAt, judge
from landcover.analysis.change.evidence import Evidence
from landcover.analysis.change.legend import Legend
from landcover.analysis.change.places import place_file, places_of
from landcover.analysis.ground import Ground
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Area, Codes, Size
from landcover.runs.map_format.grid import MapGrid
from landcover.runs.maps.origins import Known

EDGE = 1024
"""Pixels along the sides of a block."""
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_SQUARE_METRES = 10_000.0


@dataclass(eq=False)
class Tally:
    """What was counted.

    Args:
        pairs: by class of the first and of the last date, dims (2, class, class): pixels, hectares.
        decided: of these, what changed by probability.
        dates: by date and class, dims (2, date, class).
        flicker: by the class that came back and the one between, dims (2, class, class).
        places: the blocks that have candidates.
    """

    pairs: Floats
    decided: Floats
    dates: Floats
    flicker: Floats
    places: tuple[Area, ...] = ()

    @classmethod
    def empty(cls, dates: int, classes: int) -> Tally:
        """Nothing counted yet."""
        pairs = [np.zeros((2, classes, classes)) for _ in range(3)]
        return cls(pairs[0], pairs[1], np.zeros((2, dates, classes)), pairs[2])

    def add(self, other: Tally) -> None:
        """Count what another one has counted too."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


@dataclass(frozen=True)
class Comparison:
    """Maps that are compared, in a few hundred bytes that pickle.

    Args:
        dates: the maps, the first date first.
        evidence: what the labels of each are worth.
        grid: of the first one, on which all are seen.
        rule: how changes are told from errors.
        legend: the codes of transitions.
    """

    dates: tuple[Dated, ...]
    evidence: tuple[Evidence, ...]
    grid: MapGrid
    rule: Rule
    legend: Legend

    def areas(self) -> Iterator[Area]:
        """The blocks, row after row."""
        whole = Size(self.grid.height, self.grid.width).area
        for row in range(0, whole.row1, EDGE):
            for col in range(0, whole.col1, EDGE):
                yield Area(row, row + EDGE, col, col + EDGE).overlap(whole)

    def judged(self, area: Area) -> tuple[list[Labels], Judged]:
        """The labels of an area at each date, dims (y, x), and what became of its places."""
        height, width = area.shape
        around = self.grid.part(
            area.col0 - HALO, area.row0 - HALO, width + 2 * HALO, height + 2 * HALO
        )
        labels = [date.labels(around) for date in self.dates]
        pairs = zip(self.evidence, labels, strict=True)
        lazy = [_WhenAsked(one, around, own) for one, own in pairs]
        found = judge(labels, lazy, len(self.legend.classes), self.rule)
        inner = slice(HALO, HALO + height), slice(HALO, HALO + width)
        return [one[inner] for one in labels], found.part(*inner)

    def codes(self, area: Area) -> Codes:
        """The map of changes in an area: dims (y, x)."""
        labels, judged = self.judged(area)
        return self.legend.codes(judged, labels[0], labels[-1], self.rule.threshold)

    def ground(self, area: Area) -> Floats:
        """Hectares of each pixel: dims (y, x), or what broadcasts to them."""
        height, width = area.shape
        metres: Floats = _ground(self.grid).pixels(area.col0, area.row0, width, height)
        return metres / _SQUARE_METRES


class _WhenAsked:
    """Evidence that is read where there is anything to weigh."""

    def __init__(self, evidence: Evidence, grid: MapGrid, labels: Labels) -> None:
        self._evidence, self._grid, self._labels = evidence, grid, labels

    def __call__(self, places: npt.NDArray[np.intp]) -> Vectors:
        return self._held(places)

    @cached_property
    def _held(self) -> VectorsAt:
        return self._evidence.on(self._grid, self._labels)


@dataclass(frozen=True)
class CompareBlock:
    """Counts what became of the places of a block, and writes down its candidates.

    Args:
        comparison: the maps.
        output: where the candidates go.
        wanted: codes of the transitions that are candidates.
    """

    comparison: Comparison
    output: RunDirectory
    wanted: frozenset[int]

    def __call__(self, area: Area) -> Tally:
        """Compare a block.

        Raises:
            OutputError: if a map cannot be read, or the candidates not be written.
        """
        labels, judged = self.comparison.judged(area)
        hectares, legend = self.comparison.ground(area), self.comparison.legend
        tally = _tally(labels, judged, hectares, len(legend.classes), self.comparison.rule)
        codes = legend.codes(judged, labels[0], labels[-1], self.comparison.rule.threshold)
        codes[~np.isin(codes, list(self.wanted))] = 0
        if codes.any():
            content = places_of(codes, judged, hectares, area)
            self.output.storage.put(place_file(area), content)
            tally.places = (area,)
        return tally


def _tally(
    labels: list[Labels], judged: Judged, hectares: Floats, classes: int, rule: Rule
) -> Tally:
    known = judged.known
    spread = np.broadcast_to(hectares, known.shape)
    ground = hectares if hectares.size == 1 else spread[known]
    first, last = labels[0][known].astype(np.intp), labels[-1][known].astype(np.intp)
    decided = (judged.changed & (judged.score >= rule.threshold))[known]
    flicker = judged.flicker[known]
    other = judged.other[known].astype(np.intp)
    pair = first * classes + last

    def counted(index: npt.NDArray[np.intp], some: npt.NDArray[np.bool_] | None = None) -> Floats:
        of = ground if some is None or ground.size == 1 else ground[some]
        pixels = np.bincount(index, minlength=classes**2).astype(np.float64)
        if ground.size == 1:
            return np.stack([pixels, pixels * float(ground.flat[0])])
        return np.stack([pixels, np.bincount(index, of, minlength=classes**2)])

    dates = [counted(one[known].astype(np.intp))[:, :classes] for one in labels]
    square = 2, classes, classes
    return Tally(
        pairs=counted(pair).reshape(square),
        decided=counted(pair[decided], decided).reshape(square),
        dates=np.stack(dates, axis=1),
        flicker=counted((last * classes + other)[flicker], flicker).reshape(square),
    )


@dataclass(frozen=True)
class ChangeMap:
    """The map of changes: what its pixels come from.

    Args:
        comparison: the maps that are compared.
    """

    comparison: Comparison

    def read(self, run: RunDirectory, size: Size, area: Area) -> Known:
        """Some pixels of it."""
        codes = np.empty(area.shape, self.comparison.legend.scheme.dtype)
        for part in _strips(area):
            codes[part.within(area)] = self.comparison.codes(part)
        return Known(codes, area)


@dataclass(frozen=True)
class DateMap:
    """The map of one date on the grid of the first one.

    Args:
        date: the map.
        grid: that grid.
    """

    date: Dated
    grid: MapGrid

    def read(self, run: RunDirectory, size: Size, area: Area) -> Known:
        """Some pixels of it."""
        scheme = self.date.run.scheme
        table = np.array([*scheme.codes, scheme.nodata], scheme.dtype)
        codes = np.empty(area.shape, scheme.dtype)
        for part in _strips(area):
            height, width = part.shape
            labels = self.date.labels(self.grid.part(part.col0, part.row0, width, height))
            codes[part.within(area)] = table[labels]
        return Known(codes, area)


def _strips(area: Area) -> Iterator[Area]:
    """An area in blocks."""
    for row in range(area.row0, area.row1, EDGE):
        for col in range(area.col0, area.col1, EDGE):
            yield Area(row, row + EDGE, col, col + EDGE).overlap(area)


_ground = lru_cache(64)(Ground)
