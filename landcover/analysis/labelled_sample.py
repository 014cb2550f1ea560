"""A sample that people have labelled: estimates of accuracy and of areas for the whole map."""

from __future__ import annotations

import os
from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
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
_SHOWN = 40  # characters of a value that a message tells
_SHAPEFILE = 10  # characters of the name of a column
_AS_DRAWN = (
    "give the file as 'landcover sample' wrote it, with the column of classes filled in alone"
)


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
    if absent and all(name[:_SHAPEFILE] in frame.columns for name in absent):
        reason = (
            f"has column names cut to {_SHAPEFILE} characters ({', '.join(n[:_SHAPEFILE] for n in absent)}), "
            "as shapefiles have them: save the sample as GeoPackage"
        )
        raise SourceError(str(path), reason)
    if absent or set(frame.geometry.geom_type) != {"Point"}:
        reason = (
            "is no probability sample: points need the columns that 'landcover sample' writes, which "
            f"tell how each was drawn ({', '.join(absent) or 'and these are no points'}); places that "
            "people chose say nothing of the whole map (use them with --reference)"
        )
        raise SourceError(str(path), reason)
    stratum = _strata_named(path, frame)
    counts, hectares, wholes = (
        _numbers(path, frame, name)
        for name in ("stratum_points", "stratum_hectares", "map_hectares")
    )
    sizes: dict[Hashable, float] = {}
    for name, group in pd.DataFrame({"drawn": counts, "hectares": hectares}).groupby(
        stratum, sort=False
    ):
        if (group.nunique() > 1).any() or len(group) != group["drawn"].iloc[0]:
            said = ", ".join(f"{one:g}" for one in sorted(set(group["drawn"])))
            reason = (
                f"is no longer the sample that was drawn: stratum {str(name)!r} has {len(group)} points, "
                f"and {said} were drawn from it; leaving some out, or adding some, biases what follows"
            )
            raise SourceError(str(path), reason)
        sizes[str(name)] = float(group["hectares"].iloc[0])
    if wholes.nunique() > 1:
        said = " and ".join(f"{one:,.1f}" for one in wholes.unique()[:2])
        reason = f"has points of several samples: in column 'map_hectares' are {said}; {_AS_DRAWN}"
        raise SourceError(str(path), reason)
    whole = float(wholes.iloc[0])
    if abs(sum(sizes.values()) - whole) > _SLACK * whole:
        reason = (
            f"is no longer the sample that was drawn: its strata have {sum(sizes.values()):,.1f} of the "
            f"map's {whole:,.1f} hectares, so that all points of a class are gone"
        )
        raise SourceError(str(path), reason)
    return sizes


def _strata_named(path: str | os.PathLike[str], frame: gpd.GeoDataFrame) -> pd.Series[str]:
    """The name of each point's stratum.

    Raises:
        SourceError: if one has none.
    """
    empty = [_is_empty(value) for value in frame["stratum"]]
    if any(empty):
        raise SourceError(str(path), f"has no stratum in row {empty.index(True) + 1}: {_AS_DRAWN}")
    named: pd.Series[str] = frame["stratum"].astype(str)
    return named


def _numbers(path: str | os.PathLike[str], frame: gpd.GeoDataFrame, name: str) -> pd.Series[float]:
    """A column of sizes, also where a program has made texts of numbers.

    Raises:
        SourceError: if one is no number above 0.
    """
    values: pd.Series[float] = pd.to_numeric(frame[name].map(str), errors="coerce")
    wrong = ~((values > 0) & (values < np.inf)).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        found = frame[name].iloc[row]
        told = "nothing" if _is_empty(found) else repr(str(found)[:_SHOWN])
        reason = (
            f"has {told} in column {name!r} of row {row + 1}, and no number above 0: {_AS_DRAWN}"
        )
        raise SourceError(str(path), reason)
    return values


def _in_order(found: Estimates, own: Scheme) -> Estimates:
    """The classes in the order of the run's scheme, others after them."""
    present = list(found.areas.index)
    order = [name for name in own.names if name in present]
    order += [name for name in present if name not in order]
    tables = {name: getattr(found, name).loc[order] for name in ("users", "producers", "areas")}
    pairs = pd.MultiIndex.from_product([order, order], names=found.matrix.index.names)
    return replace(found, matrix=found.matrix.loc[pairs], **tables)


def _is_empty(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value) and pd.isna(value)) or not str(value).strip()
