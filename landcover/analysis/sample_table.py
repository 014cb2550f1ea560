"""A stratified sample as a table: whether it can be one, and how often each pair of labels is in it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from landcover.classes import LONGEST_NAME
from landcover.errors import ConfigError

Numbers = npt.NDArray[np.intp]
COLUMNS = ("stratum", "mapped", "reference")
_SHOWN = 5
_WHAT = "the sample"


@dataclass(frozen=True, eq=False)
class Counted:
    """A sample as numbers.

    Args:
        strata: their names.
        sizes: dims (stratum,): of the strata.
        stratum: dims (point,): which one each is of.
        mapped: dims (point,): which class each is mapped as.
        reference: dims (point,): which class each is.
        classes: their names, in no order.
        is_by_class: whether every point is mapped as the class its stratum is called after.
    """

    strata: list[Hashable]
    sizes: npt.NDArray[np.float64]
    stratum: Numbers
    mapped: Numbers
    reference: Numbers
    classes: list[Hashable]
    is_by_class: bool

    @property
    def points(self) -> npt.NDArray[np.float64]:
        """Of each stratum, dims (stratum,)."""
        return self._counts(np.zeros_like(self.stratum), 1)[:, 0]

    def mapped_as(self, classes: list[Hashable]) -> npt.NDArray[np.float64]:
        """Points that are mapped as each of some classes: dims (stratum, class)."""
        return self._counts(self._placed(classes)[self.mapped], len(classes))

    def referred_as(self, classes: list[Hashable]) -> npt.NDArray[np.float64]:
        """Points that are of each of some classes: dims (stratum, class)."""
        return self._counts(self._placed(classes)[self.reference], len(classes))

    def right(self, classes: list[Hashable]) -> npt.NDArray[np.float64]:
        """Points that are mapped as what they are, of each of some classes: dims (stratum, class)."""
        right = self.mapped == self.reference
        return self._counts(self._placed(classes)[self.mapped], len(classes), right)

    def pairs(self, classes: list[Hashable]) -> npt.NDArray[np.float64]:
        """Points that are mapped as one class and are of another: dims (stratum, mapped and reference),
        the reference the faster."""
        placed, count = self._placed(classes), len(classes)
        return self._counts(placed[self.mapped] * count + placed[self.reference], count**2)

    def _placed(self, classes: list[Hashable]) -> Numbers:
        places = _places(classes)
        return np.array([places[name] for name in self.classes], np.intp)

    def _counts(
        self, what: Numbers, kinds: int, some: npt.NDArray[np.bool_] | slice = slice(None)
    ) -> npt.NDArray[np.float64]:
        shape = len(self.strata), kinds
        cells = (self.stratum * kinds + what)[some]
        return np.bincount(cells, minlength=shape[0] * kinds).reshape(shape).astype(np.float64)


def counted(sample: pd.DataFrame, strata: Mapping[Hashable, float]) -> Counted:
    """Make numbers of a sample.

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
    sizes = dict(strata.items())  # of a pandas Series too
    mistakes = _mistakes_of_labels(columns) or _mistakes_of_strata(columns[0], sizes)
    if len(sizes) < len(strata):
        twice = [
            name for name, times in Counter(name for name, _ in strata.items()).items() if times > 1
        ]
        mistakes.append(f"stratum {_listed(twice)} has several sizes")
    if mistakes:
        raise ConfigError(mistakes, _WHAT)
    stratum, mapped, reference = columns
    names = list(sizes)
    by_class = bool((stratum.labels[stratum.codes] == mapped.labels[mapped.codes]).all())
    classes = list(dict.fromkeys((*(names if by_class else ()), *mapped.labels, *reference.labels)))
    placed = stratum.placed(names), mapped.placed(classes), reference.placed(classes)
    return Counted(
        names, np.array([float(sizes[name]) for name in names]), *placed, classes, by_class
    )


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
    codes: Numbers
    labels: npt.NDArray[Any]

    @classmethod
    def of(cls, name: str, values: pd.Series[Any]) -> _Column:
        plain = values.astype(object)
        blank = [isinstance(value, str) and not value.strip() for value in plain]
        codes, labels = pd.factorize(plain.mask(np.array(blank, np.bool_)))
        return cls(name, codes, np.asarray(labels, object))

    @property
    def is_numeric(self) -> bool:
        return all(isinstance(label, Number) for label in self.labels)

    def placed(self, names: list[Hashable]) -> Numbers:
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
        longest = max((len(str(label)) for label in column.labels), default=0)
        if longest > LONGEST_NAME:
            told = f"column {column.name!r} has names of {longest:,} characters"
            mistakes.append(f"{told}; the most is {LONGEST_NAME}")
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
    mistakes = [f"stratum {_listed(names)} {what}" for what, names in said.items() if names]
    if not mistakes and not math.isfinite(sum(float(size) for size in strata.values())):
        mistakes.append(
            "the sizes of the strata are too large to be added: give them in a larger unit"
        )
    return mistakes


def _is_size(size: Any) -> bool:
    return isinstance(size, Number) and math.isfinite(float(size)) and float(size) > 0  # type: ignore[arg-type]


def _listed(names: list[Hashable]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more
