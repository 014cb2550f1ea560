"""How much ground of a run's map is of each class, as a whole or zone by zone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pandas as pd

from landcover.analysis.dated import DatedRun, dated_runs, names_of
from landcover.analysis.ground import Ground
from landcover.analysis.map_blocks import (
    EDGE,
    Block,
    Progress,
    grid_of,
    map_names,
    map_view,
    no_progress,
    opened_map,
)
from landcover.analysis.zones import Zones, read_zones
from landcover.contracts import Backend, Lost
from landcover.errors import OutputError
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.grid import MapGrid

_HECTARE = 10_000.0  # square metres


def areas(
    run: RunDirectory,
    by: str | os.PathLike[str] | None = None,
    field: str | None = None,
    progress: Progress = no_progress,
    pool: Backend | None = None,
) -> pd.DataFrame:
    """How much ground is of each class.

    Areas are those on the ground (:class:`landcover.analysis.ground.Ground` says how). Ground that
    several scenes show counts once, as the map shows it (``output.overlap``). Where a network labels
    tiles, each is one pixel of the map and counts as a whole, also where it reaches beyond its scene. A pixel belongs to a zone if its centre does; zones may overlap.

    Args:
        run: the directory of a run that is done, with a map.
        by: a vector file of polygons; None: the map as a whole. Workers read it by the same name.
        field: the column that names a zone; None: "name", else zones are numbered from 1.
        progress: called with how many rows of blocks of the map are done, and how many there are.
        pool: whose workers do it; None: this process, one row of blocks after the other.

    Returns:
        a row a class, in the order of the scheme, indexed by ``class``, or by ``zone`` and ``class``;
        with ``code``, ``pixels`` (of the map), ``hectares``, and ``share`` of the ground that has a
        class, in [0, 1] (NaN in a zone of which nothing is mapped). Of a run over scenes of several
        dates that was opened for none, the same for each ``date``, which is the first level then.

    Raises:
        OutputError: if the run is not done or has no map, or it cannot be read.
        SourceError: if the zones cannot be read.
        MissingExtra: if zones are asked for and geopandas is not installed.
    """
    return areas_of(dated_runs([run]), by, field, lambda _: nullcontext(progress), pool)


def areas_of(
    runs: Sequence[DatedRun],
    by: str | os.PathLike[str] | None = None,
    field: str | None = None,
    watch: Watch = lambda _: nullcontext(no_progress),
    pool: Backend | None = None,
) -> pd.DataFrame:
    """How much ground of some runs is of each class, in one table.

    Args:
        runs: of which each may be one date of a run over several.
        by: as :func:`areas` has it, and so have ``field`` and ``pool``.
        watch: called with what a run is called; shows how far it has come.

    Returns:
        of a single run what :func:`areas` says; of several the same, with a first level ``date`` where
        all have one and no two the same, else ``run``, with what runs are called.
    """
    zones = None if by is None else _Zoned(os.fspath(by), field)
    names = names_of(runs)
    tables = []
    for name, (run, _) in zip(names, runs, strict=True):
        with watch(name) as progress:
            tables.append(_areas(run, zones, progress, pool))
    if len(tables) == 1:
        return tables[0]
    dates = [one.date for one in runs]
    dated = all(dates) and len({*dates}) == len(dates)
    return pd.concat(tables, keys=dates if dated else names, names=["date" if dated else "run"])


Watch = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class _Zoned:
    """Zones by the name of their file, which every process reads once for each table."""

    path: str
    column: str | None
    table: str = field(default_factory=lambda: uuid4().hex)

    def read(self) -> Zones:
        return _read(self)


@lru_cache(2)
def _read(zoned: _Zoned) -> Zones:
    return read_zones(zoned.path, zoned.column)


def _areas(
    run: RunDirectory, zoned: _Zoned | None, progress: Progress, pool: Backend | None
) -> pd.DataFrame:
    names = tuple(map_names(run))
    zones = zoned.read() if zoned else None
    rows = [
        _Rows(number, row, row + EDGE)
        for number, grid in enumerate(_grids(run, names))
        for row in range(0, grid.height, EDGE)
    ]
    work = _Measure(run, names, zoned)
    groups = len(zones.names) if zones else 1
    counts = np.zeros((groups, len(run.scheme)), np.int64)
    metres = np.zeros((groups, len(run.scheme)))
    for done, found in enumerate(_in_order(run, work, rows, pool), 1):
        counts += found.counts
        metres += found.metres
        progress(done, len(rows))
    if not np.isfinite(metres).all():
        raise OutputError(run.path, "its map has classes where its CRS has no place on the earth")
    return _table(run, zones, counts, metres / _HECTARE)


class _Rows(NamedTuple):
    """Some rows of one of a run's maps: which map, the first, and the one after the last."""

    number: int
    first: int
    last: int


class _Measured(NamedTuple):
    """What was counted in some rows: dims (group, class), both.

    Args:
        rows: which.
        counts: pixels.
        metres: square metres.
    """

    rows: _Rows
    counts: npt.NDArray[np.int64]
    metres: npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Measure:
    """Measures some rows of one of a run's maps."""

    run: RunDirectory
    names: tuple[str, ...]
    zoned: _Zoned | None

    def __call__(self, rows: _Rows) -> _Measured:
        """Measure.

        Raises:
            OutputError: if the map cannot be read.
        """
        zones = self.zoned.read() if self.zoned else None
        groups, classes = len(zones.names) if zones else 1, len(self.run.scheme)
        counts, metres = np.zeros((groups, classes + 1), np.int64), np.zeros((groups, classes + 1))
        with map_view(self.run, self.names[: rows.number + 1]) as view:
            for block in view.blocks(rows.first, rows.last):
                for group, index, areas_of in _parts(block, zones):
                    found, ground = _counted(index, areas_of, classes)
                    counts[group] += found
                    metres[group] += ground
        return _Measured(rows, counts[:, :-1], metres[:, :-1])


def _in_order(
    run: RunDirectory, work: _Measure, items: Sequence[_Rows], pool: Backend | None
) -> Iterator[_Measured]:
    """What was counted, from top to bottom, so that sums are the same whoever was quicker."""
    waiting: dict[_Rows, _Measured] = {}
    results = iter(pool.map(work, items) if pool else map(work, items))
    for rows in items:
        while rows not in waiting:
            found = next(results)
            if isinstance(found, Lost):
                raise OutputError(run.path, f"cannot be measured: {found.reason}")
            waiting[found.rows] = found
        yield waiting.pop(rows)


def _grids(run: RunDirectory, names: Sequence[str]) -> Iterator[MapGrid]:
    for name in names:
        with opened_map(run, name) as file:
            yield grid_of(file)


def _parts(block: Block, zones: Zones | None) -> Any:
    """The group, class index and square metres of the pixels that count; nodata where they do not."""
    height, width = block.classes.shape
    ground = _ground(block.grid).pixels(block.col, block.row, width, height)
    if zones is None:
        yield 0, block.classes, ground
        return
    spread = np.broadcast_to(ground, block.classes.shape)
    for number, at, inside in zones.within(block):
        yield (
            number,
            block.classes[at][inside],
            (ground if ground.size == 1 else spread[at][inside]),
        )


def _counted(
    index: npt.NDArray[np.intp], ground: npt.NDArray[np.float64], classes: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Pixels and square metres of each class, nodata last."""
    counts = np.bincount(index.ravel(), minlength=classes + 1)
    if ground.size == 1:
        return counts, counts.astype(np.float64) * float(ground.flat[0])
    known = index < classes  # what has no class may lie where nothing has an area
    metres = np.bincount(index[known], ground[known], minlength=classes + 1)
    return counts, np.asarray(metres, np.float64)


def _table(
    run: RunDirectory,
    zones: Zones | None,
    counts: npt.NDArray[np.int64],
    hectares: npt.NDArray[np.float64],
) -> pd.DataFrame:
    totals = hectares.sum(axis=1, keepdims=True)
    shares = np.divide(hectares, totals, out=np.full_like(hectares, np.nan), where=totals > 0)
    names = list(run.scheme.names)
    index: pd.Index[Any] = pd.Index(names, name="class")
    if zones is not None:
        index = pd.MultiIndex.from_product([zones.names, names], names=["zone", "class"])
    columns = {
        "code": np.tile(run.scheme.codes, len(counts)),
        "pixels": counts.ravel(),
        "hectares": hectares.ravel(),
        "share": shares.ravel(),
    }
    return pd.DataFrame(columns, index=index)


_ground = lru_cache(64)(Ground)
