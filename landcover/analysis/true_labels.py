"""Accuracy of labelled images: the folders they lie in say what they show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

import pyarrow as pa

from landcover.analysis.accuracy import Accuracy
from landcover.analysis.levels import levels
from landcover.classes import Scheme
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import read_parts

FOLDERS = "folders"
"""As a reference: the names of the folders that images lie in."""

_MOST_OTHERS, _LONGEST, _ANOTHER = 500, 100, "others"


def accuracy(run: RunDirectory) -> Accuracy | None:
    """Compare the labels of a run with the true labels that its tiles carry.

    Returns:
        the figures; None where no tile has a true label.

    Raises:
        OutputError: if a part cannot be read.
    """
    found = confusion(read_parts(run, columns=["label", "true_label"]), run.scheme)
    return found if found.total else None


def confusion(tables: Iterable[pa.Table], scheme: Scheme) -> Accuracy:
    """Count which labels tiles of each reference class got, one table after the other.

    A true label is a class of the scheme if it is the class's name, whatever the case, or its code:
    the folders of labelled images are often named by codes. Any other one is a class that only the
    reference has.

    Args:
        tables: with columns ``label`` and ``true_label``.
        scheme: the classes of ``label``.
    """
    return levels(scheme, scheme)[0].accuracy(true_pairs(tables, scheme), "tiles")


def true_pairs(
    tables: Iterable[pa.Table], references: Scheme, folders: bool = False
) -> Counter[tuple[str | None, str]]:
    """How often each label was found for each true label.

    Args:
        tables: with columns ``label`` and ``true_label``, and ``source`` where ``folders``.
        references: the classes of the true labels, by name, whatever the case, or by code.
        folders: where a tile carries no true label, the name of its image's folder is it.
    """
    pairs: Counter[tuple[str | None, str]] = Counter()
    known, others = named(references), dict[str, str]()

    def strange(true: str) -> str:
        """A class that only the reference has; of very many, a single one, as each has a row of the matrix."""
        if len(others) < _MOST_OTHERS:
            return others.setdefault(true, true[:_LONGEST])
        return others.get(true, _ANOTHER)

    columns = ["true_label", "label", *(["source"] if folders else [])]
    for table in tables:
        counts = table.group_by(columns).aggregate([([], "count_all")])
        for row in counts.to_pylist():
            true = row["true_label"]
            if true is None and folders:
                true = PurePosixPath(row["source"]).parent.name
            name = None if true is None else known.get(true.casefold()) or strange(true)
            pairs[name, row["label"]] += row["count_all"]
    return pairs


def named(references: Scheme) -> dict[str, str]:
    """The names of classes by what they may be called: their codes, and their names in lower case."""
    return {label: item.name for label, item in references.by_label.items()}
