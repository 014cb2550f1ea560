"""The table of a task as it is read back: it may come from anyone, so that nothing of it is used before it is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landcover.classes import Scheme
from landcover.plain_parquet import PlainParquet
from landcover.runs.counts import counts_in
from landcover.runs.geoparquet import corners_of, crs_of
from landcover.runs.tables import BOUNDS, PLACE

_PLACE: Mapping[str, pa.DataType] = {field.name: field.type for field in PLACE}
_TILES: Mapping[str, pa.DataType] = {
    **_PLACE,
    "label": pa.string(),
    "code": pa.int32(),
    "score": pa.float32(),
    "true_label": pa.string(),
}
_SOMETIMES: Mapping[str, pa.DataType] = {
    "probabilities": pa.list_(pa.float32()),
    "date": pa.string(),
    "undefined_pixels": pa.int32(),
    "geometry": pa.binary(),
}
_FAILED: Mapping[str, pa.DataType] = {**_PLACE, "reason": pa.string(), "retryable": pa.bool_()}
# Image files have no bounds, and not all tiles have a true label.
_GAPS: Final = (*BOUNDS, "true_label")
_FROM_ZERO: Final = ("row", "col", "undefined_pixels")
# A mean of many probabilities may lie so far beyond 1, and more.
_ROUNDING: Final = 1e-3


def tiles_read(
    content: bytes, scheme: Scheme, columns: Sequence[str] | None = None, date: str = ""
) -> pa.Table:
    """The scored tiles of a part.

    Args:
        content: of its file.
        scheme: the classes of its run.
        columns: all that a part may have, unless some are named.
        date: the tiles of this date alone; "": all.

    Raises:
        UNREADABLE: (of :mod:`landcover.plain_parquet`) one of these; it is no part of such a run.
    """
    file = PlainParquet(content, {**_TILES, **_SOMETIMES}, _GAPS, _TILES)
    counts_in(file.metadata, file.rows)
    if crs_of(file.metadata) is not None and "geometry" not in file.names:
        reason = "its outlines are missing, though it says what they are"
        raise ValueError(f"{reason}: score the run anew (--restart)")
    table = _read(file, columns, date)
    _check_places(table, placed=crs_of(file.metadata) is not None)
    _check_labels(table, scheme)
    return table


def tiles_columns(file: IO[bytes]) -> list[str]:
    """The columns of a part that :func:`tiles_read` may read.

    Raises:
        UNREADABLE: (of :mod:`landcover.plain_parquet`) one of these; it is no part of a run.
    """
    return PlainParquet(file, {**_TILES, **_SOMETIMES}, _GAPS, _TILES).names


def failures_read(
    content: bytes, rows: int, columns: Sequence[str] | None = None, date: str = ""
) -> pa.Table:
    """The tiles of a part that failed.

    Args:
        content: of its file.
        rows: how many there are, as the table of the scored tiles says.
        columns: as of :func:`tiles_read`.
        date: likewise.

    Raises:
        UNREADABLE: (of :mod:`landcover.plain_parquet`) one of these; it is no part of such a run.
    """
    file = PlainParquet(content, {**_FAILED, "date": pa.string()}, _GAPS, _FAILED)
    if file.rows != rows:
        raise ValueError(f"it has {file.rows:,} rows for the {rows:,} tiles that failed")
    table = _read(file, columns, date)
    _check_places(table, placed=False)
    return table


def _read(file: PlainParquet, columns: Sequence[str] | None, date: str) -> pa.Table:
    if not date:
        return file.whole(columns)
    table = file.whole(None if columns is None else list({*columns, "date"}))
    table = table.filter(pc.equal(table["date"], date))
    return table if columns is None else table.select(list(columns))


def _check_places(table: pa.Table, placed: bool) -> None:
    """Look at where tiles lie."""
    for name in _FROM_ZERO:
        if name in table.column_names and (table[name].to_numpy() < 0).any():
            raise ValueError(f"its column {name!r} has numbers below 0")
    sides = {name: table[name].to_numpy() for name in BOUNDS if name in table.column_names}
    for name, values in sides.items():
        if np.isinf(values).any() or (placed and np.isnan(values).any()):
            raise ValueError(f"its column {name!r} has places that are none")
    for low, high in (("xmin", "xmax"), ("ymin", "ymax")):
        if {low, high} <= sides.keys() and (sides[low] > sides[high]).any():
            raise ValueError(f"its column {low!r} has numbers above those of {high!r}")
    if "geometry" in table.column_names:
        _check_outlines(table["geometry"], sides)


def _check_outlines(column: pa.ChunkedArray, sides: Mapping[str, npt.NDArray[Any]]) -> None:
    """Look whether outlines are rectangles, those of the bounds beside them."""
    corners = corners_of(column.to_pylist())
    found = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    for values, name in zip(found.T, BOUNDS, strict=True):
        if name in sides and not np.array_equal(values, sides[name]):
            raise ValueError(f"its outlines do not lie where its column {name!r} says")


def _check_labels(table: pa.Table, scheme: Scheme) -> None:
    """Look at classes and how probable they are."""
    found: dict[str, Any] = {}
    for name, known in (("label", scheme.names), ("code", scheme.codes)):
        if name in table.column_names:
            places = pc.index_in(table[name], pa.array(known, table[name].type))
            if places.null_count:
                strange = table[name].filter(pc.is_null(places))[0].as_py()
                raise ValueError(
                    f"{str(strange)[:60]!r} of its column {name!r} is no class of the run"
                )
            found[name] = places
    if len(found) == 2 and not found["label"].equals(found["code"]):
        raise ValueError("its columns 'label' and 'code' name different classes")
    if "score" in table.column_names:
        _check_probable("score", table["score"].to_numpy())
    if "probabilities" in table.column_names:
        lists = table["probabilities"].combine_chunks()
        if (pc.list_value_length(lists).to_numpy() != len(scheme)).any():
            raise ValueError(
                f"its column 'probabilities' has not {len(scheme)} a tile, one a class"
            )
        if lists.flatten().null_count:
            raise ValueError("its column 'probabilities' has gaps")
        _check_probable("probabilities", lists.flatten().to_numpy())


def _check_probable(name: str, values: npt.NDArray[Any]) -> None:
    if not ((values >= 0) & (values <= 1 + _ROUNDING)).all():
        raise ValueError(f"its column {name!r} has numbers that are no probabilities")
