"""The labels of a run held against a reference: a raster, points, or the folders of its images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from html import escape
from typing import Any

from landcover.analysis.accuracy import Accuracy
from landcover.analysis.levels import Level, Pairs, levels
from landcover.analysis.map_blocks import Progress, finished, labels_pixels, no_progress
from landcover.analysis.points import classes_at
from landcover.analysis.reference_raster import ReferenceRaster
from landcover.analysis.true_labels import FOLDERS, named, true_pairs
from landcover.analysis.zones import named_column, places_of, read_vectors
from landcover.classes import Scheme, scheme
from landcover.errors import OutputError, SourceError
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import read_parts
from landcover.tiles.gdal import FAILURES
from landcover.tiles.opening import opened_raster

_USUAL = ("reference", "label", "class")
_SHOWN, _LONGEST = 5, 40  # values that a message tells, and characters of each


@dataclass(frozen=True, eq=False)
class Comparison:
    """How the labels of a run agree with a reference.

    Args:
        levels: by scheme: the run's own classes first where the reference can be taken to them, then
            the groups of the 2017 guide.
        agreement: for tiles and a raster: what part of a tile, in [0, 1] and on average, is of the
            class that is commonest in it; by scheme.
        note: what the reader should know of it; "" for nothing.
    """

    levels: dict[str, Accuracy]
    agreement: dict[str, float]
    note: str = ""

    @property
    def text(self) -> str:
        """The figures at all levels as small tables for people."""
        parts = []
        for title, found in self.levels.items():
            heading = f"classes of {title}" if title != "model" else "classes of the model"
            if title in self.agreement:
                heading += f" (the reference of a tile covers {self.agreement[title]:.1%} of it on average)"
            parts.append(f"{heading}\n{found.text}")
        return "\n\n".join(parts + ([self.note] if self.note else []))

    def to_json(self) -> dict[str, Any]:
        """All figures as plain JSON values."""
        return {
            "levels": {title: found.to_json() for title, found in self.levels.items()},
            **({"agreement": self.agreement} if self.agreement else {}),
            **({"note": self.note} if self.note else {}),
        }

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text)}</pre>"


def compare(
    run: RunDirectory,
    reference: str | os.PathLike[str],
    scheme_name: str | None = None,
    field: str | None = None,
    ignored: Collection[int] = (),
    progress: Progress = no_progress,
) -> Comparison:
    """Hold the labels of a run against a reference.

    Args:
        run: the directory of a run that is done.
        reference: a raster of class codes, in any CRS and resolution; a vector file of points, in any
            CRS, with a column of classes; or "folders": the folders of the run's images are named
            after what they show.
        scheme_name: the scheme of the reference ("nlcd", "cdl", ...); None: that of the run.
        field: of points: the column with their class, by name or code; None: "reference", "label" or
            "class".
        ignored: codes of a raster that count as no reference.
        progress: called after each block of the map.

    Raises:
        OutputError: if the run is not done, has no map, or cannot be read.
        SourceError: if the reference cannot be read, or its classes are not those of its scheme.
        ConfigError: if the classes of the run and of the reference cannot be compared.
        MissingExtra: for points, if geopandas is not installed.
    """
    finished(run)
    references = run.scheme if scheme_name in (None, run.scheme.name) else scheme(str(scheme_name))
    if scheme_name == run.scheme.name and run.scheme.name != "model":
        references = scheme(run.scheme.name)  # a model may know a part of it only
    at = levels(run.scheme, references)
    if str(reference) == FOLDERS:
        return _against_folders(run, references, at)
    if not is_raster(reference):
        return _against_points(run, reference, references, field, at)
    raster = ReferenceRaster(reference, references, ignored)
    tiles = not labels_pixels(run)
    held = raster.hold(run, at, tiles, progress)
    unit = "tiles" if tiles else "pixels"
    found = {level.title: level.accuracy(held.pairs[level.title], unit) for level in at}
    shares = {title: total / found[title].total for title, total in held.agreement.items()}
    return Comparison(found, shares, _note(references))


def _note(references: Scheme) -> str:
    """What is taken for granted where a model's own class numbers are the codes of a reference."""
    if references.name != "model":
        return ""
    listed = ", ".join(f"{item.code} is {item.name}" for item in list(references)[:_SHOWN])
    more = ", ..." if len(references) > _SHOWN else ""
    return f"codes of the reference were taken for the run's own: {listed}{more}"


def _against_folders(run: RunDirectory, references: Scheme, at: list[Level]) -> Comparison:
    tables = read_parts(run, columns=["label", "true_label", "source"])
    pairs = true_pairs(tables, references, folders=True)
    if not {name for name, _ in pairs} & {*references.names}:
        reason = "no folder of its images is called like a class: name them so, or give another reference"
        raise OutputError(run.path, reason)
    return _at_all(pairs, at, "tiles")


def _against_points(
    run: RunDirectory,
    path: str | os.PathLike[str],
    references: Scheme,
    field: str | None,
    at: list[Level],
) -> Comparison:
    frame = read_vectors(path, "points with a class each")
    if set(frame.geometry.geom_type) != {"Point"}:
        kinds = ", ".join(sorted(set(frame.geometry.geom_type)))
        raise SourceError(str(path), f"has {kinds}: a reference is a raster, or points")
    column = named_column(path, frame, field, _USUAL, "the class of a point")
    if column is None:
        raise SourceError(
            str(path),
            f"has no column {', '.join(map(repr, _USUAL))}: name the one that has the classes",
        )
    classes = classes_named(path, frame[column].tolist(), references)
    mapped = classes_at(run, *places_of(frame))
    known = mapped < len(run.scheme)
    if not known.any():
        raise SourceError(str(path), "has no point where the map of the run has a class")
    pairs: Counter[tuple[str | None, str]] = Counter(
        (name, run.scheme.names[index])
        for name, index, here in zip(classes, mapped.tolist(), known.tolist(), strict=True)
        if here
    )
    found = _at_all(pairs, at, "points")
    outside = int((~known).sum())
    note = f"{outside:,} points lie where the map has no class" if outside else ""
    return Comparison(found.levels, {}, note)


def classes_named(path: str | os.PathLike[str], values: list[Any], references: Scheme) -> list[str]:
    """The classes that values of a column stand for: names, in whatever case, or codes.

    Raises:
        SourceError: if one is no class of the scheme.
    """
    known = named(references)
    spelled = [_spelled(value) for value in values]
    strange = list(dict.fromkeys(one for one in spelled if one.casefold() not in known))
    if strange:
        listed = ", ".join(repr(one[:_LONGEST]) for one in strange[:_SHOWN])
        listed += ", ..." if strange[_SHOWN:] else ""
        names = ", ".join(references.names[:8]) + (", ..." if len(references) > 8 else "")
        raise SourceError(
            str(path), f"has {listed}, which is no class of scheme {references.name!r} ({names})"
        )
    return [known[one.casefold()] for one in spelled]


def _spelled(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()  # a column of codes with a gap is float
    return str(int(value) if whole else value).strip()


def _at_all(pairs: Pairs, at: list[Level], unit: str) -> Comparison:
    return Comparison({level.title: level.accuracy(pairs, unit) for level in at}, {})


def is_raster(path: str | os.PathLike[str]) -> bool:
    """Whether a reference is a raster, and no vector file."""
    try:
        with opened_raster(str(path)):
            return True
    except FAILURES:
        return False
