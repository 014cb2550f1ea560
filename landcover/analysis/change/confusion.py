"""How often each label is given to each class, from what ``landcover accuracy --json`` has said."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.analysis.change.evidence import Rates
from landcover.classes import Scheme
from landcover.errors import SourceError
from landcover.runs.storage import Storage
from landcover.small_files import load_json


def measured_rates(path: str | os.PathLike[str], scheme: Scheme, accuracy: float) -> Rates:
    """The rates of a confusion matrix.

    To the counts of each class one is added, shared as with labels of an assumed accuracy: a matrix
    of few points does not say that an error cannot be.

    Args:
        path: JSON of a confusion matrix: ``classes`` (names) and ``matrix`` (dims (reference, label)),
            by itself or at one of the ``levels`` that ``landcover accuracy --json`` prints.
        scheme: the classes of the runs; the matrix may have more, which count as errors.
        accuracy: in (0, 1), as said of labels of which nothing is known.

    Raises:
        SourceError: if it cannot be read, or lacks a class.
    """
    name = str(path)
    found = _matrix(name, _values(name), scheme)
    listed = [str(one) for one in found["classes"]]
    order = [listed.index(one) for one in scheme.names]
    kept = _counts(name, found["matrix"], listed)[np.ix_(order, order)]
    usual = np.array(Rates.assumed(len(scheme), accuracy).rates)
    known = kept + usual
    return Rates(tuple(map(tuple, (known / known.sum(axis=1, keepdims=True)).tolist())))


def _counts(name: str, matrix: Any, classes: Sequence[str]) -> npt.NDArray[np.float64]:
    """A matrix as counts: dims (reference, label).

    Raises:
        SourceError: if it is none of the classes, or holds what is no count.
    """
    if len({*classes}) < len(classes):
        raise SourceError(name, "has a class twice in its confusion matrix")
    try:
        counts = np.array(matrix, np.float64)
    except (TypeError, ValueError) as error:
        raise SourceError(name, f"has no square matrix of its classes: {error}") from error
    if counts.shape != (len(classes), len(classes)):
        told = " x ".join(map(str, counts.shape)) or "one number"
        reason = f"has no square matrix of its {len(classes)} classes: it is {told}"
        raise SourceError(name, reason)
    if not (np.isfinite(counts).all() and (counts >= 0).all()):
        raise SourceError(name, "has in its confusion matrix what is no count, of 0 or more")
    return counts


def _values(name: str) -> Any:
    folder, _, last = name.rpartition("/")
    try:
        return load_json(Storage(folder or ".").read(last))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SourceError(name, f"cannot be read as JSON: {reason}") from error


def _matrix(name: str, values: Any, scheme: Scheme) -> Mapping[str, Any]:
    """The matrix that has all classes of a scheme, the first of several.

    Raises:
        SourceError: if there is none.
    """
    levels = values.get("levels", {"": values}) if isinstance(values, Mapping) else {}
    levels = levels if isinstance(levels, Mapping) else {}
    matrices = [one for one in levels.values() if isinstance(one, Mapping)]
    for one in matrices:
        classes = one.get("classes")
        if (
            isinstance(classes, list)
            and "matrix" in one
            and {*scheme.names} <= {*map(str, classes)}
        ):
            return one
    listed = ", ".join(scheme.names[:6]) + (", ..." if len(scheme) > 6 else "")
    reason = f"has no confusion matrix of the classes {listed}"
    raise SourceError(name, f"{reason}: expected what 'landcover accuracy RUN --json' prints")
