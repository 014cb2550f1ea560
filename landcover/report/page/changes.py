"""What a report says of changes: transitions, flicker, and candidates with their pictures."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
from PIL import Image

from landcover.errors import OutputError
from landcover.plain_parquet import UNREADABLE, check_sizes, told
from landcover.redaction import printable, redacted
from landcover.runs.directory import RunDirectory
from landcover.runs.manifest import MOST_MANIFEST
from landcover.runs.map_format.grid import MapGrid
from landcover.small_files import load_json

SAID, TABLE = "change.json", "candidates.parquet"
MOST = 500
"""Candidates that a gallery holds, in the order of the table."""
_BYTES = 5_000_000  # of all pictures together, as they stand in the file
_COLUMNS = ("id", "before", "after", "score", "hectares", "neighbours", "lon", "lat")
_CHIPS = ("chip_before", "chip_after")
# A table may name any file: only those that lie where pictures are written are read.
_CHIP = re.compile(r"chips/\d+-(?:before|after)\.png")
_LARGEST = 1024  # pixels along the sides of a picture


@dataclass(frozen=True)
class Candidate:
    """A place that changed.

    Args:
        id: its number.
        before: class at the first date.
        after: class at the last one.
        score: how probable the change is, in [0, 1].
        hectares: how large it is.
        neighbours: how many of the 8 around each of its pixels changed likewise, on average.
        lon: of a place inside, degrees (WGS 84).
        lat: likewise.
        pictures: data URIs of the imagery at the first and the last date; "" where there is none.
        at: column, row and side on the maps of the report, in their pixels; None where it has none.
    """

    id: int
    before: str
    after: str
    score: float
    hectares: float
    neighbours: float
    lon: float
    lat: float
    pictures: tuple[str, str]
    at: tuple[float, float, float] | None


@dataclass(frozen=True)
class Transition:
    """Ground that went from one class to another.

    Args:
        before: class at the first date.
        after: class at the last one.
        hectares: where the labels differ so.
        decided: hectares of these that count as change.
    """

    before: str
    after: str
    hectares: float
    decided: float


@dataclass(frozen=True)
class ChangeTold:
    """What the report says of a comparison of runs.

    Args:
        path: where it lies.
        names: of the runs that were compared.
        rule: how it was decided, in a sentence.
        threshold: how probable a change has to be, in [0, 1].
        overlap: hectares that all dates show.
        flicker: hectares whose class comes back; None of two dates.
        transitions: to another class, those with the most hectares that count first.
        areas: hectares by class and run.
        count: how many candidates there are.
        candidates: the first of these.
    """

    path: str
    names: list[str]
    rule: str
    threshold: float
    overlap: float
    flicker: float | None
    transitions: list[Transition]
    areas: dict[str, dict[str, float]]
    count: int
    candidates: list[Candidate]

    @property
    def pairs(self) -> tuple[list[str], list[str]]:
        """The classes that candidates come from, and those that they lead to."""
        found = ({one.before for one in self.candidates}, {one.after for one in self.candidates})
        return sorted(found[0]), sorted(found[1])


def change_told(run: RunDirectory, frame: MapGrid) -> ChangeTold:
    """Read what ``landcover change`` has written.

    Args:
        run: its directory.
        frame: the grid that the maps of the report have.

    Raises:
        OutputError: if something of it cannot be read.
    """
    said = change_said(run)
    try:
        flicker = said["flicker"]
        return ChangeTold(
            printable(redacted(run.path)),
            [str(one["name"]) for one in said["runs"]],
            str(said["rule"]["text"]),
            float(said["rule"]["threshold"]),
            float(said["overlap"]["hectares"]),
            None if flicker is None else float(flicker["hectares"]),
            _transitions(said["transitions"]),
            _areas(said["areas"]),
            int(said["candidates"]),
            _candidates(run, frame),
        )
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        reason = f"is not what landcover change writes ({error!r})"
        raise OutputError(run.storage.where(SAID), reason) from error


def change_said(run: RunDirectory) -> Any:
    """What ``change.json`` says.

    Raises:
        OutputError: if there is none, or it cannot be read.
    """
    try:
        return load_json(run.storage.read(SAID, MOST_MANIFEST))
    except FileNotFoundError:
        reason = f"holds no {SAID}: it is no comparison of runs, or one that is not done"
        raise OutputError(run.path, reason) from None
    except (OSError, ValueError) as error:
        raise OutputError(run.storage.where(SAID), f"cannot be read: {error}") from error


def _transitions(rows: list[dict[str, Any]]) -> list[Transition]:
    amounts = ("hectares", "decided_hectares")
    found = [
        Transition(str(row["from"]), str(row["to"]), *(float(row[name]) for name in amounts))
        for row in rows
        if row["from"] != row["to"]
    ]
    return sorted(found, key=lambda one: (-one.decided, -one.hectares))


def _areas(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    areas: dict[str, dict[str, float]] = {}
    for row in rows:
        areas.setdefault(str(row["class"]), {})[str(row["run"])] = float(row["hectares"])
    return areas


def _candidates(run: RunDirectory, frame: MapGrid) -> list[Candidate]:
    try:
        file = pq.ParquetFile(pa.BufferReader(run.storage.read(TABLE)))
        check_sizes(file)
        table = file.read([*_COLUMNS, *_CHIPS])
        table.validate(full=True)
    except UNREADABLE as error:
        raise OutputError(run.storage.where(TABLE), f"cannot be read: {told(error)}") from error
    rows = table.sort_by("id").slice(0, MOST).to_pylist()
    pictures = _Pictures(run)
    places = _places(rows, frame)
    return [
        Candidate(
            **{name: row[name] for name in _COLUMNS},
            pictures=pictures.of(*(row[name] for name in _CHIPS)),
            at=place,
        )
        for row, place in zip(rows, places, strict=True)
    ]


class _Pictures:
    """Pictures as data URIs, as long as there is room for more."""

    def __init__(self, run: RunDirectory) -> None:
        self._run, self._left = run, _BYTES

    def of(self, before: str | None, after: str | None) -> tuple[str, str]:
        """Those of a candidate; "" where there is none, or no room is left."""
        found = self._read(before), self._read(after)
        size = sum(map(len, found))
        if size > self._left:
            self._left = 0
            return "", ""
        self._left -= size
        return found

    def _read(self, name: str | None) -> str:
        if not self._left or name is None or not _CHIP.fullmatch(name):
            return ""
        try:
            content = io.BytesIO(self._run.storage.read(name))
            with Image.open(content, formats=["PNG"]) as image:
                if max(image.size) > _LARGEST:
                    return ""
                written = io.BytesIO()
                image.convert("RGB").save(written, "JPEG", quality=80)
        except (OSError, ValueError, SyntaxError):
            return ""  # a picture is no reason to go without the report
        return f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"


def _places(rows: list[dict[str, Any]], frame: MapGrid) -> list[tuple[float, float, float] | None]:
    """Where candidates lie on a frame: column, row, and how many pixels across they are."""
    try:
        to_map = pyproj.Transformer.from_crs("EPSG:4326", frame.crs, always_xy=True)
    except pyproj.exceptions.ProjError:
        return [None] * len(rows)
    to_degrees = pyproj.Geod(ellps="WGS84")
    found: list[tuple[float, float, float] | None] = []
    for row in rows:
        x, y = to_map.transform(row["lon"], row["lat"])
        side = (float(row["hectares"]) * 10_000) ** 0.5
        east = to_map.transform(*to_degrees.fwd(row["lon"], row["lat"], 90, max(side, 1))[:2])
        (col, line), other = frame.pixel(x, y), frame.pixel(*east)
        inside = 0 <= col < frame.width and 0 <= line < frame.height
        across = ((other[0] - col) ** 2 + (other[1] - line) ** 2) ** 0.5
        found.append((round(col, 2), round(line, 2), round(across, 2)) if inside else None)
    return found
