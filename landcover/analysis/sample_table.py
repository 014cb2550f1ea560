"""A stratified sample as a table: whether it can be one, and how often each pair of labels is in it."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from landcover.errors import ConfigError

COLUMNS = ("stratum", "mapped", "reference")
_SHOWN = 5
_WHAT = "the sample"


@dataclass(frozen=True, eq=False)
class Counted:
    """How often each pair of labels was found in each stratum.

    Args:
        cells: dims (stratum, mapped, reference): points.
        sizes: dims (stratum,): of the strata.
        classes: names of the classes, for both of the last dims.
        is_by_class: whether every point is mapped as the class its stratum is called after.
    """

    cells: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.float64]
    classes: list[Hashable]
    is_by_class: bool

    @property
    def points(self) -> npt.NDArray[np.float64]:
        """Of each stratum, dims (stratum,)."""
        points: npt.NDArray[np.float64] = self.cells.sum(axis=(1, 2))
        return points


def counted(sample: pd.DataFrame, strata: Mapping[Hashable, float]) -> Counted:
    """Count the pairs of labels of a sample.

    Args:
        sample: with columns ``stratum``, ``mapped`` and ``reference``.
        strata: the size of each stratum.

    Raises:
        ConfigError: if they do not make a stratified random sample.
    """
    absent = [name for name in COLUMNS if name not in sample.columns]
    if absent:
        found = ", ".join(map(repr, sample.columns)) or "none"
        raise ConfigError(
            [f"column {name!r} is missing: there is {found}" for name in absent], _WHAT
        )
    columns = [_Column.of(name, sample[name]) for name in COLUMNS]
    mistakes = _mistakes_of_labels(columns) or _mistakes_of_strata(columns[0], strata)
    if mistakes:
        raise ConfigError(mistakes, _WHAT)
    stratum, mapped, reference = columns
    names = list(strata)
    by_class = bool((stratum.labels[stratum.codes] == mapped.labels[mapped.codes]).all())
    classes = list(dict.fromkeys((*(names if by_class else ()), *mapped.labels, *reference.labels)))
    cells = np.zeros((len(names), len(classes), len(classes)))
    at = stratum.placed(names), mapped.placed(classes), reference.placed(classes)
    np.add.at(cells, at, 1)
    sizes = np.array([float(strata[name]) for name in names])
    return Counted(cells, sizes, classes, by_class)


def class_order(classes: Iterable[Hashable], first: Iterable[Hashable] = ()) -> list[Hashable]:
    """Classes as people expect them.

    Args:
        classes: their names, or codes.
        first: names that come first, in their order, unless all classes are numbers.

    Returns:
        numbers in their order; else those of ``first`` and then the others by name, with numbers
        inside of names counted as such.
    """
    names = list(classes)
    if all(re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", str(name)) for name in names):
        return sorted(names, key=lambda name: (float(str(name)), str(name)))
    place = _places(list(first))
    return sorted(names, key=lambda name: (place.get(name, len(place)), _natural(name)))


def _natural(name: Hashable) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", str(name))  # words and numbers by turns
    return [(int(part), "") if odd % 2 else (-1, part) for odd, part in enumerate(parts)]


def _places(names: list[Hashable]) -> dict[Hashable, int]:
    return {name: place for place, name in enumerate(names)}


@dataclass(frozen=True, eq=False)
class _Column:
    """A column as few labels and many numbers.

    Args:
        name: of the column.
        codes: dims (point,): which label each has, -1 for none.
        labels: dims (label,), as they are.
    """

    name: str
    codes: npt.NDArray[np.intp]
    labels: npt.NDArray[Any]

    @classmethod
    def of(cls, name: str, values: pd.Series[Any]) -> _Column:
        codes, labels = pd.factorize(values)
        return cls(name, codes, np.asarray(labels, object))

    @property
    def is_numeric(self) -> bool:
        return all(isinstance(label, Number) for label in self.labels)

    def placed(self, names: list[Hashable]) -> npt.NDArray[np.intp]:
        """Where the label of each point stands in a list: dims (point,)."""
        places = _places(names)
        return np.array([places[label] for label in self.labels], np.intp)[self.codes]


def _mistakes_of_labels(columns: list[_Column]) -> list[str]:
    points = len(columns[0].codes)
    if not points:
        return ["it has no points"]
    mistakes = []
    for column in columns:
        missing = int((column.codes < 0).sum())
        if missing:
            told = f"{missing} of {points} points have no label in column {column.name!r}"
            mistakes.append(f"{told}: every point that was drawn needs one")
    numeric, named = (
        [column.name for column in columns[1:] if column.is_numeric is kind]
        for kind in (True, False)
    )
    if numeric and named and not mistakes:
        mistakes.append(f"column {numeric[0]!r} has numbers and column {named[0]!r} has names")
    return mistakes


def _mistakes_of_strata(column: _Column, strata: Mapping[Hashable, float]) -> list[str]:
    counts = np.bincount(column.codes, minlength=len(column.labels)).tolist()
    points = dict(zip(column.labels.tolist(), counts, strict=True))
    said = {
        "has points, but no size": [name for name in points if name not in strata],
        "has a size, but no point: nothing is known of it": [
            name for name in strata if name not in points
        ],
        "has a single point: a standard error takes two or more": [
            name for name in strata if points.get(name) == 1
        ],
        "needs a size above 0": [name for name, size in strata.items() if not _is_size(size)],
    }
    return [f"stratum {_listed(names)} {what}" for what, names in said.items() if names]


def _is_size(size: Any) -> bool:
    return isinstance(size, Number) and math.isfinite(float(size)) and float(size) > 0  # type: ignore[arg-type]


def _listed(names: list[Hashable]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more
