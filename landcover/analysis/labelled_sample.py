"""A sample that people have labelled: estimates of accuracy and of areas for the whole map."""

from __future__ import annotations

import os
from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from landcover.analysis.points import classes_at
from landcover.analysis.reference import classes_named
from landcover.analysis.stratified import Estimates, stratified_estimates
from landcover.analysis.zones import places_of, read_vectors
from landcover.classes import Scheme, scheme
from landcover.errors import SourceError
from landcover.runs.directory import RunDirectory

if TYPE_CHECKING:
    import geopandas as gpd

NEEDED = ("stratum", "stratum_hectares", "stratum_points", "map_hectares")
"""Columns that tell how a point was drawn."""
REFERENCE = "reference"
_SLACK = 1e-6


def estimates(
    run: RunDirectory,
    path: str | os.PathLike[str],
    scheme_name: str | None = None,
    field: str | None = None,
) -> Estimates:
    """Estimate accuracy and areas, in hectares, from a labelled sample.

    The map is read anew at the points: a sample that was drawn by one map serves for another one of
    the same place too, whose classes are then not its strata (Stehman 2014). No finite-population
    correction is made.

    Args:
        run: the directory of a run that is done.
        path: what :func:`draw_sample` returned, as a vector file, with a class in each row of
            ``reference``, by name or code.
        scheme_name: the scheme of these classes; None: that of the run.
        field: the column that has them; None: "reference".

    Raises:
        OutputError: if the run is not done, has no map, or it cannot be read.
        SourceError: if the file is not such a sample, or not labelled as a whole, or with what is no
            class, or a point lies where the map has no class.
        ConfigError: if a stratum has fewer than two points.
        MissingExtra: if geopandas is not installed.
    """
    frame = read_vectors(path, "a sample of points")
    sizes = _strata(path, frame)
    column = field or REFERENCE
    if column not in frame.columns:
        raise SourceError(
            str(path), f"has no column {column!r}: write the class of each point there"
        )
    labels = [None if _is_empty(value) else value for value in frame[column].tolist()]
    missing = sum(value is None for value in labels)
    if missing:
        told = f"{missing} of {len(labels)} points have no class in column {column!r}"
        raise SourceError(str(path), f"{told}: all that were drawn need one, hard ones above all")
    references = run.scheme if scheme_name in (None, run.scheme.name) else scheme(str(scheme_name))
    reference = classes_named(path, labels, references)
    index = classes_at(run, *places_of(frame))
    outside = int((index == len(run.scheme)).sum())
    if outside:
        reason = f"has {outside} points where the map of the run has no class: it was drawn for other ground"
        raise SourceError(str(path), reason)
    mapped = [run.scheme.names[one] for one in index.tolist()]
    columns = {"stratum": frame["stratum"].astype(str), "mapped": mapped, "reference": reference}
    found = stratified_estimates(pd.DataFrame(columns), sizes, finite=False)
    return _in_order(found, run.scheme)


def _strata(path: str | os.PathLike[str], frame: gpd.GeoDataFrame) -> dict[Hashable, float]:
    """Hectares of each stratum.

    Raises:
        SourceError: if the points are not all of a probability sample.
    """
    absent = [name for name in NEEDED if name not in frame.columns]
    if absent or set(frame.geometry.geom_type) != {"Point"}:
        reason = (
            "is no probability sample: points need the columns that 'landcover sample' writes, which "
            f"tell how each was drawn ({', '.join(absent) or 'and these are no points'}); places that "
            "people chose say nothing of the whole map (use them with --reference)"
        )
        raise SourceError(str(path), reason)
    sizes: dict[Hashable, float] = {}
    for name, group in frame.groupby(frame["stratum"].astype(str), sort=False):
        drawn, hectares = set(group["stratum_points"]), set(group["stratum_hectares"])
        if len(drawn) > 1 or len(hectares) > 1 or len(group) != next(iter(drawn)):
            said = ", ".join(map(str, sorted(drawn, key=str)))
            reason = (
                f"is no longer the sample that was drawn: stratum {str(name)!r} has {len(group)} points, "
                f"and {said} were drawn from it; leaving some out, or adding some, biases what follows"
            )
            raise SourceError(str(path), reason)
        sizes[str(name)] = float(next(iter(hectares)))
    whole = float(frame["map_hectares"].iloc[0])
    if abs(sum(sizes.values()) - whole) > _SLACK * whole:
        reason = (
            f"is no longer the sample that was drawn: its strata have {sum(sizes.values()):,.1f} of the "
            f"map's {whole:,.1f} hectares, so that all points of a class are gone"
        )
        raise SourceError(str(path), reason)
    return sizes


def _in_order(found: Estimates, own: Scheme) -> Estimates:
    """The classes in the order of the run's scheme, others after them."""
    present = list(found.areas.index)
    order = [name for name in own.names if name in present]
    order += [name for name in present if name not in order]
    tables = {name: getattr(found, name).loc[order] for name in ("users", "producers", "areas")}
    pairs = pd.MultiIndex.from_product([order, order], names=found.matrix.index.names)
    return replace(found, matrix=found.matrix.loc[pairs], **tables)


def _is_empty(value: Any) -> bool:
    return bool(pd.isna(value)) or not str(value).strip()
