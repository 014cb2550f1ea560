"""A confusion matrix, and what follows from it.

Definitions: R. G. Congalton, "A review of assessing the accuracy of classifications of remotely
sensed data", Remote Sensing of Environment 37 (1991). All figures count tiles, pixels or points:
they say how good the labels of these are, and of a larger area only if they were drawn at random from
it (then :func:`landcover.stratified_estimates` says how sure one can be).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

Shares = npt.NDArray[np.float64]
_FIGURES = ("producers", "users", "f1", "iou")


@dataclass(frozen=True, eq=False)
class Accuracy:
    """A confusion matrix and what follows from it.

    Args:
        names: the classes, n of them: those of the model, then those that only the reference has.
        matrix: dims (reference, label), n x n: how many tiles, pixels or points.
        without: how many have no reference; they count for nothing.
        unit: what is counted: "tiles", "pixels" or "points".
    """

    names: tuple[str, ...]
    matrix: npt.NDArray[np.int64]
    without: int = 0
    unit: str = "tiles"

    @property
    def total(self) -> int:
        """How many tiles, pixels or points have a reference."""
        return int(self.matrix.sum())

    @property
    def overall(self) -> float:
        """The share of labels that are the reference; NaN where there are none."""
        return float(_share(np.trace(self.matrix), self.matrix.sum()))

    @property
    def producers(self) -> Shares:
        """Of what is of a class, the share labelled so (recall), per class.

        NaN for a class that the reference does not have.
        """
        return _share(self.matrix.diagonal(), self.matrix.sum(axis=1))

    @property
    def users(self) -> Shares:
        """Of what is labelled as a class, the share that is so (precision), per class.

        NaN for a class that nothing was labelled as.
        """
        return _share(self.matrix.diagonal(), self.matrix.sum(axis=0))

    @property
    def f1(self) -> Shares:
        """The harmonic mean of producer's and user's accuracy; NaN for a class not seen at all."""
        return _share(2 * self.matrix.diagonal(), self._seen)

    @property
    def iou(self) -> Shares:
        """Intersection over union of label and reference; NaN for a class not seen at all."""
        return _share(self.matrix.diagonal(), self._seen - self.matrix.diagonal())

    @property
    def kappa(self) -> float:
        """Cohen's kappa: how much of what chance would leave wrong is right; at most 1.

        NaN where chance leaves nothing wrong (a single class), or there are no labels.
        """
        total = float(self.total)
        chance = (
            (self.matrix.sum(axis=0) / total) @ (self.matrix.sum(axis=1) / total) if total else 1
        )
        return float(_share(self.overall - chance, 1 - chance))

    @property
    def text(self) -> str:
        """The figures as a small table for people; classes not seen at all are left out."""
        width = max(len(name) for name in (*self.names, "class"))
        said = f"overall accuracy {self.overall:.1%} of {self.total:,} {self.unit}"
        lines = [said if np.isnan(self.kappa) else f"{said}, kappa {self.kappa:.3f}"]
        lines += [f"{'class':{width}}  producer's  user's     F1     IoU {self.unit:>9}"]
        counts = self.matrix.sum(axis=1)
        figures = zip(
            self.names, self.producers, self.users, self.f1, self.iou, counts, strict=True
        )
        for name, producer, user, f1, iou, count in figures:
            if not np.isnan(f1):
                shares = f"{_percent(producer):>10}  {_percent(user):>6} {_percent(f1):>6}"
                lines.append(f"{name:{width}}  {shares} {_percent(iou):>7} {count:>9,}")
        if self.without:
            lines.append(f"{self.without:,} {self.unit} have no reference")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """All figures as plain JSON values, for ``run.json``; null where one is not defined."""
        per_class = {name: getattr(self, name) for name in _FIGURES}
        return {
            self.unit: self.total,
            "without_reference": self.without,
            "overall": _plain(self.overall),
            "kappa": _plain(self.kappa),
            "classes": list(self.names),
            "matrix": self.matrix.tolist(),
            **{name: [_plain(value) for value in values] for name, values in per_class.items()},
            "text": self.text,
        }

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text)}</pre>"

    @property
    def _seen(self) -> npt.NDArray[np.int64]:
        """How often each class is a label, and how often the reference."""
        return np.asarray(self.matrix.sum(axis=0) + self.matrix.sum(axis=1), np.int64)


def _share(part: Any, whole: Any) -> Shares:
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    shares: Shares = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return shares


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{share:.1%}"


def _plain(share: float) -> float | None:
    return None if np.isnan(share) else round(float(share), 6)
