"""How much ground of a run's map is of each class, as a whole or zone by zone."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from landcover.analysis.ground import Ground
from landcover.analysis.map_blocks import Block, Progress, map_blocks, map_names, no_progress
from landcover.analysis.zones import Zones, read_zones
from landcover.errors import OutputError
from landcover.runs.directory import RunDirectory

_HECTARE = 10_000.0  # square metres


def areas(
    run: RunDirectory,
    by: str | os.PathLike[str] | None = None,
    field: str | None = None,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """How much ground is of each class.

    Areas are those on the ground (:class:`landcover.analysis.ground.Ground` says how). Ground that
    several scenes show counts once, as the map shows it: the first listed scene that has a class there
    wins. Where a network labels tiles, each is one pixel of the map and counts as a whole, also where
    it reaches beyond its scene. A pixel belongs to a zone if its centre does; zones may overlap.

    Args:
        run: the directory of a run that is done, with a map.
        by: a vector file of polygons; None: the map as a whole.
        field: the column that names a zone; None: "name", else zones are numbered from 1.
        progress: called after each block of the map.

    Returns:
        a row a class, in the order of the scheme, indexed by ``class``, or by ``zone`` and ``class``;
        with ``code``, ``pixels`` (of the map), ``hectares``, and ``share`` of the ground that has a
        class, in [0, 1] (NaN in a zone of which nothing is mapped).

    Raises:
        OutputError: if the run is not done or has no map, or it cannot be read.
        SourceError: if the zones cannot be read.
        MissingExtra: if zones are asked for and geopandas is not installed.
    """
    map_names(run)
    zones = read_zones(by, field) if by is not None else None
    groups = len(zones.names) if zones else 1
    counts = np.zeros((groups, len(run.scheme) + 1), np.int64)
    metres = np.zeros((groups, len(run.scheme) + 1))
    for block in map_blocks(run, progress):
        for group, index, areas_of in _parts(block, zones):
            found, ground = _counted(index, areas_of, len(run.scheme))
            counts[group] += found
            metres[group] += ground
    if not np.isfinite(metres[:, :-1]).all():
        raise OutputError(run.path, "its map has classes where its CRS has no place on the earth")
    return _table(run, zones, counts[:, :-1], metres[:, :-1] / _HECTARE)


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
