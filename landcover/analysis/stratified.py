"""Accuracy and area from a stratified random sample, with standard errors.

Stehman (2014): S. V. Stehman, "Estimating area and map accuracy for stratified random sampling when
the strata are different from the map classes", International Journal of Remote Sensing 35, 4923-4939.
Olofsson (2013): P. Olofsson et al., "Making better use of accuracy data in land change studies",
Remote Sensing of Environment 129, 122-131.
Olofsson (2014): P. Olofsson et al., "Good practices for estimating area and assessing accuracy of
land change", Remote Sensing of Environment 148, 42-57.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from landcover.analysis.sample_table import Counted, class_order, counted
from landcover.errors import ConfigError

Floats = npt.NDArray[np.float64]
Z = NormalDist().inv_cdf(0.975)
"""Standard errors to each side of a 95 % interval: 1.959964, which the papers round to 1.96."""


@dataclass(frozen=True, eq=False)
class Estimates:
    """What a sample says of the whole map.

    Each table has the columns ``estimate``, ``se`` (standard error), ``low`` and ``high`` (95 %
    interval: 1.959964 standard errors to each side, not cut off at 0 or 1: a limit beyond says that the
    sample is too small for an interval of this kind). NaN where nothing can be said: the user's
    accuracy of a class that no point is mapped as, the producer's of one that none is.

    Args:
        overall: the share of the map that is right, in [0, 1]; one row, "overall".
        users: of what is mapped as a class, the share that is so; a row a class.
        producers: of what is a class, the share that is mapped so; a row a class.
        areas: how much of the ground is of each class, in the unit of the strata; a row a class.
        matrix: the error matrix as shares of the ground, in [0, 1], which add up to 1; a row for each
            pair of ``mapped`` and ``reference``.
        points: how many points the sample has.
        finite: whether variances are corrected for a finite population.
    """

    overall: pd.DataFrame
    users: pd.DataFrame
    producers: pd.DataFrame
    areas: pd.DataFrame
    matrix: pd.DataFrame
    points: int
    finite: bool

    def _repr_html_(self) -> str:
        tables = ("overall", "users", "producers", "areas")
        return "".join(f"<h4>{name}</h4>{getattr(self, name).to_html()}" for name in tables)


def stratified_estimates(
    sample: pd.DataFrame, strata: Mapping[Hashable, float], *, finite: bool | None = None
) -> Estimates:
    """Estimate accuracy and areas from a stratified random sample.

    Every quantity is a ratio R = Y / X of two totals over the strata h (Stehman 2014, equation 27,
    of which the means of equation 3 are the case x = 1), with N_h the size of a stratum, n_h its
    points, and means taken over these::

        Y = sum N_h mean(y)    X = sum N_h mean(x)
        overall accuracy       y = 1 where mapped = reference        x = 1     (equation 12)
        share of class k       y = 1 where reference = k             x = 1     (equation 14)
        share of a pair i, j   y = 1 where mapped = i, reference = j x = 1     (equation 16)
        user's accuracy of k   y = 1 where mapped = reference = k    x = 1 where mapped = k
                                                                     (equations 18 and 19)
        producer's of k        y = 1 where mapped = reference = k    x = 1 where reference = k
                                                                     (equations 22 and 23)
        variance of R          sum N_h^2 (1 - f_h) var(y - R x) / n_h / X^2
                                                                     (equations 25 to 29)

    with var the sample variance (n_h - 1 below the line). Where the strata are the classes of the
    map these are the estimators of Olofsson (2014), equations 1 to 11, and of Olofsson (2013); with a
    single stratum they are those of simple random sampling.

    The finite-population correction f_h = n_h / N_h is what the published figures differ in: those
    of Olofsson (2013, 2014) leave it out, those of Stehman (2014) have it. It needs sizes that count
    what was drawn (pixels); with sizes in hectares it would make intervals too narrow.

    Args:
        sample: a row a point, with columns ``stratum``, ``mapped`` and ``reference``. Names are
            compared as they are.
        strata: the size of each stratum, in pixels, hectares or any other unit of area.
        finite: whether variances are corrected for a finite population; None: as the papers do, not
            where all points are mapped as the class that their stratum is called after, else where
            no stratum is smaller than its sample. Say False where sizes are not counts. The result
            says which it was.

    Returns:
        tables indexed by class: those that are mapped or referred to, or that strata are called
        after where all are. In numeric order where all are numbers; else in the order of
        ``strata``, then the others by name, "class 2" before "class 10".

    Raises:
        ConfigError: if columns or labels are missing, a stratum has fewer than two points or no
            size, the strata of the sample are not those of ``strata``, or one that is to be corrected
            for has more points than it is large.
    """
    drawn = counted(sample, strata)
    corrected = _is_corrected(finite, drawn)
    ratios = _Ratios(drawn.points, drawn.sizes, drawn.points / drawn.sizes * corrected)
    classes = class_order(drawn.classes, list(strata))
    right = drawn.right(classes)
    mapped, reference = drawn.mapped_as(classes), drawn.referred_as(classes)
    every = drawn.points[:, None]
    pairs = pd.MultiIndex.from_product([classes, classes], names=["mapped", "reference"])
    return Estimates(
        overall=_table(*ratios.of(right.sum(axis=1, keepdims=True), every), _index(["overall"])),
        users=_table(*ratios.of(right, mapped), _index(classes)),
        producers=_table(*ratios.of(right, reference), _index(classes)),
        areas=_table(*ratios.of(reference, every), _index(classes), float(drawn.sizes.sum())),
        matrix=_table(*ratios.of(drawn.pairs(classes), every), pairs),
        points=int(drawn.points.sum()),
        finite=corrected,
    )


@dataclass(frozen=True, eq=False)
class _Ratios:
    """Ratios of totals, from how many points of each stratum count above and below the line.

    Args:
        points: dims (stratum,): how many were drawn.
        sizes: dims (stratum,).
        fractions: dims (stratum,): of the population that was drawn, 0 for no correction.
    """

    points: Floats
    sizes: Floats
    fractions: Floats

    def of(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Ratios and their standard errors: dims (quantity,); NaN where X is 0.

        Args:
            y: how many points count 1 above the line, dims (stratum, quantity).
            x: likewise below it, dims (stratum, quantity or 1); those of ``y`` are among them.
        """
        points = self.points[:, None]
        above, below = (self.sizes / self.points @ counts for counts in (y, x))
        below = np.broadcast_to(below, above.shape)
        known = below > 0
        ratio = np.divide(above, below, out=np.full(above.shape, np.nan), where=known)
        # y - R x is 1 - R, -R or 0; the variance of three values with their shares, without a
        # difference of squares, so that it is 0 where all points are alike.
        both, only, none = y / points, (x - y) / points, (points - x) / points
        spread = both * only + both * none * (1 - ratio) ** 2 + only * none * ratio**2
        variance = spread * points / (points - 1)
        # Each size over X, not its square over that of X: as good for 1e-200 hectares as for 1e200.
        shares = np.divide(self.sizes[:, None], below, out=np.zeros(variance.shape), where=known)
        weights = ((1 - self.fractions) / self.points)[:, None] * shares**2
        return ratio, np.sqrt((weights * variance).sum(axis=0))


def _is_corrected(finite: bool | None, drawn: Counted) -> bool:
    """Whether the population counts as finite.

    Raises:
        ConfigError: if it shall, and a stratum has more points than it is large.
    """
    smaller = [
        f"stratum {name!r} has {points:g} points and a size of {size:g}, which is no number of "
        "pixels: there is no correction for a finite population (finite=True) of it"
        for name, points, size in zip(drawn.strata, drawn.points, drawn.sizes, strict=True)
        if points > size
    ]
    if finite and smaller:
        raise ConfigError(smaller, "the sample")
    return not (drawn.is_by_class or smaller) if finite is None else finite


def _index(names: Sequence[Hashable]) -> pd.Index[Any]:
    return pd.Index(list(names), name="class", dtype=object)


def _table(
    estimates: Floats, errors: Floats, index: pd.Index[Any], unit: float = 1.0
) -> pd.DataFrame:
    values, half = unit * estimates, unit * Z * errors
    columns = {"estimate": values, "se": unit * errors, "low": values - half, "high": values + half}
    return pd.DataFrame(columns, index=index)
