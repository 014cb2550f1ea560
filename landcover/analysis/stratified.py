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

import numpy as np
import numpy.typing as npt
import pandas as pd

from landcover.analysis.sample_table import class_order, counted

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
        points: how many points the sample has.
    """

    overall: pd.DataFrame
    users: pd.DataFrame
    producers: pd.DataFrame
    areas: pd.DataFrame
    points: int

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
        user's accuracy of k   y = 1 where mapped = reference = k    x = 1 where mapped = k
                                                                     (equations 18 and 19)
        producer's of k        y = 1 where mapped = reference = k    x = 1 where reference = k
                                                                     (equations 22 and 23)
        variance of R          sum N_h^2 (1 - f_h) var(y - R x) / n_h / X^2
                                                                     (equations 25 to 29)

    with var the sample variance (n_h - 1 below the line). Where the strata are the classes of the
    map these are the estimators of Olofsson (2014), equations 1 to 11, and of Olofsson (2013).

    The finite-population correction f_h = n_h / N_h is what the published figures differ in: those
    of Olofsson (2013, 2014) leave it out, those of Stehman (2014) have it. It needs sizes that count
    what was drawn (pixels); with sizes in hectares it would make intervals too narrow.

    Args:
        sample: a row a point, with columns ``stratum``, ``mapped`` and ``reference``. Names are
            compared as they are.
        strata: the size of each stratum, in pixels, hectares or any other unit of area.
        finite: whether variances are corrected for a finite population; None: as the papers do, not
            where all points are mapped as the class that their stratum is called after, else where
            no stratum is smaller than its sample. Say False where sizes are not counts.

    Returns:
        tables indexed by class: those that are mapped or referred to, or that strata are called
        after where all are. In numeric order where all are numbers; else in the order of
        ``strata``, then the others by name, "class 2" before "class 10".

    Raises:
        ConfigError: if columns or labels are missing, a stratum has fewer than two points or no
            size, or the strata of the sample are not those of ``strata``.
    """
    strata = dict(strata.items())  # of a pandas Series too
    drawn = counted(sample, strata)
    corrected = _is_corrected(finite, drawn.is_by_class, drawn.points, drawn.sizes)
    fractions = drawn.points / drawn.sizes if corrected else np.zeros(len(drawn.sizes))
    table = _Ratios(drawn.cells / drawn.points[:, None, None], drawn.points, drawn.sizes, fractions)
    classes = class_order(drawn.classes, strata)
    order = [drawn.classes.index(name) for name in classes]
    size, same = len(order), np.eye(len(order))
    mapped = np.stack([np.outer(same[k], np.ones(size)) for k in order])
    reference = np.stack([np.outer(np.ones(size), same[k]) for k in order])
    right, all_of_it = mapped * reference, np.ones((1, size, size))
    total = float(drawn.sizes.sum())
    return Estimates(
        overall=_table(*table.of(same[None], all_of_it), ["overall"]),
        users=_table(*table.of(right, mapped), classes),
        producers=_table(*table.of(right, reference), classes),
        areas=_table(*table.of(reference, all_of_it), classes, total),
        points=int(drawn.points.sum()),
    )


@dataclass(frozen=True, eq=False)
class _Ratios:
    """Ratios of totals, from how often each pair of labels was found in each stratum.

    Args:
        shares: dims (stratum, mapped, reference): of the points of each stratum.
        points: dims (stratum,).
        sizes: dims (stratum,).
        fractions: dims (stratum,): of the population that was drawn, 0 for no correction.
    """

    shares: Floats
    points: Floats
    sizes: Floats
    fractions: Floats

    def of(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Ratios and their standard errors: dims (quantity,); NaN where X is 0.

        Args:
            y: what a point counts above the line, dims (quantity, mapped, reference).
            x: likewise below it, dims (quantity or 1, mapped, reference).
        """
        totals = self._means(y).T @ self.sizes, self._means(x).T @ self.sizes
        known = totals[1] > 0
        ratios = np.divide(*totals, out=np.full(len(y), np.nan), where=known)
        residuals = y - ratios[:, None, None] * x
        means, squares = self._means(residuals), self._means(residuals**2)
        points = self.points[:, None]
        variances = np.maximum(squares - means**2, 0) * points / (points - 1)
        weights = self.sizes**2 * (1 - self.fractions) / self.points
        squared = np.divide(variances.T @ weights, totals[1] ** 2, where=known, out=ratios * 0)
        return ratios, np.sqrt(squared)

    def _means(self, values: Floats) -> Floats:
        """Of each stratum: dims (stratum, quantity)."""
        means: Floats = (
            self.shares.reshape(len(self.shares), -1) @ values.reshape(len(values), -1).T
        )
        return means


def _is_corrected(finite: bool | None, by_class: bool, points: Floats, sizes: Floats) -> bool:
    if finite is not None:
        return finite
    return not by_class and bool((points <= sizes).all())


def _table(
    estimates: Floats, errors: Floats, names: Sequence[Hashable], unit: float = 1.0
) -> pd.DataFrame:
    values, half = unit * estimates, unit * Z * errors
    columns = {"estimate": values, "se": unit * errors, "low": values - half, "high": values + half}
    return pd.DataFrame(columns, index=pd.Index(list(names), name="class", dtype=object))
