"""What a folder of tiles may hold: it may come from anyone, so that nothing of it is used before it is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from landcover.classes import Scheme
from landcover.labelling.rules import REASONS
from landcover.labelling.settings import SPLITS
from landcover.plain_parquet import PlainParquet
from landcover.runs.geoparquet import check_polygons
from landcover.runs.manifest import Count
from landcover.small_files import load_json

Stage: TypeAlias = Literal["labels", "tiles"]

MASKS = "masks"
"""The folder of the classes of pixels."""
SIZE = "size"
"""Of parts: a column with the bytes of each file."""

_TEXTS = ("path", "class", "scene", "date", "split")
_LABELS = {"row": pa.int32(), "col": pa.int32(), "label": pa.int16(), "split": pa.int8()}
_LINES = {**dict.fromkeys(_TEXTS, pa.string()), "code": pa.int32(), "geometry": pa.binary()}
_MASK = {"mask": pa.string()}
_WRITTEN = {**_LINES, SIZE: pa.int64()}


class _Told(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Labels(_Told):
    task: Count
    tiles: Count
    counts: list[tuple[Annotated[int, Field(ge=0, lt=len(SPLITS))], Count, Count]]
    left_out: Annotated[list[Count], Field(min_length=len(REASONS), max_length=len(REASONS))]


class _Written(_Told):
    task: Count
    tiles: Count
    unreadable: Count
    reason: str


class _Class(_Told):
    name: str
    folder: str


class _Manifest(_Told):
    classes: list[_Class]
    status: str = ""
    fingerprint: dict[str, Any] = Field(default_factory=dict)


class _Done(_Manifest):
    counts: dict[str, dict[str, Count]]
    found: dict[str, dict[str, Count]]
    planned: Count
    left_out: dict[str, Count]
    unreadable: str = ""
    crs: str


def manifest_in(content: bytes) -> dict[str, Any]:
    """The values of a ``prepare.json``, of which those that commands read are of the right kind.

    Raises:
        ValueError: they are not, or it is no JSON, or too large; the text says why.
    """
    found: dict[str, Any] = load_json(content)
    done = isinstance(found, dict) and found.get("status") == "done"
    _validated(_Done if done else _Manifest, content)
    names = {one["name"] for one in found["classes"]}
    if done and not all(names <= of.keys() for of in found["counts"].values()):
        raise ValueError("it is not what landcover writes: counts: not of all classes")
    return found


def counts_in(stage: Stage, metadata: Mapping[bytes, bytes], scheme: Scheme) -> dict[str, Any]:
    """What the part of a task says that it has counted.

    Raises:
        LookupError, ValueError: it says nothing that can be.
    """
    text = metadata[b"landcover"]
    _validated(_Labels if stage == "labels" else _Written, text)
    found: dict[str, Any] = load_json(text)
    if any(label >= len(scheme) for _, label, _ in found.get("counts", ())):
        raise ValueError("it counts a class that is none")
    return found


def table_in(stage: Stage, content: bytes, scheme: Scheme) -> pa.Table:
    """The table of a task.

    Raises:
        UNREADABLE: (of :mod:`landcover.plain_parquet`) one of these; it is no such table.
    """
    if stage == "labels":
        table = PlainParquet(content, _LABELS, (), _LABELS).whole()
        for name, end in {"row": 2**31, "col": 2**31, "label": len(scheme), "split": 3}.items():
            _check_range(name, table[name].to_numpy(), end)
        return table
    table = PlainParquet(content, {**_WRITTEN, **_MASK}, (), _WRITTEN).whole()
    _check_lines(table, scheme)
    return table


def lines_in(file: IO[bytes]) -> PlainParquet:
    """The manifest of tiles, opened.

    Raises:
        UNREADABLE: (of :mod:`landcover.plain_parquet`) one of these; it is none.
    """
    return PlainParquet(file, {**_LINES, **_MASK}, (), _LINES)


def _validated(kind: type[_Told], text: bytes) -> None:
    try:
        kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise ValueError(f"it is not what landcover writes: {where}: {first['msg']}") from None


def _check_range(name: str, values: npt.NDArray[Any], end: int) -> None:
    if not ((values >= 0) & (values.astype(np.int64) < end)).all():
        raise ValueError(f"its column {name!r} has numbers that are none of {end:,}")


def _check_lines(table: pa.Table, scheme: Scheme) -> None:
    """Look at the lines of tiles, which name files inside of the folder alone."""
    for name, known in (("class", scheme.names), ("split", SPLITS)):
        if not pc.all(pc.is_in(table[name], pa.array(known, pa.string())), min_count=0).as_py():
            raise ValueError(f"its column {name!r} has one that is none")
    splits = table["split"].to_pylist()
    for column in ("path", "mask") if "mask" in table.column_names else ("path",):
        for path, split in zip(table[column].to_pylist(), splits, strict=True):
            first = [split] if column == "path" else [MASKS, split]
            parts = path.split("/")
            if parts[: len(first)] != first or not {"", ".", ".."}.isdisjoint(parts):
                raise ValueError(f"its column {column!r} names a file that is none of the folder's")
    check_polygons(table["geometry"].to_pylist())
