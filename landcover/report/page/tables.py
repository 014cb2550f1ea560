"""The figures of the report as rows, ready to be written into tables of HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from landcover.analysis.accuracy import Accuracy
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import read_parts

MOST_CLASSES = 40
"""Rows of a confusion matrix that people can still read."""


@dataclass(frozen=True)
class Figure:
    """An estimate with half the width of its 95 % interval; None where nothing can be said."""

    value: float | None
    half: float | None = None


@dataclass(frozen=True)
class AreaRow:
    """How much of the ground is of a class.

    Args:
        name: of the class.
        color: "#rrggbb"; "" for a class that only a sample has.
        mapped: of each run hectares of its map, None where it has no such class.
        shares: of each run, in [0, 1].
        estimated: of each run hectares by its sample; None for a run without one.
    """

    name: str
    color: str
    mapped: list[float | None]
    shares: list[float | None]
    estimated: list[Figure | None]


@dataclass(frozen=True)
class MatrixRow:
    """A reference class and what it was labelled as.

    Args:
        name: of the class.
        cells: how many, and how dark in tenths of the row: by label.
        producers: share of the row that is right.
        users: share of the column that is right.
        f1: harmonic mean of the two.
        iou: intersection over union.
        total: of the row.
    """

    name: str
    cells: list[tuple[int, int]]
    producers: float
    users: float
    f1: float
    iou: float
    total: int


def area_rows(
    tables: Sequence[pd.DataFrame], colors: dict[str, str], estimates: Sequence[pd.DataFrame | None]
) -> list[AreaRow]:
    """A row for each class that some run has or some sample refers to.

    Args:
        tables: of each run, as :func:`landcover.analysis.areas.areas` returns it.
        colors: of the classes, by name.
        estimates: of each run the areas of :class:`landcover.analysis.stratified.Estimates`.
    """
    names: dict[str, None] = {}
    for table, estimated in zip(tables, estimates, strict=True):
        names |= dict.fromkeys(map(str, table.index[table["pixels"] > 0]))
        if estimated is not None:
            names |= dict.fromkeys(map(str, estimated.index))
    return [
        AreaRow(
            name,
            colors.get(name, ""),
            [_cell(table, name, "hectares") for table in tables],
            [_cell(table, name, "share") for table in tables],
            [None if one is None else estimate(one, name) for one in estimates],
        )
        for name in names
    ]


def estimate(table: pd.DataFrame, name: str) -> Figure:
    """A row of estimates."""
    value, low, high = (_cell(table, name, column) for column in ("estimate", "low", "high"))
    half = None if low is None or high is None else (high - low) / 2
    return Figure(value, half)


def matrix_rows(found: Accuracy) -> list[MatrixRow]:
    """A row for each class that occurs; at most 40 of them, those with the most."""
    often = found.matrix.sum(axis=0) + found.matrix.sum(axis=1)
    kept = sorted(np.argsort(-often, kind="stable")[:MOST_CLASSES].tolist())
    kept = [index for index in kept if often[index]]
    rows = []
    for index in kept:
        total = int(found.matrix[index].sum())
        counts = [int(found.matrix[index, other]) for other in kept]
        rows.append(
            MatrixRow(
                found.names[index],
                [(count, -(-10 * count // total) if total else 0) for count in counts],
                float(found.producers[index]),
                float(found.users[index]),
                float(found.f1[index]),
                float(found.iou[index]),
                total,
            )
        )
    return rows


def counted_labels(run: RunDirectory) -> Counter[str]:
    """How many tiles have each label: all that a run of image files can say of amounts.

    Raises:
        OutputError: if a part of the table cannot be read.
    """
    counts: Counter[str] = Counter()
    for table in read_parts(run, columns=["label"]):
        for row in table.group_by("label").aggregate([([], "count_all")]).to_pylist():
            counts[str(row["label"])] += row["count_all"]
    return counts


def _cell(table: pd.DataFrame, name: str, column: str) -> float | None:
    if name not in table.index:
        return None
    value = float(table[column].loc[name])
    return value if np.isfinite(value) else None
