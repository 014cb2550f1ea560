"""How often the labels of a run agree with what is held to be true.

Definitions: R. G. Congalton, "A review of assessing the accuracy of classifications of remotely
sensed data", Remote Sensing of Environment 37 (1991). All figures count tiles: they say how good
the labels of these tiles are, and of a larger area only if the tiles were drawn at random from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landcover.classes import Scheme
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import read_parts

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Accuracy:
    """A confusion matrix and what follows from it.

    Args:
        names: the classes, n of them: those of the model, then those that only the reference has.
        matrix: dims (reference, label), n x n: how many tiles.
        without: how many tiles have no reference; they count for nothing.
    """

    names: tuple[str, ...]
    matrix: npt.NDArray[np.int64]
    without: int = 0

    @property
    def tiles(self) -> int:
        """How many tiles have a reference."""
        return int(self.matrix.sum())

    @property
    def overall(self) -> float:
        """The share of tiles whose label is the reference; NaN where there are none."""
        return float(_share(np.trace(self.matrix), self.matrix.sum()))

    @property
    def producers(self) -> Shares:
        """Of the tiles that are of a class, the share labelled so (recall), per class.

        NaN for a class that the reference does not have.
        """
        return _share(self.matrix.diagonal(), self.matrix.sum(axis=1))

    @property
    def users(self) -> Shares:
        """Of the tiles labelled as a class, the share that is so (precision), per class.

        NaN for a class that no tile was labelled as.
        """
        return _share(self.matrix.diagonal(), self.matrix.sum(axis=0))

    @property
    def f1(self) -> Shares:
        """The harmonic mean of producer's and user's accuracy; NaN for a class not seen at all."""
        seen = self.matrix.sum(axis=0) + self.matrix.sum(axis=1)
        return _share(2 * self.matrix.diagonal(), seen)

    @property
    def text(self) -> str:
        """The figures as a small table for people; classes not seen at all are left out."""
        width = max(len(name) for name in (*self.names, "class"))
        lines = [f"overall accuracy {self.overall:.1%} of {self.tiles:,} tiles"]
        lines += [f"{'class':{width}}  producer's  user's     F1   tiles"]
        figures = zip(self.names, self.producers, self.users, self.f1, self._tiles, strict=True)
        for name, producer, user, f1, tiles in figures:
            if not np.isnan(f1):
                shares = f"{_percent(producer):>10}  {_percent(user):>6} {_percent(f1):>6}"
                lines.append(f"{name:{width}}  {shares} {tiles:>7,}")
        if self.without:
            lines.append(f"{self.without:,} tiles have no reference")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """All figures as plain JSON values, for ``run.json``; null where one is not defined."""
        per_class = {name: getattr(self, name) for name in ("producers", "users", "f1")}
        return {
            "tiles": self.tiles,
            "without_reference": self.without,
            "overall": _plain(self.overall),
            "classes": list(self.names),
            "matrix": self.matrix.tolist(),
            **{name: [_plain(value) for value in values] for name, values in per_class.items()},
            "text": self.text,
        }

    @property
    def _tiles(self) -> npt.NDArray[np.int64]:
        return np.asarray(self.matrix.sum(axis=1), np.int64)


def accuracy(run: RunDirectory) -> Accuracy | None:
    """Compare the labels of a run with the true labels that its tiles carry.

    Returns:
        the figures; None where no tile has a true label.

    Raises:
        OutputError: if a part cannot be read.
    """
    found = confusion(read_parts(run, columns=["label", "true_label"]), run.scheme)
    return found if found.tiles else None


def confusion(tables: Iterable[pa.Table], scheme: Scheme) -> Accuracy:
    """Count which labels tiles of each reference class got, one table after the other.

    A true label is a class of the scheme if it is the class's name, whatever the case, or its code:
    the folders of labelled images are often named by codes.

    Args:
        tables: with columns ``label`` and ``true_label``.
        scheme: the classes of ``label``.
    """
    pairs: Counter[tuple[str | None, str]] = Counter()
    for table in tables:
        counts = table.group_by(["true_label", "label"]).aggregate([([], "count_all")])
        for row in counts.to_pylist():
            pairs[row["true_label"], row["label"]] += row["count_all"]
    without = sum(count for (true, _), count in pairs.items() if true is None)
    known = {str(item.code): item.name for item in scheme}
    known |= {item.name.casefold(): item.name for item in scheme}
    named = {true: known.get(true.casefold(), true) for true, _ in pairs if true is not None}
    names = (*scheme.names, *sorted(set(named.values()) - set(scheme.names)))
    index = {name: i for i, name in enumerate(names)}
    matrix = np.zeros((len(names), len(names)), np.int64)
    for (true, label), count in pairs.items():
        if true is not None:
            matrix[index[named[true]], index[label]] += count
    return Accuracy(names, matrix, without)


def _share(part: Any, whole: Any) -> Shares:
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    shares: Shares = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return shares


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{share:.1%}"


def _plain(share: float) -> float | None:
    return None if np.isnan(share) else round(float(share), 6)
